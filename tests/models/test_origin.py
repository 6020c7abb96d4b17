"""Where values came from: the code is told where a feature has several."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.definition import parse_definition
from models.features import FeatureSet, assemble
from models.readings import Reading
from tests.factories import DEFINITION, NOW, VALUES

CODES = ("2160-0", "38483-4", "14682-9")
TEXT = DEFINITION.replace("STATUS", "demonstration").replace(
    'loinc = ["2160-0"]', f"loinc = {list(CODES)}".replace("'", '"')
)
DEFINED = parse_definition(TEXT.encode(), source="test")
BY_MEAN = parse_definition(
    TEXT.replace("look_back_days = 7", 'look_back_days = 7\nreduce = "mean"').encode(),
    source="test",
)
OTHERS = {"age": 71.0, "sex": (Reading("female"),)}


def features(*readings: Any, definition: Any = DEFINED, **more: Any) -> FeatureSet:
    return assemble(definition, {**OTHERS, "creatinine": readings, **more}, NOW)


def creatinine(code: str | None, name: str = "o1", value: float = 1.2) -> Reading:
    return Reading(value, "umol/L" if code == "14682-9" else "mg/dL", NOW, code, name)


@pytest.mark.parametrize("code", CODES)
def test_the_code_under_which_a_value_came_is_told(code: str) -> None:
    value = 100.0 if code == "14682-9" else 1.2
    found = features(creatinine(code, value=value))
    assert found.codes == {"creatinine": code}
    assert found.sources == ("o1",)


def test_only_the_code_of_the_value_that_is_used_is_told() -> None:
    old = Reading(1.2, "mg/dL", NOW.replace(hour=1), "38483-4", "o1")
    assert features(old, creatinine("2160-0", "o2")).codes == {"creatinine": "2160-0"}


def test_a_value_of_several_readings_has_all_their_codes() -> None:
    readings = [creatinine("38483-4"), creatinine("2160-0", "o2"), creatinine("2160-0", "o3")]
    found = features(*readings, definition=BY_MEAN)
    assert found.codes == {"creatinine": "2160-0 + 38483-4"}
    assert found.sources == ("o1", "o2", "o3")


def test_a_value_without_a_code_has_none() -> None:
    assert features(Reading(1.2, "mg/dL", NOW)).codes == {}
    assert assemble(DEFINED, {**OTHERS, "creatinine": 1.2}, NOW).codes == {}


def test_a_feature_with_one_code_is_not_listed() -> None:
    lactate = (Reading(VALUES["lactate"]["value"], "mmol/L", NOW, "2524-7", "o2"),)
    found = features(creatinine("2160-0"), lactate=lactate)
    assert found.codes == {"creatinine": "2160-0"}
    assert found.sources == ("o2", "o1")


@given(st.lists(st.tuples(st.sampled_from(CODES[:2]), st.sampled_from("abc")), min_size=1))
def test_codes_and_sources_are_those_of_the_readings_used(given_: list[tuple[str, str]]) -> None:
    readings = [creatinine(code, name) for code, name in given_]
    found = features(*readings, definition=BY_MEAN)
    assert found.codes == {"creatinine": " + ".join(sorted({code for code, _ in given_}))}
    assert found.sources == tuple(dict.fromkeys(name for _, name in given_))
