"""FHIR Bundles: one good request, and each fault that must not pass unseen."""

import contextlib
import copy
import json
import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.candidates import choose
from models.definition import parse_definition
from models.encoding import encode_table
from models.errors import InputError, MalformedInput, OutOfScope, UnusableValue
from models.features import FeatureSet, assemble
from models.fhir import BundleReadings, read_bundle
from models.fhir_resources import DATA_ABSENT
from models.readings import Reading
from models.unit_table import ANALYTES
from models.units import convert
from models.values import value_of
from tests.models.ward import WARD

NOW = datetime(2026, 1, 5, 10, 15, tzinfo=UTC)
HOUR = timedelta(hours=1)
LOINC = "http://loinc.org"
UCUM = "http://unitsofmeasure.org"
# the ward comes from a coded observation here, and a model may do without it
DEFINITION = parse_definition(
    WARD.replace(
        'kind = "categorical"\ncategories = { surgery',
        'kind = "categorical"\nloinc = ["56816-2"]\ncategories = { surgery',
    ).encode(),
    source="ward",
)


def quantity(value: Any, unit: str | None = "mg/dL", **more: Any) -> dict[str, Any]:
    coded = {} if unit is None else {"unit": unit, "system": UCUM, "code": unit}
    return {"value": value, **coded, **more}


def observation(name: str, code: str, *, hours: float = 1, **more: Any) -> dict[str, Any]:
    return {
        "resourceType": "Observation",
        "id": name,
        "status": "final",
        "code": {"coding": [{"system": LOINC, "code": code}]},
        "subject": {"reference": "Patient/p1"},
        "effectiveDateTime": (NOW - hours * HOUR).isoformat(),
        **more,
    }


def patient(**more: Any) -> dict[str, Any]:
    return {
        "resourceType": "Patient",
        "id": "p1",
        "identifier": [{"system": "urn:oid:1.2.3", "value": "mrn-77"}, {"value": "no system"}],
        "birthDate": "1950-02-03",
        "gender": "female",
        **more,
    }


def ward_observation() -> dict[str, Any]:
    coding = [{"system": "http://snomed.info/sct", "code": "1"}, {"code": "surgery"}]
    return observation("ward", "56816-2", valueCodeableConcept={"coding": coding})


def bundle(*resources: dict[str, Any], kind: str = "collection") -> dict[str, Any]:
    entries = [{"resource": resource} for resource in resources]
    return {"resourceType": "Bundle", "type": kind, "entry": entries}


def good() -> dict[str, Any]:
    return bundle(
        patient(),
        ward_observation(),
        observation("creatinine", "2160-0", valueQuantity=quantity(1.4)),
        observation("glucose", "2345-7", valueQuantity=quantity(120)),
        observation("kappa", "36916-5", valueQuantity=quantity(1.5)),
        observation(
            "pressure",
            "85354-9",
            component=[
                {
                    "code": {"coding": [{"system": LOINC, "code": "8480-6"}]},
                    "valueQuantity": quantity(121, "mm[Hg]"),
                }
            ],
        ),
    )


def read(document: dict[str, Any]) -> BundleReadings:
    return read_bundle(json.dumps(document).encode(), DEFINITION, NOW)


def assess(document: dict[str, Any]) -> FeatureSet:
    return assemble(DEFINITION, read(document).readings, NOW)


