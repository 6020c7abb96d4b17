"""The accepted units of every analyte, their conversions, and the aliases of unit codes."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Scale:
    """How a unit reaches its table's first unit: (value + shift) * multiplier / divisor."""

    multiplier: float = 1.0
    divisor: float = 1.0
    shift: float = 0.0


Table = Mapping[str, Scale]

_SAME = Scale()
_TENTH = Scale(divisor=10)
_HUNDREDTH = Scale(divisor=100)
_THOUSANDTH = Scale(divisor=1000)
_TENFOLD = Scale(multiplier=10)
_HUNDREDFOLD = Scale(multiplier=100)
_THOUSANDFOLD = Scale(multiplier=1000)

_PRESSURE: Table = {"mm[Hg]": _SAME, "kPa": Scale(7.50062)}
_CELLS: Table = {
    "10*3/uL": _SAME,
    "10*9/L": _SAME,
    "/uL": _THOUSANDTH,
    "10*6/L": _THOUSANDTH,
}
_RATE: Table = {"/min": _SAME}
_FRACTION: Table = {"%": _SAME, "1": _HUNDREDFOLD}
_MONOVALENT: Table = {"mmol/L": _SAME, "meq/L": _SAME}
_TROPONIN: Table = {
    "ng/L": _SAME,
    "pg/mL": _SAME,
    "ng/mL": _THOUSANDFOLD,
    "ug/L": _THOUSANDFOLD,
}
_SCORE: Table = {"{score}": _SAME, "1": _SAME}

# The first unit of a table is the one that the others convert to. Amounts of substance convert to
# masses for one analyte at a time; CRP in nmol/L isn't here, as its mass depends on the assay.
ANALYTES: Mapping[str, Table] = {
    "albumin": {"g/dL": _SAME, "g/L": _TENTH, "umol/L": Scale(0.00665)},
    "bicarbonate": _MONOVALENT,
    "bilirubin": {"mg/dL": _SAME, "mg/L": _TENTH, "umol/L": Scale(0.058466)},
    "blood_pressure": _PRESSURE,
    "bnp": {"pg/mL": _SAME, "ng/L": _SAME, "pmol/L": Scale(3.464)},
    "chloride": _MONOVALENT,
    "creatinine": {
        "mg/dL": _SAME,
        "mg/L": _TENTH,
        "umol/L": Scale(0.011312),
        "mmol/L": Scale(11.312),
    },
    "crp": {"mg/L": _SAME, "mg/dL": _TENFOLD},
    "egfr": {"mL/min/{1.73_m2}": _SAME},
    "free_light_chains": {"mg/dL": _SAME, "mg/L": _TENTH},
    "gcs": _SCORE,
    "glucose": {"mg/dL": _SAME, "mmol/L": Scale(18.0156)},
    "haemoglobin": {"g/dL": _SAME, "g/L": _TENTH, "mmol/L": Scale(1.6114)},
    "hba1c": {"%": _SAME, "mmol/mol": Scale(0.09148, shift=2.152 / 0.09148)},
    "heart_rate": _RATE,
    "inr": {"{INR}": _SAME, "{ratio}": _SAME, "1": _SAME},
    "inspired_oxygen": _FRACTION,
    "lactate": {"mmol/L": _SAME, "mg/dL": Scale(0.1110)},
    "nt_probnp": {"pg/mL": _SAME, "ng/L": _SAME, "pmol/L": Scale(8.457)},
    "oxygen_saturation": _FRACTION,
    "ph": {"[pH]": _SAME, "1": _SAME},
    "platelets": _CELLS,
    "potassium": _MONOVALENT,
    "respiratory_rate": _RATE,
    "sodium": _MONOVALENT,
    "troponin_i": _TROPONIN,
    "troponin_t": _TROPONIN,
    "urea_nitrogen": {"mg/dL": _SAME, "mg/L": _TENTH, "mmol/L": Scale(2.8013)},
    "wbc": _CELLS,
}

