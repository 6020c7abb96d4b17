"""Observations as readings: those as nearly all are, and the close look at all others."""

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.errors import MalformedInput
from models.feature import Feature, LocalCode
from models.fhir_observation import ObservationReader
from models.fhir_resources import DATA_ABSENT, UCUM, Observation
from models.fhir_usual import USUAL, UsualObservation, usual_value, whole
from models.fhir_versions import FoundObservation
from models.loinc import LOINC

LACTATE = Feature(
    name="lactate",
    title="Lactate in blood",
    kind="numeric",
    unit="mmol/L",
    analyte="lactate",
    loinc=("2524-7",),
    codes=(LocalCode(system="urn:lab", code="both"),),
    plausible=(0.1, 30.0),
    look_back_days=1,
)
WARD = Feature(
    name="ward",
    title="Ward",
    kind="categorical",
    loinc=("56816-2",),
    codes=(LocalCode(system="urn:lab", code="both"),),
    categories={"surgery": "Surgery", "medicine": "Medicine"},
    look_back_days=1,
)
CODES = {
    (LOINC, "2524-7"): (LACTATE,),
    (LOINC, "56816-2"): (WARD,),
    ("urn:lab", "both"): (LACTATE, WARD),
}
TAKEN_AT = "2026-01-05T10:15:00+01:00"


def changed(changes):
    """Up to two of the changes."""
    names = st.lists(st.sampled_from(sorted(changes)), max_size=2, unique=True)
    return names.flatmap(lambda some: st.fixed_dictionaries({one: changes[one] for one in some}))


QUANTITY = {"value": 2.1, "system": UCUM, "code": "mmol/L"}
PLAIN = st.sampled_from(
    [
        {"code": {"coding": [{"system": LOINC, "code": "2524-7"}]}, "valueQuantity": QUANTITY},
        {"code": {"coding": [{"system": LOINC, "code": "56816-2"}]}, "valueString": "surgery"},
        {"code": {"coding": [{"system": "urn:lab", "code": "both"}]}, "valueQuantity": QUANTITY},
    ]
)
CODINGS = st.fixed_dictionaries(
    {
        "system": st.sampled_from([LOINC, "urn:lab", None]),
        "code": st.sampled_from(["2524-7", "56816-2", "both", "0-0", None]),
    }
)
CONCEPTS = st.fixed_dictionaries({"coding": st.lists(CODINGS, max_size=2)})
QUANTITIES = changed(
    {
        "value": st.just(None),
        "comparator": st.just("<"),
        "unit": st.sampled_from(["mg/dL", "MMOL / L", "kg", "millimoles"]),
        "_value": st.just({"extension": [{"url": DATA_ABSENT, "valueCode": "masked"}]}),
        "_comparator": st.just({"extension": [{"url": DATA_ABSENT, "valueCode": "masked"}]}),
        "_code": st.just({"extension": [{"url": DATA_ABSENT, "valueCode": "unknown"}]}),
        "extension": st.just([{"url": DATA_ABSENT, "valueCode": "masked"}]),
        "system": st.sampled_from(["urn:units", None]),
        "code": st.sampled_from(["", "mg/dL", "C"]),
    }
).map(lambda parts: QUANTITY | parts)
COMPONENTS = st.tuples(PLAIN).map(list)
UNTIMED = {"extension": [{"url": DATA_ABSENT, "valueCode": "unknown"}]}
CHANGES = {
    "code": CONCEPTS,
    "valueString": st.sampled_from(["surgery", "none of them"]),
    "valueCodeableConcept": CONCEPTS,
    "valueInteger": st.just(3),
    "dataAbsentReason": st.just({"coding": [{"code": "masked"}]}),
    "modifierExtension": st.just([{}]),
    "implicitRules": st.sampled_from(["", "urn:rules"]),
    "component": COMPONENTS,
    "status": st.sampled_from(["cancelled", None]),
    "effectiveDateTime": st.sampled_from(["", "2026-01-05", "2026-01-05T10:15:00", None]),
    "effectiveInstant": st.just("2026-01-05T09:00:00Z"),
    "effectiveTiming": st.just({}),
    "effectivePeriod": st.sampled_from(
        [{"start": TAKEN_AT, "end": TAKEN_AT} | one for one in ({}, UNTIMED, {"_end": UNTIMED})]
    ),
    "focus": st.sampled_from([[], [{"reference": "Patient/p2"}]]),
    "_valueString": st.just({"extension": [{"url": DATA_ABSENT, "valueCode": "masked"}]}),
    "_valueQuantity": st.just({"extension": [{"url": DATA_ABSENT, "valueCode": "masked"}]}),
    "_status": st.just({"extension": [{"url": DATA_ABSENT, "valueCode": "unknown"}]}),
    "_effectiveDateTime": st.just({"extension": [{"url": DATA_ABSENT, "valueCode": "masked"}]}),
    "_issued": st.just({"extension": [{"url": DATA_ABSENT, "valueCode": "unknown"}]}),
    "issued": st.sampled_from([TAKEN_AT, "yesterday"]),
    "meta": st.sampled_from([{"versionId": "3"}, {"versionId": "no id"}]),
    "id": st.sampled_from(["", None]),
    "subject": st.just(None),
    "valueMoney": st.just({"value": 2.1}),
    "category": st.sampled_from([[], [{"text": "laboratory"}]]),
    "interpretation": st.sampled_from(
        [[{"text": "high"}], *([{"coding": [{"code": code}]}] for code in ("H", "<", "QCF"))]
    ),
    "hasMember": st.just([{"reference": "Observation/o2"}]),
}
COMMON = {"resourceType": "Observation", "id": "o1", "status": "final"} | {
    "effectiveDateTime": TAKEN_AT,
    "subject": {"reference": "Patient/p1"},
}
OBSERVATIONS = st.tuples(PLAIN, changed(CHANGES)).map(lambda parts: COMMON | parts[0] | parts[1])
QUANTIFIED = QUANTITIES.map(
    lambda quantity: (
        COMMON
        | {"code": {"coding": [{"system": LOINC, "code": "2524-7"}]}, "valueQuantity": quantity}
    )
)


