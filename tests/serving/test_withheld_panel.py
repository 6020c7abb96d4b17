"""A panel that says why it has no parts: they are withheld, or absent for that reason, not none."""

from datetime import timedelta
from typing import Any

import msgspec
import pytest

from models.errors import UnusableValue
from models.features import FeatureSet, assemble
from models.fhir import read_bundle, read_entries
from models.fhir_resources import DATA_ABSENT
from models.loinc import HELD_BY, LOINC, PANELS, check_loinc
from serving.cds_hooks.discovery import templates
from serving.cds_hooks.prefetch import gather, read_supplied
from tests.factories import BUNDLE, NOW
from tests.serving.hooks import PATIENT, searchset
from tests.serving.test_pressure_panel import PANEL, definition_of, panel_of

MINUTES = timedelta(minutes=1)
LATEST = definition_of("latest", systolic='["8480-6"]', diastolic='["8462-4"]')
MASKED = {"security": [{"code": "MASKED"}]}


def because(code: str) -> dict[str, Any]:
    system = "http://terminology.hl7.org/CodeSystem/data-absent-reason"
    return {"dataAbsentReason": {"coding": [{"system": system, "code": code}]}}


def panel(code: str = PANEL, **more: Any) -> dict[str, Any]:
    """A panel of five minutes ago, without any part."""
    at = (NOW - 5 * MINUTES).isoformat()
    said = {"code": {"coding": [{"system": LOINC, "code": code}]}, "effectiveDateTime": at}
    one = panel_of(120, 80, id="withheld", **said)
    del one["component"]
    return one | more


def systolic_of(at: timedelta = 120 * MINUTES) -> dict[str, Any]:
    """A systolic pressure of its own, of 120 mmHg."""
    one = panel_of(120, 80, id="systolic", effectiveDateTime=(NOW - at).isoformat())
    return one | one.pop("component")[0]


def assess(*observations: dict[str, Any]) -> FeatureSet:
    """What a Bundle of the usual patient and these gives the model."""
    entries = [BUNDLE["entry"][0], *({"resource": one} for one in observations)]
    body = msgspec.json.encode(BUNDLE | {"entry": entries})
    return assemble(LATEST, read_bundle(body, LATEST, NOW).readings, NOW)


def said_of(found: FeatureSet, name: str) -> set[tuple[str, str]]:
    return {(one.kind, one.reason) for one in found.findings if one.feature == name}


def refused(*observations: dict[str, Any]) -> tuple[str, str]:
    with pytest.raises(UnusableValue) as error:
        assess(*observations)
    return error.value.field, error.value.reason


@pytest.mark.parametrize("code", sorted(HELD_BY))
@pytest.mark.parametrize(
    "more",
    [
        because("masked"),
        because("not-permitted"),
        {"component": [], **because("masked")},
        {"meta": MASKED},
        {"_valueQuantity": {"extension": [{"url": DATA_ABSENT, "valueCode": "masked"}]}},
    ],
    ids=["masked", "not permitted", "no component", "labelled", "by an extension"],
)
def test_a_withheld_panel_without_parts_is_refused(code: str, more: dict[str, Any]) -> None:
    """FHIR-16: before, there seemed to be no value, and the risk was computed without it."""
    assert refused(panel(code, **more)) == ("systolic", "masked")


def test_a_withheld_panel_is_refused_under_its_own_key_too() -> None:
    """CDS-7."""
    asked = templates(LATEST)
    page = msgspec.json.encode(searchset(panel(**because("masked"))))
    person = msgspec.json.encode(PATIENT)
    supplied = [
        read_supplied(person if one.feature is None else page if PANEL in one.key else b"null", one)
        for one in asked
    ]
    entries = gather(asked, supplied, LATEST, NOW).entries("Patient/p1")
    with pytest.raises(UnusableValue, match="withheld for privacy"):
        assemble(LATEST, read_entries(entries, LATEST, NOW).readings, NOW)


@pytest.mark.parametrize("more", [because("masked"), {"meta": MASKED}], ids=["masked", "labelled"])
def test_a_withheld_panel_beside_a_value_is_set_aside(more: dict[str, Any]) -> None:
    whole = panel_of(110, 70, id="older", effectiveDateTime=(NOW - 120 * MINUTES).isoformat())
    found = assess(whole, panel(**more))
    assert (found.values["systolic"], found.values["diastolic"]) == (110, 70)
    for name in ("systolic", "diastolic"):
        assert ("excluded", "set_aside") in said_of(found, name)


def test_a_failed_panel_beside_an_older_value_flags_it() -> None:
    found = assess(systolic_of(), panel(**because("error")))
    assert found.values["systolic"] == 120
    assert ("flagged", "newer_absent") in said_of(found, "systolic")
    assert said_of(found, "diastolic") == {("missing", "reported_absent")}


@pytest.mark.parametrize("code", ["error", "unknown", "not-applicable"])
def test_a_panel_alone_names_the_reason_for_its_absence(code: str) -> None:
    found = assess(panel(**because(code)))
    (said,) = (one for one in found.findings if one.feature == "systolic")
    assert (said.kind, said.reason) == ("missing", "reported_absent")
    assert code in said.words


def test_the_part_that_a_filter_left_out_is_withheld_and_the_other_with_it() -> None:
    only = panel_of(120, 80)["component"][1:]
    assert refused(panel(component=only, **because("masked"))) == ("systolic", "masked")
    # of a panel with parts this says that it has no value of its own, and nothing else
    found = assess(panel(component=only, **because("not-applicable")))
    assert found.values["diastolic"] == 80
    assert said_of(found, "systolic") == {("missing", "no_value")}


def test_a_withheld_part_says_nothing_of_the_other() -> None:
    only = {**panel_of(120, 80)["component"][1], **because("masked")}
    del only["valueQuantity"]
    assert refused(panel(component=[only])) == ("diastolic", "masked")
    assert said_of(assess(panel()), "systolic") == {("missing", "no_value")}


def test_a_panel_of_the_past_or_in_error_withholds_nothing_now() -> None:
    old = panel(effectiveDateTime=(NOW - timedelta(days=3)).isoformat(), **because("masked"))
    assert said_of(assess(old), "systolic") == {("missing", "outside_look_back")}
    wrong = panel(status="entered-in-error", **because("masked"))
    assert said_of(assess(wrong), "systolic") == {("missing", "entered_in_error")}


def test_a_panel_of_something_else_withholds_no_pressure() -> None:
    assert said_of(assess(panel("24338-6", **because("masked"))), "systolic") == {
        ("missing", "no_value")
    }


def test_what_a_panel_may_hold_are_codes_of_loinc() -> None:
    """UNIT-5."""
    for code, parts in HELD_BY.items():
        assert check_loinc(code) == code
        assert [check_loinc(one) for one in parts] == list(parts)
    assert all(code in HELD_BY[panel] for code, panel in PANELS.items())