# Codes whose values mean another substance than the analyte's table: urea's mass is 2.14 times
# the mass of the nitrogen in it.
BY_CODE: Mapping[tuple[str, str], Table] = {
    ("urea_nitrogen", "3091-6"): {
        "mg/dL": Scale(0.46646),
        "mg/L": Scale(0.046646),
        "mmol/L": Scale(2.8013),
    },
    ("urea_nitrogen", "22664-7"): {
        "mg/dL": Scale(0.46646),
        "mg/L": Scale(0.046646),
        "mmol/L": Scale(2.8013),
    },
}

# Units that convert by scale alone, whatever is measured, for features that name no analyte.
DIMENSIONS: tuple[Table, ...] = (
    {
        "kg": _SAME,
        "g": _THOUSANDTH,
        "[lb_av]": Scale(0.45359237),
        "[oz_av]": Scale(0.028349523125),
    },
    {
        "cm": _SAME,
        "m": _HUNDREDFOLD,
        "mm": _TENTH,
        "[in_i]": Scale(2.54),
        "[ft_i]": Scale(30.48),
    },
    {"Cel": _SAME, "[degF]": Scale(divisor=1.8, shift=-32.0), "K": Scale(shift=-273.15)},
    _PRESSURE,
    {"/min": _SAME, "/s": Scale(60.0), "/h": Scale(divisor=60.0)},
    {"a": _SAME, "mo": Scale(divisor=12.0), "d": Scale(divisor=365.25)},
    {"h": _SAME, "min": Scale(divisor=60.0), "s": Scale(divisor=3600.0)},
    {"mg/dL": _SAME, "mg/L": _TENTH, "g/L": _HUNDREDFOLD, "g/dL": _THOUSANDFOLD},
    {"ng/L": _SAME, "pg/mL": _SAME, "ng/mL": _THOUSANDFOLD, "ug/L": _THOUSANDFOLD},
    {"mmol/L": _SAME, "umol/L": _THOUSANDTH, "mol/L": _THOUSANDFOLD},
    {"pmol/L": _SAME, "nmol/L": _THOUSANDFOLD},
    {"mmol/mol": _SAME},
    {"meq/L": _SAME},
    _CELLS,
    {"10*6/uL": _SAME, "10*12/L": _SAME},
    {"mL/min": _SAME, "L/min": _THOUSANDFOLD},
    {"mL/min/{1.73_m2}": _SAME},
    {"mL": _SAME, "L": _THOUSANDFOLD},
    {"mL/h": _SAME},
    {"kg/m2": _SAME},
    {"m2": _SAME},
    {"fL": _SAME},
    {"pg": _SAME},
    {"U/L": _SAME},
    {"[IU]/L": _SAME},
    {"%": _SAME},
    {"1": _SAME},
    {"[pH]": _SAME},
)

# Looked up before anything else (UNIT-4): `K/uL` is valid UCUM for kelvins, and nobody means that.
ALIASES: Mapping[str, str] = {
    **dict.fromkeys(("mEq/L", "mEq/l", "meq/l"), "meq/L"),
    **dict.fromkeys(("mmHg", "mm Hg", "mm[hg]", "MMHG"), "mm[Hg]"),
    **dict.fromkeys(
        ("K/uL", "K/mm3", "10^3/uL", "x10E3/uL", "10E3/uL", "x10^3/uL", "10*3/ul", "Thousand/uL"),
        "10*3/uL",
    ),
    **dict.fromkeys(("G/L", "10^9/L", "x10E9/L", "10E9/L", "x10^9/L", "10*9/l"), "10*9/L"),
    **dict.fromkeys(("M/uL", "10^6/uL", "x10E6/uL", "x10^6/uL"), "10*6/uL"),
    **dict.fromkeys(("10^12/L", "x10E12/L", "x10^12/L"), "10*12/L"),
    **dict.fromkeys(("cells/uL", "/mm3", "{cells}/uL"), "/uL"),
    **dict.fromkeys(
        ("bpm", "beats/min", "{beats}/min", "breaths/min", "{breaths}/min", "1/min"), "/min"
    ),
    **dict.fromkeys(("C", "degC", "°C"), "Cel"),
    **dict.fromkeys(("pH", "{pH}"), "[pH]"),
    **dict.fromkeys(("F", "degF", "°F"), "[degF]"),
    **dict.fromkeys(
        ("mL/min/1.73m2", "mL/min/1.73 m2", "mL/min/{1.73m2}", "mL/min/1.73m^2", "mL/min/1.73m²"),
        "mL/min/{1.73_m2}",
    ),
    **dict.fromkeys(("year", "years", "yr", "yrs"), "a"),
    **dict.fromkeys(("lb", "lbs"), "[lb_av]"),
    **dict.fromkeys(("in", "inch", "inches"), "[in_i]"),
    **dict.fromkeys(("kg/m^2", "kg/m²", "kg/m**2"), "kg/m2"),
    **dict.fromkeys(("percent",), "%"),
    **dict.fromkeys(("mg/dl", "mg%"), "mg/dL"),
    **dict.fromkeys(("IU/L",), "[IU]/L"),
    "mg/l": "mg/L",
    "g/dl": "g/dL",
    "g/l": "g/L",
    "ng/l": "ng/L",
    "ng/ml": "ng/mL",
    "pg/ml": "pg/mL",
    "mcg/L": "ug/L",
    "ug/l": "ug/L",
    "mmol/l": "mmol/L",
    "umol/l": "umol/L",
    "mcmol/L": "umol/L",
    "nmol/l": "nmol/L",
    "pmol/l": "pmol/L",
}