def changed(place: int, change: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
    document = copy.deepcopy(good())
    change(document["entry"][place]["resource"])
    return document


CREATININE = 2


def creatinine(**more: Any) -> dict[str, Any]:
    """The good Bundle with fields of its creatinine changed; None takes one away."""

    def change(resource: dict[str, Any]) -> None:
        resource.update(more)
        for name in [name for name, value in more.items() if value is None]:
            del resource[name]

    return changed(CREATININE, change)


def test_a_good_bundle_gives_every_feature_and_its_sources() -> None:
    found = read(good())
    features = assemble(DEFINITION, found.readings, NOW)
    assert features.findings == found.findings == ()
    assert {k: v for k, v in features.values.items() if k != "egfr"} == {
        "age": 75.0,
        "sex": "female",
        "ward": "surgery",
        "creatinine": 1.4,
        "glucose": 120.0,
        "kappa": 1.5,
        "systolic": 121.0,
    }
    assert found.patient.reference == "Patient/p1"
    assert found.patient.identifiers == (("urn:oid:1.2.3", "mrn-77"),)
    names = ("ward", "creatinine", "glucose", "kappa", "pressure")
    assert features.sources == tuple(f"Observation/{name}" for name in names)


def test_the_version_that_was_used_is_named() -> None:
    features = assess(creatinine(meta={"versionId": "2"}))
    assert "Observation/creatinine/_history/2" in features.sources


# Each fault of one value, with the outcome: a refusal's reason, a finding's reason, or a value.
FAULTS: list[tuple[str, dict[str, Any], str | float]] = [
    ("another unit", {"valueQuantity": quantity(123.76, "umol/L")}, 1.4),
    ("a unit's text alone", {"valueQuantity": {"value": 14, "unit": "mg/l"}}, 1.4),
    ("no unit", {"valueQuantity": {"value": 1.4}}, "no_unit"),
    ("an empty unit", {"valueQuantity": {"value": 1.4, "unit": ""}}, "no_unit"),
    ("an unknown unit", {"valueQuantity": quantity(1.4, "furlong")}, "unknown_unit"),
    ("another analyte's unit", {"valueQuantity": quantity(1.4, "kPa")}, "unit_not_convertible"),
    (
        "another system's unit",
        {"valueQuantity": {"value": 1.4, "system": "urn:x", "code": "mg/dL"}},
        "unit_system",
    ),
    ("a limit", {"valueQuantity": quantity(0.4, comparator="<")}, "censored"),
    ("a text", {"valueQuantity": None, "valueString": "1.4"}, "text_value"),
    ("a bare integer", {"valueQuantity": None, "valueInteger": 1}, "no_unit"),
    ("a truth value", {"valueQuantity": None, "valueBoolean": True}, "not_a_value"),
    ("a range", {"valueQuantity": None, "valueRange": {"low": quantity(1)}}, "not_a_value"),
    ("a concept", {"valueQuantity": None, "valueCodeableConcept": {"text": "x"}}, "not_a_value"),
    ("an implausible value", {"valueQuantity": quantity(140)}, "implausible"),
    ("a negative value", {"valueQuantity": quantity(-1.4)}, "implausible"),
    ("an infinite value", {"valueQuantity": quantity(1e999)}, "malformed"),
    ("a value as text", {"valueQuantity": quantity("1.4")}, "malformed"),
    ("no value", {"valueQuantity": None}, "no_value"),
    ("a quantity without value", {"valueQuantity": {"unit": "mg/dL"}}, "no_value"),
    (
        "an absent value",
        {"valueQuantity": None, "dataAbsentReason": {"coding": [{"code": "not-performed"}]}},
        "reported_absent",
    ),
    (
        "a masked value",
        {"valueQuantity": None, "dataAbsentReason": {"coding": [{"code": "masked"}]}},
        "masked",
    ),
    (
        "a value and its absence",
        {"dataAbsentReason": {"coding": [{"code": "unknown"}]}},
        "contradictory_value",
    ),
    ("two values", {"valueString": "1.4"}, "contradictory_value"),
    ("entered in error", {"status": "entered-in-error"}, "entered_in_error"),
    ("cancelled", {"status": "cancelled"}, "cancelled"),
    ("preliminary", {"status": "preliminary"}, "preliminary"),
    ("of unknown status", {"status": "unknown"}, "not_final"),
    ("without status", {"status": None}, "not_final"),
    ("amended", {"status": "amended"}, 1.4),
    ("corrected", {"status": "corrected"}, 1.4),
    ("of the future", {"effectiveDateTime": "2026-01-05T10:15:01Z"}, "in_the_future"),
    ("issued later", {"issued": "2026-01-05T10:15:01Z"}, "not_yet_issued"),
    ("undated", {"effectiveDateTime": None}, "undated"),
    ("of a year", {"effectiveDateTime": "2026"}, "partial_time"),
    ("of a day", {"effectiveDateTime": "2026-01-05"}, "partial_time"),
    ("without an offset", {"effectiveDateTime": "2026-01-05T09:15:00"}, "naive_time"),
    ("issued without an offset", {"issued": "2026-01-05T09:15:00"}, "naive_time"),
    ("of no time", {"effectiveDateTime": "yesterday"}, "not_a_time"),
    ("of the 30th of February", {"effectiveDateTime": "2025-02-30T09:15:00Z"}, "not_a_time"),
    ("five years old", {"effectiveDateTime": "2021-01-05T09:15:00Z"}, "outside_look_back"),
    (
        "of a period",
        {"effectiveDateTime": None, "effectivePeriod": {"end": "2026-01-05T09:15:00+01:00"}},
        1.4,
    ),
    (
        "of a period without end",
        {"effectiveDateTime": None, "effectivePeriod": {"start": "2026-01-05T09:15:00Z"}},
        "undated",
    ),
    (
        "of an instant",
        {"effectiveDateTime": None, "effectiveInstant": "2026-01-05T09:15:00.123456789Z"},
        1.4,
    ),
    (
        "of another code system",
        {"code": {"coding": [{"system": "x", "code": "2160-0"}]}},
        "no_value",
    ),
    ("without code", {"code": None}, "no_value"),
    ("of nobody", {"subject": None}, "no_subject"),
    ("of a contained patient", {"subject": {"reference": "#p1"}}, "no_subject"),
    ("of a device", {"subject": {"reference": "Device/d1"}}, "no_subject"),
    ("of an identifier", {"subject": {"identifier": {"value": "no system"}}}, 1.4),
    ("of another patient", {"subject": {"reference": "Patient/p2"}}, "foreign_subject"),
    ("of another identifier", {"subject": {"identifier": {"value": "x"}}}, "foreign_subject"),
    ("of the same patient", {"subject": {"reference": "Patient/p1/_history/3"}}, 1.4),
    ("at an address", {"subject": {"reference": "https://ehr.example.org/fhir/Patient/p1"}}, 1.4),
    ("with a rule", {"modifierExtension": [{"url": "urn:x"}]}, "unknown_modifier"),
    ("with implicit rules", {"implicitRules": "urn:x"}, "unknown_modifier"),
]


@pytest.mark.parametrize(
    ("more", "outcome"), [fault[1:] for fault in FAULTS], ids=[fault[0] for fault in FAULTS]
)
def test_every_fault_is_converted_refused_or_named(
    more: dict[str, Any], outcome: str | float
) -> None:
    document = creatinine(**more)
    if isinstance(outcome, float):
        features = assess(document)
        assert features.values["creatinine"] == pytest.approx(outcome, rel=1e-4)
        return
    try:
        reasons = {found.reason for found in assess(document).findings}
    except InputError as error:
        reasons = {error.reason}
    assert outcome in reasons


def person(**more: Any) -> dict[str, Any]:
    return changed(0, lambda resource: resource.update(more))


@pytest.mark.parametrize(
    ("document", "kind", "reason"),
    [
        (person(gender="other"), UnusableValue, "unseen_category"),
        (person(gender="unknown"), UnusableValue, "unseen_category"),
        (person(birthDate=None), InputError, "too_little_data"),
        (person(birthDate="1950"), UnusableValue, "partial_date"),
        (person(birthDate="2026-02-01"), UnusableValue, "in_the_future"),
        (person(birthDate="2010-01-01"), OutOfScope, "out_of_scope"),
        (person(deceasedBoolean=True), OutOfScope, "deceased"),
        (person(deceasedDateTime="2026-01-05T10:15:00Z"), OutOfScope, "deceased"),
        (person(deceasedDateTime="2026"), OutOfScope, "deceased"),
        (person(modifierExtension=[{"url": "urn:x"}]), UnusableValue, "unknown_modifier"),
        (person(id="p2"), UnusableValue, "foreign_subject"),
        (bundle(*(e["resource"] for e in good()["entry"][1:])), InputError, "too_little_data"),
        (bundle(), InputError, "too_little_data"),
        (bundle(patient(), patient(id="p2")), UnusableValue, "several_patients"),
        (bundle(patient()), InputError, "too_little_data"),
        (bundle(patient(), kind="history"), MalformedInput, "bundle_type"),
        (bundle(patient(), kind="document"), MalformedInput, "bundle_type"),
        ({"resourceType": "Bundle", "entry": []}, MalformedInput, "bundle_type"),
        ({"resourceType": "Patient"}, MalformedInput, "bundle_type"),
        ({**good(), "implicitRules": "urn:x"}, MalformedInput, "unknown_modifier"),
        ({**good(), "entry": {}}, MalformedInput, "malformed"),
        (bundle({"id": "no type"}), MalformedInput, "malformed"),
        (
            {**good(), "entry": [{"fullUrl": "urn:a", "resource": patient()}] * 2},
            MalformedInput,
            "duplicate_entry",
        ),
    ],
)
def test_a_fault_of_the_patient_or_the_bundle_is_refused_by_name(
    document: dict[str, Any], kind: type[InputError], reason: str
) -> None:
    with pytest.raises(kind) as caught:
        assess(document)
    assert caught.value.reason == reason
    assert "mrn-77" not in str(caught.value)


def test_a_death_after_the_prediction_time_is_not_known_then() -> None:
    assert assess(person(deceasedDateTime="2026-01-05T10:15:01Z")).values["age"] == 75.0
    assert assess(person(deceasedBoolean=False)).values["age"] == 75.0


def test_why_a_birth_date_is_absent_is_kept() -> None:
    absent = {"url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason"}
    document = person(birthDate=None, _birthDate={"extension": [{**absent, "valueCode": "masked"}]})
    with pytest.raises(UnusableValue, match="withheld"):
        assess(document)


@pytest.mark.parametrize("place", [0, 3, 6])
def test_another_patients_value_is_refused_wherever_it_stands(place: int) -> None:
    document = good()
    other = observation("x", "718-7", valueQuantity=quantity(9, "g/dL"))
    other["subject"] = {"reference": "Patient/p2"}
    document["entry"].insert(place, {"resource": other})
    with pytest.raises(UnusableValue, match="another patient's"):
        assess(document)


def test_without_a_patient_all_observations_must_be_of_one() -> None:
    readings = read(bundle(ward_observation(), observation("a", "2160-0")))
    assert readings.patient.reference == "Patient/p1"
    other = observation("a", "2160-0", subject={"reference": "Patient/p2"})
    with pytest.raises(UnusableValue, match="another patient's"):
        read(bundle(ward_observation(), other))


def test_references_resolve_by_full_url() -> None:
    def with_url(url: str, reference: str) -> dict[str, Any]:
        document = creatinine(subject={"reference": reference})
        document["entry"] = document["entry"][:3]
        del document["entry"][1]
        document["entry"][0]["fullUrl"] = url
        return document

    one, two = "https://one.example.org/Patient/p1", "https://two.example.org/Patient/p1"
    assert read(with_url("urn:uuid:7", "urn:uuid:7")).patient.reference == "Patient/p1"
    # the letters of a UUID may be large or small (RFC 9562, section 4)
    for url, reference in (("ab", "AB"), ("AB", "ab"), ("Ab", "aB")):
        assert read(with_url(f"urn:uuid:{url}-7", f"urn:uuid:{reference}-7"))
    with pytest.raises(UnusableValue, match="another patient's"):
        read(with_url("urn:oid:Ab", "urn:oid:aB"))
    assert read(with_url(one, one))
    assert read(with_url(one, "Patient/p1"))
    for url, reference in ((one, two), ("urn:uuid:7", "urn:uuid:8")):
        with pytest.raises(UnusableValue, match="another patient's"):
            read(with_url(url, reference))


def test_the_newest_version_of_an_observation_replaces_the_others() -> None:
    old = observation("a", "8480-6", valueQuantity=quantity(100, "mm[Hg]"))
    new = observation("a", "8480-6", valueQuantity=quantity(140, "mm[Hg]"), status="corrected")
    old["meta"], new["meta"] = ({"lastUpdated": f"2026-01-05T0{n}:00:00Z"} for n in (8, 9))
    for pair in ((old, new), (new, old)):
        features = assess(bundle(patient(), ward_observation(), *pair, *good_tests()))
        assert features.values["systolic"] == 140.0
    new["status"] = "entered-in-error"
    features = assess(bundle(patient(), ward_observation(), new, old, *good_tests()))
    assert features.values["systolic"] is None


def versions(*pair: tuple[dict[str, Any] | None, float]) -> list[dict[str, Any]]:
    """Versions of one systolic pressure: the meta of each and its value."""
    return [
        observation("a", "8480-6", valueQuantity=quantity(value, "mm[Hg]"))
        | ({} if meta is None else {"meta": meta})
        for meta, value in pair
    ]


def systolic(*resources: dict[str, Any]) -> float | str | None:
    whole = bundle(patient(), ward_observation(), *resources, *good_tests())
    return assess(whole).values["systolic"]


@pytest.mark.parametrize(
    ("older", "newer"),
    [
        # offsets: 09:30 in Berlin is before 09:00 in London
        ({"lastUpdated": "2026-01-05T09:30:00+01:00"}, {"lastUpdated": "2026-01-05T09:00:00Z"}),
        # fractions: as text, a point stands before a Z
        ({"lastUpdated": "2026-01-05T09:00:00Z"}, {"lastUpdated": "2026-01-05T09:00:00.5Z"}),
        ({"versionId": "9"}, {"versionId": "10"}),
        (
            {"lastUpdated": "2026-01-05T09:00:00Z", "versionId": "9"},
            {"lastUpdated": "2026-01-05T10:00:00+01:00", "versionId": "10"},
        ),
        ({"lastUpdated": "2026-01-05T09:00:00Z", "versionId": "9"}, {"versionId": "10"}),
    ],
)
def test_the_newer_version_is_told_by_the_instant_and_then_by_the_number(
    older: dict[str, Any], newer: dict[str, Any]
) -> None:
    pair = versions((older, 100), (newer, 140))
    assert systolic(*pair) == systolic(*reversed(pair)) == 140.0
    pair[1]["status"] = "entered-in-error"
    assert systolic(*pair) is None
    assert systolic(*reversed(pair)) is None


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (None, None),
        (None, {"lastUpdated": "2026-01-05T09:00:00Z"}),
        ({"versionId": "a"}, {"versionId": "b"}),
        ({"lastUpdated": "2026-01-05T09:00:00Z"},) * 2,
        ({"lastUpdated": "2026-01-05T09:00:00"}, {"lastUpdated": "2026-01-05T10:00:00Z"}),
    ],
)
def test_versions_of_which_neither_is_surely_newer_are_not_chosen_from(
    one: dict[str, Any] | None, other: dict[str, Any] | None
) -> None:
    pair = versions((one, 100), (other, 140))
    for retracted in (False, True):
        if retracted:
            pair[0]["status"] = "entered-in-error"
        for order in (pair, pair[::-1]):
            with pytest.raises(UnusableValue, match="which is the newer") as caught:
                systolic(*order)
            assert caught.value.reason == "undecided_version"


