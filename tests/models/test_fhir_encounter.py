"""The ward that an Encounter names: the one at the prediction time, or none."""

import json
import unicodedata
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.errors import MalformedInput, UnusableValue
from models.fhir import BundleReadings, read_bundle
from models.ward import LONGEST_WARD, check_ward, is_ward
from tests.models.test_fhir import DEFINITION, HOUR, NOW, bundle, observation, patient, quantity

TEXTS = st.text(st.characters(codec=None, exclude_categories=()), max_size=70)


def ago(hours: float) -> str:
    return (NOW - hours * HOUR).isoformat()


def place(name: str | None = "7B", **more: Any) -> dict[str, Any]:
    named = {} if name is None else {"location": {"display": name}}
    return {**named, **more}


def typed(code: str, **more: Any) -> dict[str, Any]:
    system = "http://terminology.hl7.org/CodeSystem/location-physical-type"
    return {"physicalType": {"coding": [{"system": system, "code": code}]}, **more}


def encounter(*places: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "resourceType": "Encounter",
        "id": "e1",
        "status": "in-progress",
        "subject": {"reference": "Patient/p1"},
        "location": list(places),
        **more,
    }


def read(*resources: dict[str, Any], with_patient: bool = True) -> BundleReadings:
    people = [patient()] if with_patient else []
    body = json.dumps(bundle(*people, *resources))
    return read_bundle(body.encode("utf-8", "surrogatepass"), DEFINITION, NOW)


def ward(*resources: dict[str, Any], **more: Any) -> str:
    return read(*resources, **more).ward


def test_a_bundle_without_an_encounter_names_no_ward() -> None:
    assert ward() == ""
    assert ward(encounter()) == ""


def test_the_place_of_an_encounter_in_progress_is_the_ward() -> None:
    assert ward(encounter(place("7B"))) == "7B"
    assert ward(encounter(place("7B")), with_patient=False) == "7B"


@pytest.mark.parametrize(
    ("location", "name"),
    [
        ({"identifier": {"value": "W7"}, "display": "7B", "reference": "Location/l1"}, "W7"),
        ({"display": "7B", "reference": "Location/l1"}, "7B"),
        ({"reference": "Location/l1"}, "l1"),
        ({"reference": "https://ehr.example.org/fhir/Location/l1"}, "l1"),
        ({"identifier": {"value": "W\n7"}, "display": "7B"}, "7B"),
        ({"display": "x" * (LONGEST_WARD + 1), "reference": "Location/l1"}, "l1"),
        ({"reference": "urn:uuid:6ba7b810-9dad-11d1-80b4-00c04fd430c8"}, ""),
        ({"reference": "#here"}, ""),
        ({"reference": "Patient/p1"}, ""),
        ({}, ""),
    ],
)
def test_a_place_is_called_by_its_identifier_display_or_id(
    location: dict[str, Any], name: str
) -> None:
    assert ward(encounter({"location": location})) == name


@pytest.mark.parametrize(
    ("more", "name"),
    [
        ({"status": "planned"}, ""),
        ({"status": "cancelled"}, ""),
        ({"status": "entered-in-error"}, ""),
        ({"status": "unknown"}, ""),
        ({"status": "finished"}, ""),
        ({"status": None}, ""),
        ({"status": "arrived"}, "7B"),
        ({"status": "onleave"}, "7B"),
        ({"period": {"start": ago(-1)}}, ""),
        ({"period": {"start": ago(9)}}, "7B"),
        ({"period": {"start": ago(9), "end": ago(1)}}, ""),
        ({"period": {"start": ago(9), "end": ago(-1)}}, "7B"),
        # the past as it is seen later: finished by now, but not then
        ({"status": "finished", "period": {"start": ago(9), "end": ago(-1)}}, "7B"),
        ({"implicitRules": "https://example.org/rules"}, ""),
        ({"modifierExtension": [{"url": "x"}]}, ""),
        ({"subject": None}, ""),
    ],
)
def test_only_an_encounter_that_was_on_at_the_prediction_time_counts(
    more: dict[str, Any], name: str
) -> None:
    assert ward(encounter(place("7B"), **more)) == name