# Aliases that mean a temperature as a text only (FHIR-7): in UCUM C is the coulomb and F the farad,
# and it has Cel and [degF] for them. The others are looked up before UCUM is (UNIT-4), also as its
# codes: K/uL is kelvins there, which no blood count is in.
TEXT_ONLY = frozenset(("C", "degC", "°C", "F", "degF", "°F"))

# Codes by the property that they state, for the analytes that are reported both ways (UNIT-2).
MOLAR_CODES = frozenset(
    [
        "14682-9",
        "59826-8",
        "14937-7",
        "59570-2",
        "22664-7",
        "14749-6",
        "15074-8",
        "14743-9",
        "51596-5",
        "14771-0",
        "59261-8",
        "2524-7",
        "32693-4",
        "2518-9",
        "2519-7",
        "59260-0",
        "75928-2",
        "14631-6",
        "54363-7",
        "54347-0",
        "33763-4",
    ]
)
MASS_CODES = frozenset(
    [
        "2160-0",
        "38483-4",
        "3094-0",
        "6299-2",
        "3091-6",
        "2345-7",
        "2339-0",
        "41653-7",
        "32016-8",
        "1558-6",
        "4548-4",
        "17856-6",
        "4549-2",
        "17855-8",
        "14118-4",
        "59032-3",
        "30242-2",
        "718-7",
        "20509-6",
        "30313-1",
        "30350-3",
        "1975-2",
        "42719-5",
        "1751-7",
        "61151-7",
        "61152-5",
        "2862-1",
        "33762-6",
        "36916-5",
        "33944-0",
        "1988-5",
        "30522-7",
    ]
)

# UNIT-3: codes of one analyte whose results stand for different things; a feature takes one kind.
KINDS: Mapping[str, Mapping[str, frozenset[str]]] = {
    "glucose": {
        "laboratory": frozenset(("2345-7", "2339-0", "1558-6", "14749-6", "15074-8", "14771-0")),
        "capillary or glucometer": frozenset(("41653-7", "32016-8", "14743-9")),
    },
    "troponin I": {
        "high-sensitivity": frozenset(("89579-7",)),
        "conventional": frozenset(("10839-9", "42757-5")),
    },
    "troponin T": {
        "high-sensitivity": frozenset(("67151-1",)),
        "conventional": frozenset(("6598-7", "48425-3")),
    },
    "bilirubin": {
        "total": frozenset(("1975-2", "42719-5", "14631-6", "54363-7")),
        "direct": frozenset(("1968-7", "14629-0")),
    },
    "estimated glomerular filtration rate": {
        "CKD-EPI 2021": frozenset(("98979-8",)),
        "CKD-EPI": frozenset(("62238-1",)),
        "MDRD": frozenset(("33914-3", "77147-7")),
        "race-specific": frozenset(("48642-3", "48643-1", "88293-6", "88294-4")),
    },
}