def test_a_version_that_stands_twice_is_one() -> None:
    same = versions((None, 140), ({"versionId": "x"}, 140))
    assert systolic(*same) == 140.0
    oldest = versions(({"versionId": "1"}, 100), ({"versionId": "3"}, 140), ({"versionId": "2"}, 9))
    assert systolic(*oldest) == 140.0


def test_an_id_names_another_observation_on_another_server() -> None:
    old, new = versions((None, 100), (None, 140))
    old["effectiveDateTime"] = (NOW - 2 * HOUR).isoformat()
    whole = bundle(patient(), ward_observation(), *good_tests(), old, new)
    for entry, server in zip(whole["entry"][-2:], ("one", "two"), strict=True):
        entry["fullUrl"] = f"https://{server}.example.org/fhir/Observation/a"
        entry["resource"]["subject"] = {"reference": "https://one.example.org/fhir/Patient/p1"}
    assert assess(whole).values["systolic"] == 120.0, "the mean of both"
    # one that doesn't say where it is from may be a version of either
    whole["entry"].append({"resource": old | {"meta": {"versionId": "7"}}})
    with pytest.raises(UnusableValue, match="which is the newer"):
        assess(whole)


def good_tests() -> list[dict[str, Any]]:
    return [entry["resource"] for entry in good()["entry"][2:5]]


