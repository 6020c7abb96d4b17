"""What common LOINC codes measure, told apart by what a feature can't have both of.

A result that is coded as two of these is one of them only. Codes that a laboratory may well give
one result stand together: serum and blood, mass and substance, general and particular methods.
"""

from collections.abc import Mapping
from typing import Final

from models.unit_table import KINDS

_CODES: Final[Mapping[str, str]] = {
    "heart rate": "8867-4 8889-8 8891-4 68999-2 69001-6",
    "systolic blood pressure": "8480-6 76534-7 76215-3 8459-0 8460-8 8461-6 96608-5",
    "diastolic blood pressure": "8462-4 76535-4 76213-8 8453-3 8454-1 8455-8 96609-3",
    "mean blood pressure": "8478-0",
    "respiratory rate": "9279-1",
    "oxygen saturation": "59408-5 2708-6 59410-1",
    "inspired oxygen": "3150-0",
    "oxygen flow": "3151-8",
    "temperature": "8310-5 8331-1 8332-9 8333-7 8328-7 8329-5",
    "coma score": "9269-2",
    "coma score, eyes": "9267-6",
    "coma score, words": "9270-0",
    "coma score, motion": "9268-4",
    "creatinine": "2160-0 38483-4 14682-9 59826-8",
    "creatinine in urine": "2161-8",
    "urea nitrogen": "3094-0 6299-2 14937-7 59570-2 3091-6 22664-7",
    "urea nitrogen in urine": "3095-7",
    "sodium": "2951-2 2947-0 32717-1",
    "sodium in urine": "2955-3",
    "potassium": "2823-3 6298-4 32713-0",
    "potassium in urine": "2828-2",
    "bicarbonate": "1963-8 1959-6 1960-4",
    "chloride": "2075-0 2069-3 41650-3",
    "chloride in urine": "2078-4",
    "glucose in urine": "2350-7",
    "haemoglobin a1c": "4548-4 17856-6 4549-2 17855-8 59261-8",
    "lactate": "2524-7 32693-4 2518-9 2519-7 14118-4 59032-3 30242-2",
    "white blood cells": "6690-2 26464-8 804-5 12227-5",
    "haemoglobin": "718-7 20509-6 30313-1 30350-3 59260-0 75928-2",
    "platelets": "777-3 26515-7 778-1",
    "bilirubin, indirect": "1971-1",
    "albumin": "1751-7 61151-7 61152-5 2862-1 54347-0",
    "albumin in urine": "1754-1",
    "international normalised ratio": "6301-6 34714-6 46418-0 38875-1",
    "b-type natriuretic peptide": "30934-4 42637-9",
    "nt-probnp": "33762-6 33763-4",
    "c-reactive protein": "1988-5 30522-7 76485-2",
    "free kappa light chains": "36916-5",
    "free lambda light chains": "33944-0",
    "ratio of free light chains": "48378-4",
    "ph, arterial": "2744-1",
    "ph, venous": "2746-6",
    "ph of urine": "2756-5 5803-2",
    "body mass index": "39156-5",
    "weight": "29463-7 3141-9 3142-7 8335-2",
    "height": "8302-2 3137-7 3138-5 8306-3 8308-9",
}
_KINDS: Final = {
    code: f"{what}, {kind}"
    for what, kinds in KINDS.items()
    for kind, codes in kinds.items()
    for code in codes
}
ANALYTES: Final[Mapping[str, str]] = {
    **{code: what for what, codes in _CODES.items() for code in codes.split()},
    **_KINDS,
}


def analyte_of(code: str) -> str | None:
    """Return what a LOINC code measures, or None of one that isn't known here."""
    return ANALYTES.get(code)
