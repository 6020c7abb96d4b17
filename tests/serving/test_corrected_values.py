"""Corrected Observations of which the value, or a part of what was found, isn't there to read."""

from typing import Any

import pytest

from monitoring.corrections import list_affected
from records.clients import SCOPES
from tests.factories import NOW
from tests.serving.test_corrections import FHIR, bundle, observation, reported
from tests.serving.test_fhir_records import BASE, predict

Json = dict[str, Any]
MASKED_LABEL: Json = {
    "meta": {
        "security": [
            {
                "system": "http://terminology.hl7.org/CodeSystem/v3-ObservationValue",
                "code": "MASKED",
            }
        ]
    }
}
ABSENT_SYSTEM = "http://terminology.hl7.org/CodeSystem/data-absent-reason"


def absent(code: str) -> Json:
    return {"dataAbsentReason": {"coding": [{"system": ABSENT_SYSTEM, "code": code}]}}


@pytest.mark.parametrize(
    "changes",
    [
        {"valueQuantity": None, "valueDecimal": 3},
        {"valueQuantity": None, "valuequantity": {"value": 3, "unit": "mmol/L"}},
        {"valueQuantity": None, "_valueMoney": {"id": "a"}},
        {"valueQuantity": None, "valueDecimal": 3, **absent("unknown")},
        {"valueDecimal": 3},  # beside one that is read
    ],
)
def test_a_value_that_a_prediction_would_refuse_as_none_that_is_read_is_not_recorded(
    service, changes
):
    sent = bundle(observation(id="good"), observation(**changes))
    answer = service.client("correct").post(FHIR, json=sent)
    assert answer.status_code == 422, answer.text
    assert "Bundle.entry[1].resource: not_a_value" in answer.text
    assert reported() == []


def test_a_corrected_result_without_a_value_withdraws_as_before(service):
    answer = service.client("correct").post(FHIR, json=bundle(observation(valueQuantity=None)))
    assert answer.status_code == 201, answer.text
    assert [(one.feature, one.value) for one in reported()] == [("", None)]
    assert "flagged" not in [one["name"] for one in answer.json()["parameter"]]


@pytest.mark.parametrize("year", ["0001", "1899"])
def test_a_time_that_is_older_than_anybodys_is_refused_by_name(service, year):
    sent = bundle(observation(effectiveDateTime=f"{year}-01-01T00:00:00+14:00"))
    answer = service.client("correct").post(FHIR, json=sent)
    assert answer.status_code == 422, answer.text
    (issue,) = answer.json()["issue"]
    assert issue["diagnostics"] == "Bundle.entry[0].resource.effective: bad_time"
    assert reported() == []


def test_of_a_result_in_error_no_value_is_looked_at(service):
    sent = bundle(observation(valueQuantity=None, valueDecimal=3, status="entered-in-error"))
    assert service.client("correct").post(FHIR, json=sent).status_code == 201


@pytest.mark.parametrize(
    "changes",
    [
        MASKED_LABEL,
        {"valueQuantity": None, **absent("masked")},
        {"valueQuantity": None, **absent("not-permitted")},
    ],
)
def test_a_corrected_value_that_is_withheld_is_never_taken_but_withdraws_and_says_so(
    service, model, changes
):
    from records.models import AffectedPrediction

    client = service.client(*SCOPES)
    made = predict(client)
    answer = client.post(FHIR, json=bundle(observation(**changes)))
    assert answer.status_code == 201, answer.text
    assert [(one.feature, one.value) for one in reported()] == [("", None)]
    (words,) = [
        one["valueString"] for one in answer.json()["parameter"] if one["name"] == "flagged"
    ]
    assert "withheld for privacy" in words
    list_affected(model, NOW)
    (row,) = AffectedPrediction.objects.all()
    assert row.corrected_risk is None
    assert client.get(f"{BASE}/{made['id']}").json()["status"] == "entered-in-error"


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ({"total": 3}, "incomplete_bundle"),
        ({"link": [{"relation": "next", "url": "https://a.example.org/2"}]}, "incomplete_bundle"),
        ({"total": 0}, "contradictory_total"),
    ],
)
def test_a_part_of_what_was_found_is_not_taken_for_all_of_it(service, said, reason):
    sent = bundle(observation()) | {"type": "searchset"} | said
    answer = service.client("correct").post(FHIR, json=sent)
    assert answer.status_code == 422, answer.text
    assert reason in answer.text
    assert reported() == []


def test_all_that_was_found_is_taken(service):
    sent = bundle(observation()) | {"type": "searchset", "total": 1}
    assert service.client("correct").post(FHIR, json=sent).status_code == 201