def test_what_cannot_be_used_does_not_keep_a_good_value_from_being_used() -> None:
    good_value = observation("good", "2160-0", valueQuantity=quantity(2.0), hours=5)
    for more in ({"status": "entered-in-error"}, {"status": "preliminary"}, {"subject": None}):
        document = creatinine(**more)
        document["entry"].append({"resource": good_value})
        assert assess(document).values["creatinine"] == 2.0


def test_a_value_with_a_rule_is_passed_over_and_said_so() -> None:
    document = creatinine(modifierExtension=[{"url": "urn:x"}])
    good_value = observation("good", "2160-0", valueQuantity=quantity(2.0), hours=5)
    document["entry"].append({"resource": good_value})
    assert assess(document).values["creatinine"] == 2.0
    assert [found.reason for found in read(document).findings] == ["unknown_modifier"]


def test_messages_of_the_sender_are_no_data_and_are_reported() -> None:
    document = {**good(), "type": "searchset"}
    issue = {"severity": "warning", "code": "incomplete", "diagnostics": "mrn-77"}
    outcome = {"resourceType": "OperationOutcome", "issue": [issue]}
    document["entry"].append({"resource": outcome, "search": {"mode": "outcome"}})
    assert assess(document).values["creatinine"] == 1.4
    assert [found.reason for found in read(document).findings] == ["sender_issue"]
    assert "mrn-77" not in read(document).findings[0].words


def from_sender(outcome: dict[str, Any]) -> dict[str, Any]:
    document = {**good(), "type": "searchset"}
    message = {"resourceType": "OperationOutcome", **outcome}
    document["entry"].append({"resource": message, "search": {"mode": "outcome"}})
    return document