def either(read, *arguments, **named):
    """Return what it returns, or what it says it can't."""
    try:
        return list(read(*arguments, **named))
    except MalformedInput as error:
        return str(error), error.field, error.reason


def as_it_is_read(given):
    """Return an Observation as one of a Bundle is decoded."""
    text = msgspec.json.encode(given)
    try:
        return USUAL.decode(text)
    except msgspec.ValidationError:
        return msgspec.json.decode(text, type=Observation)


def closely(one, fault):
    """Return what a close look gives, its names being checked where any of it is wanted."""
    reader, observation = ObservationReader(CODES), whole(one.observation)
    wanted = reader.wanted(observation)
    if wanted:
        one.check_names()
    return reader.readings(observation, wanted, index=one.index, source=one.source, fault=fault)


@settings(max_examples=400)
@given(OBSERVATIONS | QUANTIFIED, st.sampled_from([None, "no_subject"]))
def test_every_observation_reads_as_a_close_look_at_it_would(given, fault):
    text = msgspec.json.encode(given)
    seen = FoundObservation(4, "urn:uuid:o1", msgspec.json.decode(text, type=Observation))
    one = FoundObservation(4, "urn:uuid:o1", as_it_is_read(given))
    assert whole(one.observation) == seen.observation
    reader, close = ObservationReader(CODES), either(closely, seen, fault)
    assert either(reader.read, one, fault) == close
    # once more, its time being known by now
    assert either(reader.read, one, fault) == close


def test_what_no_observation_of_r4_has_is_never_passed_over_as_usual():
    """FHIR-7: a value of another type beside one that is read."""
    common = COMMON | {"code": {"coding": [{"system": LOINC, "code": "2524-7"}]}}
    for other in ("valueMoney", "ValueQuantity", "_valueMoney", "effectivedateTime"):
        given = common | {"valueQuantity": QUANTITY, other: {}}
        assert not isinstance(as_it_is_read(given), UsualObservation)


@pytest.mark.parametrize(
    ("change", "is_usual"),
    [
        ({}, True),
        ({"category": [{"text": "laboratory"}], "note": None, "extension": []}, True),
        ({"meta": {"versionId": "3"}, "issued": TAKEN_AT, "status": "amended"}, True),
        ({"_status": {}}, False),
        ({"_issued": {}}, False),
        ({"dataAbsentReason": {}}, False),
        ({"valueString": "2.1"}, False),
    ],
)
def test_only_a_result_that_is_not_as_nearly_all_are_takes_a_close_look(change, is_usual):
    code = {"coding": [{"system": LOINC, "code": "2524-7"}]}
    found = as_it_is_read(COMMON | {"code": code, "valueQuantity": QUANTITY} | change)
    value = usual_value(found, LACTATE) if isinstance(found, UsualObservation) else None
    assert value == ((2.1, "mmol/L", None) if is_usual else None)