@pytest.mark.parametrize(
    ("places", "name"),
    [
        ([place("7B", status="completed"), place("ICU", status="active")], "ICU"),
        ([place("ICU", status="planned"), place("7B")], "7B"),
        ([place("ICU", status="reserved")], ""),
        ([place("7B", period={"start": ago(9)}), place("ICU", period={"start": ago(2)})], "ICU"),
        ([place("7B", period={"end": ago(2)}), place("ICU", period={"start": ago(2)})], "ICU"),
        ([place("bed 3", **typed("bd")), place("7B", **typed("wa"))], "7B"),
        ([place("bed 3"), place("7B", **typed("wa"))], "7B"),
        ([place("bed 3", **typed("bd")), place("house 2", **typed("bu"))], ""),
        # it can't be told which of them
        ([place("7B"), place("ICU")], ""),
        ([place("7B"), place("7B")], "7B"),
        ([place(None), place("7B", modifierExtension=[{"url": "x"}])], ""),
    ],
)
def test_of_several_places_it_is_the_ward_reached_last(
    places: list[dict[str, Any]], name: str
) -> None:
    assert ward(encounter(*places)) == name
    assert ward(encounter(*reversed(places))) == name


def test_an_encounter_of_somebody_else_is_refused() -> None:
    foreign = encounter(place("7B"), subject={"reference": "Patient/p2"})
    with pytest.raises(UnusableValue) as found:
        read(foreign)
    assert (found.value.field, found.value.reason) == (
        "Bundle.entry[1].resource.subject",
        "foreign_subject",
    )


def test_a_period_that_is_no_time_names_no_ward_and_hinders_no_score() -> None:
    naive = {"start": "2026-01-05T08:00:00"}
    assert ward(encounter(place("7B"), period=naive)) == ""
    assert ward(encounter(place("7B", period=naive), place("ICU"))) == "ICU"


def test_values_are_the_same_with_an_encounter_and_without() -> None:
    creatinine = observation("o1", "2160-0", valueQuantity=quantity(1.2))
    plain, placed = read(creatinine), read(creatinine, encounter(place("7B")))
    assert plain.readings == placed.readings
    assert plain.patient == placed.patient


@given(TEXTS)
def test_any_text_is_a_ward_that_can_be_shown_or_is_refused_by_name(text: str) -> None:
    odd = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
    fits = (
        0 < len(text) <= LONGEST_WARD
        and not any(unicodedata.category(one) in odd for one in text)
        and not any(unicodedata.category(one) == "Zs" and one != " " for one in text)
        and text == text.strip(" ")
    )
    if fits:
        check_ward(text, "ward")
        return
    with pytest.raises(MalformedInput) as found:
        check_ward(text, "ward")
    assert (found.value.field, found.value.reason) == ("ward", "bad_ward")
    is_of_length = 0 < len(text) <= LONGEST_WARD
    fault = "has a character that isn't" if is_of_length else f"has {len(text)} characters;"
    assert str(found.value).startswith(f"ward: can't name a ward; it {fault}")
    assert "write 1 to 64 printable characters" in str(found.value)


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=70))
def test_a_display_is_the_ward_or_there_is_none(text: str) -> None:
    assert ward(encounter(place(text))) == (text if is_ward(text) else "")


@given(start=st.floats(-48, 48), length=st.floats(0, 48))
def test_a_period_counts_from_its_start_to_its_end(start: float, length: float) -> None:
    begin = NOW + timedelta(minutes=round(60 * start))
    end = begin + timedelta(minutes=round(60 * length))
    period = {"start": begin.isoformat(), "end": end.isoformat()}
    assert (ward(encounter(place("7B"), period=period)) == "7B") == (begin <= NOW <= end)