@pytest.mark.parametrize(
    ("outcome", "reasons"),
    [
        ({}, ["sender_issue"]),
        ({"issue": []}, ["sender_issue"]),
        ({"issue": [{"code": "incomplete"}]}, ["sender_issue"]),
        ({"issue": [{"severity": "grave"}, {"severity": "fatal"}]}, ["sender_issue"]),
        ({"issue": [{"severity": "information", "code": "suppressed"}]}, ["suppressed"]),
        ({"issue": [{"severity": "error", "code": "suppressed"}]}, ["suppressed"]),
        (
            {"issue": [{"severity": "information", "code": "suppressed"}, {"severity": "error"}]},
            ["suppressed", "sender_issue"],
        ),
        ({"issue": [{"severity": "information", "code": "informational"}]}, []),
    ],
)
def test_a_message_is_a_problem_unless_it_is_a_mere_information(
    outcome: dict[str, Any], reasons: list[str]
) -> None:
    """FHIR-9."""
    found = read(from_sender(outcome)).findings
    assert [(one.kind, one.reason) for one in found] == [("flagged", one) for one in reasons]


@pytest.mark.parametrize(
    ("response", "reason"),
    [
        ({"status": "404"}, "failed_response"),
        ({"status": "200", "outcome": {"issue": [{"severity": "error"}]}}, "failed_response"),
        ({"status": "200", "outcome": {"issue": []}}, "failed_response"),
        ({"status": "200", "outcome": {"issue": [{"severity": "information"}]}}, "bundle_form"),
        ({"status": "200 OK"}, "bundle_form"),
        ({"status": "200", "outcome": {"issue": 7}}, "malformed"),
    ],
)
@pytest.mark.parametrize("kind", ["collection", "searchset"])
def test_an_entry_that_is_the_answer_to_a_request_is_refused(
    kind: str, response: dict[str, Any], reason: str
) -> None:
    """FHIR-9."""
    document = {**good(), "type": kind}
    document["entry"][2]["response"] = response
    with pytest.raises(MalformedInput) as error:
        read(document)
    assert error.value.reason == reason


@pytest.mark.parametrize("body", [b"", b"nonsense", b"\xff\xfe", b"[" * 100_000, b'{"entry":1}'])
def test_what_is_no_json_is_malformed(body: bytes) -> None:
    with pytest.raises(MalformedInput):
        read_bundle(body, DEFINITION, NOW)


UNITS = {"creatinine": tuple(ANALYTES["creatinine"]), "glucose": tuple(ANALYTES["glucose"])}


@given(
    st.floats(0.2, 10),
    st.sampled_from(UNITS["creatinine"]),
    st.floats(20, 1500),
    st.sampled_from(UNITS["glucose"]),
    st.dates(datetime(1930, 1, 1).date(), datetime(2005, 1, 1).date()),  # noqa: DTZ001 - days
)
def test_table_request_and_bundle_give_the_same_bits(
    creatinine: float, creatinine_unit: str, glucose: float, glucose_unit: str, born: Any
) -> None:
    given = {
        "creatinine": (creatinine, "mg/dL", creatinine_unit, "2160-0"),
        "glucose": (glucose, "mg/dL", glucose_unit, "2345-7"),
    }
    amounts = {
        name: convert(value, unit, to=other, analyte=name)
        for name, (value, unit, other, _) in given.items()
    }
    observations = [
        observation(name, code, valueQuantity=quantity(amounts[name], unit))
        for name, (_, _, unit, code) in given.items()
    ]
    document = bundle(patient(birthDate=born.isoformat()), ward_observation(), *observations)
    by_bundle = assess(document).vector
    readings = {name: [Reading(amounts[name], unit)] for name, (_, _, unit, _) in given.items()}
    readings |= {"sex": [Reading("female")], "ward": [Reading("surgery")]}
    readings["age"] = [Reading(float(by_bundle[0]))]
    by_request = assemble(DEFINITION, readings, NOW).vector
    columns: dict[str, np.ndarray[Any, Any]] = {
        name: convert(np.array([amounts[name]]), unit, to="mg/dL", analyte=name)
        for name, (_, _, unit, _) in given.items()
    }
    columns |= {"age": by_bundle[:1], "sex": np.array(["female"]), "ward": np.array(["surgery"])}
    columns |= {"kappa": np.array([np.nan]), "systolic": np.array([np.nan])}
    by_table = encode_table(DEFINITION, columns)[0]
    assert by_bundle.tobytes() == by_request.tobytes() == by_table.tobytes()


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=6,
)


@given(st.data())
def test_a_bundle_with_any_field_replaced_is_read_or_refused_but_never_fails(
    data: st.DataObject,
) -> None:
    document = good()
    resource = data.draw(st.sampled_from(document["entry"]))["resource"]
    resource[data.draw(st.sampled_from(sorted(resource)))] = data.draw(JSON)
    columns = len(DEFINITION.columns)
    with contextlib.suppress(InputError):
        assert assess(document).vector.shape == (columns,)


SYNTHEA = Path(os.environ.get("AUSCULT_DATA_DIR", "nowhere")) / "fhir_synthea"


@pytest.mark.skipif(not SYNTHEA.is_dir(), reason="AUSCULT_DATA_DIR names no fhir_synthea folder")
def test_every_synthetic_patient_can_be_read() -> None:
    found: dict[str, int] = {}
    at = datetime(2019, 12, 31, tzinfo=UTC)
    paths = sorted(SYNTHEA.glob("*.json"))
    for path in paths:
        body = path.read_bytes()
        died = b'"deceasedDateTime"' in body
        if died:
            with pytest.raises(OutOfScope, match="deceased"):
                read_bundle(body, DEFINITION, at)
            continue
        bundle_readings = read_bundle(body, DEFINITION, at)
        assert bundle_readings.findings == ()
        for name, readings in bundle_readings.readings.items():
            found[name] = found.get(name, 0) + len(readings)
    assert len(paths) == 12
    assert found["age"] == found["sex"] == 10
    assert found["systolic"] > 50
    assert found["creatinine"] > 20


