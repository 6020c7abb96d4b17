"""Units: aliases, conversions by analyte, and refusals that name both units."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.unit_table import (
    ALIASES,
    ANALYTES,
    DIMENSIONS,
    MASS_CODES,
    MOLAR_CODES,
    TEXT_ONLY,
)
from models.units import (
    accepted_units,
    canonical_unit,
    check_codes,
    check_convertible,
    contradicts_code,
    contradicts_unit,
    convert,
    is_text_only,
    unit_words,
)


# UNIT-1 and the table of accepted codes: value, unit, canonical unit, analyte, expected, tolerance
@pytest.mark.parametrize(
    ("value", "unit", "to", "analyte", "expected", "within"),
    [
        (100.0, "umol/L", "mg/dL", "creatinine", 1.131, 5e-4),
        (88.40, "umol/L", "mg/dL", "creatinine", 1.0, 1e-4),
        (10.0, "mmol/L", "mg/dL", "glucose", 180.2, 0.05),
        (48.0, "mmol/mol", "%", "hba1c", 6.54, 5e-3),
        (7.14, "mmol/L", "mg/dL", "urea_nitrogen", 20.0, 5e-3),
        (17.104, "umol/L", "mg/dL", "bilirubin", 1.0, 1e-4),
        (1.0, "mg/dL", "mmol/L", "lactate", 0.1110, 1e-12),
        (8.69, "mmol/L", "g/dL", "haemoglobin", 14.0, 5e-3),
        (140.0, "g/L", "g/dL", "haemoglobin", 14.0, 0.0),
        (602.0, "umol/L", "g/dL", "albumin", 4.0, 5e-3),
        (0.04, "ng/mL", "ng/L", "troponin_i", 40.0, 1e-12),
        (14.0, "ug/L", "ng/L", "troponin_t", 14000.0, 0.0),
        (100.0, "pmol/L", "pg/mL", "bnp", 346.4, 1e-9),
        (100.0, "pmol/L", "pg/mL", "nt_probnp", 845.7, 1e-9),
        (1.2, "mg/dL", "mg/L", "crp", 12.0, 0.0),
        (33.0, "mg/L", "mg/dL", "free_light_chains", 3.3, 0.0),
        (7500.0, "/uL", "10*3/uL", "wbc", 7.5, 0.0),
        (250.0, "G/L", "10*3/uL", "platelets", 250.0, 0.0),
        (16.0, "kPa", "mm[Hg]", "blood_pressure", 120.01, 5e-3),
        (0.97, "1", "%", "oxygen_saturation", 97.0, 1e-12),
        (140.0, "mEq/L", "mmol/L", "sodium", 140.0, 0.0),
        (98.6, "degF", "Cel", None, 37.0, 1e-12),
        (37.0, "Cel", "[degF]", None, 98.6, 1e-12),
        (150.0, "[lb_av]", "kg", None, 68.0388555, 1e-9),
        (70.0, "[in_i]", "cm", None, 177.8, 1e-12),
        (1.75, "m", "cm", None, 175.0, 0.0),
    ],
)
def test_published_conversions_hold(
    value: float, unit: str, to: str, analyte: str | None, expected: float, within: float
) -> None:
    assert math.isclose(convert(value, unit, to=to, analyte=analyte), expected, abs_tol=within)


def test_urea_is_not_the_nitrogen_in_it() -> None:
    """UNIT-3."""
    nitrogen = convert(42.88, "mg/dL", to="mg/dL", analyte="urea_nitrogen", code="3091-6")
    assert math.isclose(nitrogen, 20.0, abs_tol=5e-3)
    assert convert(42.88, "mg/dL", to="mg/dL", analyte="urea_nitrogen", code="3094-0") == 42.88


def test_haemoglobin_in_moles_is_of_the_monomer() -> None:
    """UNIT-3."""
    given = {"to": "g/dL", "analyte": "haemoglobin"}
    assert math.isclose(convert(8.7, "mmol/L", **given), 14.02, abs_tol=5e-3)


def test_moles_of_a_protein_of_no_agreed_mass_are_not_converted() -> None:
    """UNIT-3: the molar mass of CRP depends on the assay."""
    with pytest.raises(ValueError, match="mg/L, mg/dL"):
        convert(100.0, "nmol/L", to="mg/L", analyte="crp")


@pytest.mark.parametrize(
    ("unit", "analyte", "codes", "words"),
    [
        ("mg/dL", "glucose", ("2345-7", "41653-7"), "capillary or glucometer: 41653-7"),
        ("ng/L", "troponin_i", ("89579-7", "10839-9"), "conventional: 10839-9"),
        ("ng/L", "troponin_t", ("67151-1", "6598-7"), "high-sensitivity: 67151-1"),
        ("mg/dL", "bilirubin", ("1975-2", "1968-7"), "direct: 1968-7"),
        ("mL/min/{1.73_m2}", "egfr", ("98979-8", "33914-3"), "MDRD: 33914-3"),
    ],
)
def test_results_that_are_not_interchangeable_are_no_one_feature(
    unit: str, analyte: str, codes: tuple[str, str], words: str
) -> None:
    """UNIT-3."""
    for code in codes:
        check_codes(unit, analyte, [code])
    with pytest.raises(ValueError, match=f"aren't interchangeable .*{words}"):
        check_codes(unit, analyte, codes)


# UNIT-4
@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("mEq/L", "meq/L"),
        ("mmHg", "mm[Hg]"),
        ("mm Hg", "mm[Hg]"),
        ("K/uL", "10*3/uL"),
        ("K/mm3", "10*3/uL"),
        ("10^3/uL", "10*3/uL"),
        ("x10E3/uL", "10*3/uL"),
        ("G/L", "10*9/L"),
        ("bpm", "/min"),
        ("{beats}/min", "/min"),
        ("C", "Cel"),
        ("degC", "Cel"),
        ("F", "[degF]"),
        ("mL/min/1.73m2", "mL/min/{1.73_m2}"),
        ("\u00b5mol/L", "umol/L"),
        ("\u03bcmol/L", "umol/L"),
        (" mg/dL ", "mg/dL"),
        ("{visits}", "{visits}"),
        ("mL/min/1.73.m2", None),
        ("MG/DL", None),
        ("furlong", None),
        ("", None),
    ],
)
def test_a_unit_is_known_by_its_code_or_a_fixed_alias_and_never_guessed(
    text: str, code: str | None
) -> None:
    assert canonical_unit(text) == code


@pytest.mark.parametrize("code", ["mEq/L", "mmHg", "K/uL", "G/L", "IU/L", "bpm", "\u00b5mol/L"])
def test_an_alias_is_looked_up_before_ucum_is(code: str) -> None:
    """UNIT-4."""
    assert canonical_unit(code) is not None
    assert not is_text_only(code)


def test_temperatures_are_aliases_as_texts_only() -> None:
    """FHIR-7."""
    for text in TEXT_ONLY:
        assert canonical_unit(text) in ("Cel", "[degF]")
        assert is_text_only(f" {text} ")


@pytest.mark.parametrize(
    "unit", sorted({unit for table in (*ANALYTES.values(), *DIMENSIONS) for unit in table})
)
def test_a_unit_of_the_tables_is_a_code_of_ucum(unit: str) -> None:
    assert not is_text_only(unit)


def test_every_alias_stands_for_a_unit_that_some_table_has() -> None:
    known = {unit for table in (*ANALYTES.values(), *DIMENSIONS) for unit in table}
    assert {code for code in ALIASES.values() if code not in known} == set()
    assert [text for text in ALIASES if text in known] == []


@pytest.mark.parametrize(
    ("unit", "to", "analyte"),
    [
        ("mmol/L", "mg/dL", None),
        ("nmol/L", "mg/L", "crp"),
        ("kPa", "mg/dL", "creatinine"),
        ("furlong", "cm", None),
        ("{score}", "{visits}", None),
    ],
)
def test_what_has_no_conversion_is_refused_with_both_units(
    unit: str, to: str, analyte: str | None
) -> None:
    with pytest.raises(ValueError) as caught:
        convert(1.0, unit, to=to, analyte=analyte)
    assert repr(unit) in str(caught.value)
    assert repr(to) in str(caught.value)


@pytest.mark.parametrize(
    ("unit", "analyte", "word"),
    [
        ("mg/dL", "creatinin", "creatinin"),
        ("furlong", None, "furlong"),
        ("mmHg", "blood_pressure", "mm[Hg]"),
        ("kPa", "creatinine", "umol/L"),
    ],
)
def test_a_definition_can_not_name_a_unit_that_nothing_converts_to(
    unit: str, analyte: str | None, word: str
) -> None:
    with pytest.raises(ValueError, match=word.replace("[", r"\[")):
        check_convertible(unit, analyte)


def test_the_definitions_own_unit_leads_the_accepted_ones() -> None:
    assert accepted_units("umol/L", "creatinine") == ("umol/L", "mg/dL", "mg/L", "mmol/L")
    assert accepted_units("{visits}", None) == ("{visits}", "1")


# UNIT-2
def test_a_molar_unit_under_a_mass_code_is_a_contradiction() -> None:
    assert contradicts_code("mmol/L", "2345-7")
    assert contradicts_code("mg/dL", "14749-6")
    assert not contradicts_code("mg/dL", "2345-7")
    assert not contradicts_code("mmol/L", "2951-2")
    assert not MASS_CODES & MOLAR_CODES


def test_people_read_units_as_words() -> None:
    assert unit_words("a") == "years"
    assert (unit_words("d", "1"), unit_words("d", "1.0"), unit_words("d", "0")) == (
        "day",
        "days",
        "days",
    )
    assert unit_words("{score}") == ""
    assert unit_words("mg/dL") == "mg/dL"


PAIRS = [
    (unit, to, analyte)
    for analyte, table in [*ANALYTES.items(), *((None, table) for table in DIMENSIONS)]
    for unit in table
    for to in table
]


@given(st.floats(1e-3, 1e6), st.sampled_from(PAIRS))
def test_there_and_back_is_the_same_value(value: float, pair: tuple[str, str, str | None]) -> None:
    unit, to, analyte = pair
    there = convert(value, unit, to=to, analyte=analyte)
    back = convert(there, to, to=unit, analyte=analyte)
    assert math.isclose(back, value, rel_tol=1e-9, abs_tol=1e-9)


@given(st.lists(st.floats(-1e9, 1e9), min_size=1, max_size=5), st.sampled_from(PAIRS))
def test_an_array_converts_bit_for_bit_as_its_values_do(
    values: list[float], pair: tuple[str, str, str | None]
) -> None:
    unit, to, analyte = pair
    array = convert(np.array(values), unit, to=to, analyte=analyte)
    singly = [convert(value, unit, to=to, analyte=analyte) for value in values]
    assert array.tobytes() == np.array(singly).tobytes()


@pytest.mark.parametrize(
    ("text", "unit", "is_contradiction"),
    [
        ("mg/dL", "mg/L", True),
        ("mmol/l", "umol/L", True),
        ("mg/dl", "mg/dL", False),
        ("milligrams", "mg/dL", False),
        ("kg", "mg/dL", True),
        ("nmol/L", "mg/dL", True),
        ("mmHg", "mg/dL", True),
        ("MG/L", "mg/dL", True),
        ("mg / L", "mg/dL", True),
        ("MG / DL", "mg/dL", False),
        ("mg/dL", "furlong", True),
        ("mg/dL", "{visits}", True),
        ("millimoles", "furlong", False),
        ("ug/mL", "mg/dL", True),
        ("µg/ml (serum)", "mg/dL", True),
        ("mg per L", "mg/dL", True),
        ("micromol/L", "mg/dL", True),
        ("mg/100 mL", "mg/dL", False),
        ("milligrams/decilitre", "mg/dL", False),
        ("milligram/dl {calc}", "mg/dL", False),
        ("mg/24 h", "mg/dL", False),
        ("xmg/L", "mg/dL", False),
    ],
)
def test_a_text_contradicts_a_code_where_it_is_another_unit_however_it_is_spelt(
    text, unit, is_contradiction
):
    assert contradicts_unit(text, unit, "mg/dL", "creatinine") is is_contradiction


def test_units_of_one_size_do_not_contradict_each_other():
    assert not contradicts_unit("10*9/L", "10*3/uL", "10*3/uL", None)
    assert not contradicts_unit("ng/mL", "ug/L", "mg/dL", "creatinine")
    assert not contradicts_unit("IU/L", "U/L", "U/L", None)
    assert not contradicts_unit("G/L", "g/L", "g/dL", "haemoglobin")
    assert not contradicts_unit("1", "{visits}", "{visits}", None)
    assert contradicts_unit("Cel", "[degF]", "Cel", None)