LOCAL = "https://ehr.example.org/codes"
LOCALLY_CODED = parse_definition(
    WARD.replace(
        'unit = "mm[Hg]"',
        f'codes = [{{ system = "{LOCAL}", code = "sys" }}]\nunit = "mm[Hg]"',
        1,
    ).encode(),
    source="ward",
)


@pytest.mark.parametrize(
    ("system", "code", "is_read"),
    [
        (LOCAL, "sys", True),
        (LOINC, "8480-6", True),
        (LOINC, "sys", False),
        (LOCAL, "8480-6", False),
    ],
)
def test_a_code_counts_in_its_own_system_only(system: str, code: str, is_read: bool) -> None:
    resource = observation("s1", code, valueQuantity=quantity(120, "mm[Hg]"))
    resource["code"] = {"coding": [{"system": system, "code": code}]}
    body = {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": resource}]}
    readings = read_bundle(json.dumps(body).encode(), LOCALLY_CODED, NOW).readings
    assert ("systolic" in readings) == is_read


@pytest.mark.parametrize(
    ("unit", "words"),
    [
        ("[pH]", None),
        ("{pH}", None),
        ("pH", None),
        ("1", None),
        (None, None),
        ("%", "refused"),
    ],
)
def test_a_ph_may_have_its_unit_or_none(unit: str | None, words: str | None) -> None:
    definition = parse_definition(
        WARD.replace(
            'unit = "mm[Hg]"\nanalyte = "blood_pressure"', 'unit = "[pH]"\nanalyte = "ph"'
        ).encode(),
        source="ward",
    )
    resource = observation("p1", "8480-6", valueQuantity=quantity(40, unit))
    body = {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": resource}]}
    (reading,) = read_bundle(json.dumps(body).encode(), definition, NOW).readings["systolic"]
    feature = definition.by_name["systolic"]
    if words is None:
        assert value_of(feature, reading, NOW, []) == 40
    else:
        with pytest.raises(UnusableValue):
            value_of(feature, reading, NOW, [])


@pytest.mark.parametrize(
    ("concept", "reason"),
    [
        ({"coding": [{"code": "surgery"}, {"system": "urn:ours", "code": "surgery"}]}, None),
        ({"coding": [{"code": "surgery"}, {"system": "urn:ours", "code": "W7"}]}, None),
        ({"coding": [{"code": "surgery"}], "text": "Ward 7"}, None),
        ({"coding": [{"system": "http://snomed.info/sct", "code": "surgery"}]}, "category_system"),
        ({"coding": [{"system": LOINC, "code": "surgery"}]}, "category_system"),
        ({"coding": [{"code": "medicine"}, {"code": "surgery"}]}, "contradictory_category"),
        ({"coding": [{"code": "surgery"}], "text": "medicine"}, "contradictory_category"),
        ({"coding": [{"code": "cellar"}]}, "unseen_category"),
    ],
)
def test_a_category_is_one_and_of_a_system_that_may_have_it(
    concept: dict[str, Any], reason: str | None
) -> None:
    resource = observation("w1", "56816-2", valueCodeableConcept=concept)
    (reading,) = read_bundle(json.dumps(bundle(resource)).encode(), DEFINITION, NOW).readings[
        "ward"
    ]
    feature = DEFINITION.by_name["ward"]
    if reason is None:
        assert value_of(feature, reading, NOW, []) == "surgery"
        return
    with pytest.raises(UnusableValue) as refusal:
        value_of(feature, reading, NOW, [])
    assert refusal.value.reason == reason


MASKED = {"extension": [{"url": DATA_ABSENT, "valueCode": "masked"}]}


@pytest.mark.parametrize(
    "changes",
    [
        {"_valueString": MASKED},
        {"_valueBoolean": MASKED},
        {"_valueCodeableConcept": MASKED},
        {"valueCodeableConcept": MASKED},
    ],
)
def test_a_category_that_is_masked_is_not_read_as_missing(changes: dict[str, Any]) -> None:
    resource = observation("w1", "56816-2", **changes)
    read = read_bundle(json.dumps(bundle(resource)).encode(), DEFINITION, NOW).readings["ward"]
    with pytest.raises(UnusableValue) as refusal:
        choose(DEFINITION.by_name["ward"], read, NOW)
    assert refusal.value.reason == "masked"


@pytest.mark.parametrize(
    ("identifier", "is_foreign"),
    [
        ({"system": "urn:oid:1.2.3", "value": "mrn-78"}, True),
        ({"system": "urn:oid:1.2.3", "value": " mrn-77 "}, False),
        ({"system": "urn:oid:9", "value": "mrn-78"}, False),
        ({"value": "mrn-78"}, False),
    ],
)
def test_a_subject_is_foreign_whose_number_is_another_in_a_system_of_the_patient(
    identifier: dict[str, str], is_foreign: bool
) -> None:
    subject = {"reference": "Patient/p1", "type": "Patient", "identifier": identifier}
    sent = bundle(patient(), observation("s1", "8480-6", subject=subject))
    if not is_foreign:
        assert "systolic" in read_bundle(json.dumps(sent).encode(), DEFINITION, NOW).readings
        return
    with pytest.raises(UnusableValue) as refusal:
        read_bundle(json.dumps(sent).encode(), DEFINITION, NOW)
    assert refusal.value.reason == "foreign_subject"


@pytest.mark.parametrize(
    ("whole", "part", "is_refused"),
    [
        (quantity(120, "mm[Hg]"), quantity(16, "kPa"), False),
        (quantity(120, "mm[Hg]"), quantity(18, "kPa"), True),
        (quantity(120, "mm[Hg]"), quantity(120, "mm[Hg]", comparator="<"), True),
        (quantity(120, "mm[Hg]"), quantity(120, "furlong"), True),
        (quantity(120, "mm[Hg]"), {}, False),
    ],
)
def test_a_component_may_repeat_the_value_of_the_whole_and_say_no_other(
    whole: dict[str, Any], part: dict[str, Any], is_refused: bool
) -> None:
    resource = observation("s1", "8480-6", valueQuantity=whole)
    resource["component"] = [{"code": resource["code"], "valueQuantity": part}]
    if not is_refused:
        assert read_bundle(json.dumps(bundle(resource)).encode(), DEFINITION, NOW).readings[
            "systolic"
        ]
        return
    with pytest.raises(MalformedInput) as refusal:
        read_bundle(json.dumps(bundle(resource)).encode(), DEFINITION, NOW)
    assert refusal.value.reason == "contradictory_value"


@pytest.mark.parametrize("day", ["2030-01-01", "2026-01-04", "2026"])
def test_a_mere_day_of_issue_does_not_say_that_a_value_was_known(day: str) -> None:
    resource = observation("o1", "2160-0", valueQuantity=quantity(1.2), issued=day)
    for beside in ({}, {"component": [{"code": {"text": "of no feature"}}]}):
        (reading,) = read(bundle(patient(), resource | beside)).readings["creatinine"]
        assert (reading.fault, reading.issued_at) == ("partial_time", None)
    with pytest.raises(UnusableValue) as refusal:
        choose(DEFINITION.by_name["creatinine"], [reading], NOW)
    assert refusal.value.reason == "partial_time"


@pytest.mark.parametrize("name", ["birthDate", "gender"])
@pytest.mark.parametrize("code", ["masked", "unknown"])
def test_a_patients_value_beside_a_reason_for_its_absence_is_refused(name: str, code: str) -> None:
    absent = {"extension": [{"url": DATA_ABSENT, "valueCode": code}]}
    with pytest.raises(MalformedInput) as refusal:
        read(bundle(patient(**{f"_{name}": absent})))
    assert (refusal.value.field, refusal.value.reason) == (f"Patient.{name}", "contradictory_value")


@pytest.mark.parametrize(
    ("address", "is_refused"),
    [
        ("https://ehr.example.org/fhir/Patient/p2", True),
        ("https://ehr.example.org/fhir/Person/p1", True),
        ("https://ehr.example.org/fhir/Patient/p1", False),
        ("urn:uuid:3d88cade-3054-405e-b95f-f3d3c9f7f321", False),
    ],
)
def test_a_patient_whose_address_is_another_ones_is_refused(address: str, is_refused: bool) -> None:
    document = bundle(patient())
    document["entry"][0]["fullUrl"] = address
    if not is_refused:
        assert read(document).patient.reference == "Patient/p1"
        return
    with pytest.raises(MalformedInput) as refusal:
        read(document)
    assert (refusal.value.field, refusal.value.reason) == ("Patient.id", "contradictory_id")
    assert "p2" not in str(refusal.value)


def numbered(*uses: str | None) -> list[dict[str, Any]]:
    given = [{"use": use, "system": "urn:mrn", "value": str(n)} for n, use in enumerate(uses)]
    return [{name: text for name, text in one.items() if text is not None} for one in given]


@pytest.mark.parametrize(
    ("uses", "values"),
    [
        (("old", "official"), "1"),
        (("old", None, "usual"), "12"),
        (("temp", "old", "usual"), "20"),
        (("temp", "temp"), "01"),
        (("old", "old"), ""),
        ((None, "secondary"), "01"),
    ],
)
def test_a_patient_is_known_by_a_number_that_is_still_valid(
    uses: tuple[str | None, ...], values: str
) -> None:
    found = read(bundle(patient(identifier=numbered(*uses)))).patient
    assert [value for _, value in found.identifiers] == list(values)
    assert found.reference == "Patient/p1"


def test_an_old_number_alone_does_not_say_whose_a_value_is() -> None:
    for which, use in ((0, "old"), (1, "usual")):
        subject = {"identifier": {"system": "urn:mrn", "value": str(which)}}
        resource = observation("o1", "2160-0", valueQuantity=quantity(1.2), subject=subject)
        document = bundle(patient(identifier=numbered("old", "usual")), resource)
        if use == "usual":
            assert read(document).readings["creatinine"][0].fault is None
            continue
        with pytest.raises(UnusableValue) as refusal:
            read(document)
        assert refusal.value.reason == "foreign_subject"


def test_a_blank_number_is_none() -> None:
    given = [{"system": "urn:mrn", "value": "  "}, {"system": "urn:mrn", "value": "7"}]
    assert read(bundle(patient(identifier=given))).patient.identifiers == (("urn:mrn", "7"),)


@pytest.mark.parametrize("time", ["2030-01-01", "2030-01-01T00:00:00Z"])
def test_a_patient_who_is_said_to_be_dead_is_so_whatever_the_time(time: str) -> None:
    read(bundle(patient(deceasedDateTime=time)))
    read(bundle(patient(deceasedDateTime=time, deceasedBoolean=False)))
    with pytest.raises(OutOfScope) as refusal:
        read(bundle(patient(deceasedDateTime=time, deceasedBoolean=True)))
    assert refusal.value.reason == "deceased"


@pytest.mark.parametrize("code", ["masked", "unknown"])
@pytest.mark.parametrize(
    ("part", "reason"),
    [
        ("_comparator", "absent_comparator"),
        ("_unit", "absent_unit"),
        ("_system", "absent_unit"),
        ("_code", "absent_unit"),
    ],
)
def test_a_quantity_of_which_a_part_is_said_to_be_absent_is_refused(
    part: str, reason: str, code: str
) -> None:
    absent = {"extension": [{"url": DATA_ABSENT, "valueCode": code}]}
    for beside in ({}, {"component": [{"code": {"text": "of no feature"}}]}):
        resource = observation("o1", "2160-0", valueQuantity=quantity(1.2, **{part: absent}))
        (reading,) = read(bundle(patient(), resource | beside)).readings["creatinine"]
        assert reading.fault == reason
    with pytest.raises(UnusableValue) as refusal:
        value_of(DEFINITION.by_name["creatinine"], reading, NOW, [])
    assert refusal.value.reason == reason


def test_another_extension_beside_a_part_of_a_quantity_says_nothing_against_it() -> None:
    other = {"extension": [{"url": "https://example.org/rendering", "valueCode": "masked"}]}
    given = quantity(1.2, _comparator=other, _unit=other, _code=other)
    resource = observation("o1", "2160-0", valueQuantity=given, _status=other, _issued=other)
    (reading,) = read(bundle(patient(), resource)).readings["creatinine"]
    assert (reading.value, reading.fault, reading.status) == (1.2, None, "final")


def test_a_status_that_is_said_to_be_absent_is_unknown() -> None:
    absent = {"extension": [{"url": DATA_ABSENT, "valueCode": "unknown"}]}
    resource = observation("o1", "2160-0", valueQuantity=quantity(1.2), _status=absent)
    (reading,) = read(bundle(patient(), resource)).readings["creatinine"]
    assert reading.status == "unknown"
    assert choose(DEFINITION.by_name["creatinine"], [reading], NOW) == ([], "not_final")


TAKEN = (NOW - HOUR).isoformat()
PERIOD = {"start": TAKEN, "end": TAKEN}
OF_NO_TIME = {"extension": [{"url": DATA_ABSENT, "valueCode": "unknown"}]}


@pytest.mark.parametrize(
    ("fields", "fault"),
    [
        ({"_effectiveDateTime": OF_NO_TIME}, "undated"),
        ({"effectiveDateTime": None, "_effectiveDateTime": OF_NO_TIME}, "undated"),
        ({"effectiveDateTime": None, "effectiveInstant": TAKEN}, None),
        (
            {
                "effectiveDateTime": None,
                "effectiveInstant": TAKEN,
                "_effectiveInstant": OF_NO_TIME,
            },
            "undated",
        ),
        ({"effectiveDateTime": None, "effectivePeriod": PERIOD}, None),
        ({"effectiveDateTime": None, "effectivePeriod": PERIOD | OF_NO_TIME}, "undated"),
        ({"effectiveDateTime": None, "effectivePeriod": PERIOD | {"_end": OF_NO_TIME}}, "undated"),
        (
            {"effectiveDateTime": None, "effectivePeriod": PERIOD | {"_start": OF_NO_TIME}},
            "undated",
        ),
        (
            {
                "effectiveDateTime": None,
                "effectivePeriod": {"_start": OF_NO_TIME, "end": TAKEN},
            },
            None,
        ),
        ({"issued": TAKEN, "_issued": OF_NO_TIME}, "undated"),
        ({"_issued": OF_NO_TIME}, None),
    ],
)
def test_a_time_that_is_said_to_be_absent_is_none(fields: dict[str, Any], fault: str) -> None:
    resource = observation("o1", "2160-0", valueQuantity=quantity(1.2), **fields)
    (reading,) = read(bundle(patient(), resource)).readings["creatinine"]
    assert reading.fault == fault
    assert (reading.taken_at is None) == (fault is not None)


WITHHELD = {"extension": [{"url": DATA_ABSENT, "valueCode": "masked"}]}


@pytest.mark.parametrize(
    ("concept", "because"),
    [
        ({"coding": [{"code": "surgery"}], "_text": WITHHELD}, None),
        ({"coding": [{"code": "surgery"}, {"_code": WITHHELD}]}, None),
        ({"coding": [{"_code": WITHHELD}]}, "masked"),
        ({"coding": [{"_system": WITHHELD}]}, "masked"),
        ({"_text": WITHHELD}, "masked"),
    ],
)
def test_a_concept_without_a_code_or_text_is_absent_for_their_reason(
    concept: dict[str, Any], because: str | None
) -> None:
    resource = observation("ward", "56816-2", valueCodeableConcept=concept)
    (reading,) = read(bundle(patient(), resource)).readings["ward"]
    assert reading.absent_because == because
    assert (reading.value, reading.fault) == (None if because else "surgery", None)


@pytest.mark.parametrize(
    "concept",
    [
        {"coding": [{"code": "surgery", "_code": WITHHELD}]},
        {"coding": [{"code": "surgery", "_system": WITHHELD}]},
        {"coding": [{"code": "surgery"}, {"code": "1", "_code": WITHHELD}]},
        {"text": "surgery", "_text": WITHHELD},
    ],
)
def test_a_code_or_text_beside_a_reason_for_its_absence_is_refused(concept: dict[str, Any]) -> None:
    resource = observation("ward", "56816-2", valueCodeableConcept=concept)
    with pytest.raises(MalformedInput) as refusal:
        read(bundle(patient(), resource))
    assert refusal.value.reason == "contradictory_value"
