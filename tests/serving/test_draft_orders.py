"""The orders that are signed are the patient's in view, or no risk is shown beside them."""

from typing import Any

import httpx
import pytest

from tests.serving.conftest import read_predictions
from tests.serving.hooks import PATH, PATIENT, card_of, hook_request

OWN = {"reference": "Patient/p1"}
FOREIGN = {"reference": "Patient/p2"}
SERVER = "https://ehr.example.org/fhir"
REQUEST = {"resourceType": "ServiceRequest", "status": "draft", "intent": "order"}


def entry(**fields: Any) -> dict[str, Any]:
    return {"resource": {**REQUEST, **fields}}


def appointment(*actors: Any) -> dict[str, Any]:
    participants = [{"status": "accepted"} | ({"actor": one} if one else {}) for one in actors]
    return entry(resourceType="Appointment", participant=participants)


def nested(kind: str) -> Any:
    """Orders among which one is a Bundle with another patient's."""
    inner = {"resourceType": "MedicationRequest", "subject": FOREIGN}
    held = {"resourceType": kind, "type": "collection", "entry": [{"resource": inner}]}
    return signing(entry(subject=OWN), {"resource": held})["context"]["draftOrders"]


def signing(*entries: Any, **more: Any) -> dict[str, Any]:
    """An order-sign request about these orders."""
    return about({"resourceType": "Bundle", "entry": list(entries), **more})


def about(orders: Any) -> dict[str, Any]:
    context = {
        "userId": "Practitioner/1",
        "patientId": "p1",
        "encounterId": "e1",
        "draftOrders": orders,
    }
    return hook_request(hook="order-sign", context=context)


@pytest.mark.parametrize(
    ("entries", "place"),
    [
        ([entry(subject=FOREIGN)], "entry[0].resource.subject"),
        ([entry(subject=OWN), entry(subject=FOREIGN)], "entry[1].resource.subject"),
        ([entry(resourceType="NutritionOrder", patient=FOREIGN)], "entry[0].resource.patient"),
        ([entry(resourceType="VisionPrescription", patient=FOREIGN)], "entry[0].resource.patient"),
        # of what kind it is doesn't matter
        ([entry(resourceType="Flag", subject=FOREIGN)], "entry[0].resource.subject"),
        ([entry(resourceType="Task", **{"for": FOREIGN})], "entry[0].resource.for"),
        ([entry(subject=OWN, patient=FOREIGN)], "entry[0].resource.patient"),
        ([entry(subject={"reference": f"{SERVER}/Patient/p2"})], "entry[0].resource.subject"),
        ([entry(subject={"reference": "Patient/p2/_history/1"})], "entry[0].resource.subject"),
        ([entry(subject={"identifier": {"system": "urn:s", "value": "9"}})], "entry[0]"),
        ([entry(subject={**OWN, "identifier": {"system": "urn:s", "value": "9"}})], "entry[0]"),
        ([appointment(FOREIGN)], "entry[0].resource.participant[0].actor"),
        ([appointment(OWN, FOREIGN)], "entry[0].resource.participant[1].actor"),
        (
            [appointment({"identifier": {"system": "urn:s", "value": "9"}, "type": "Patient"})],
            "entry[0].resource.participant[0].actor",
        ),
        ([entry(resourceType="SupplyRequest", deliverTo=FOREIGN)], "entry[0].resource.deliverTo"),
        ([{"resource": {"resourceType": "Patient", "id": "p2"}}], "entry[0].resource.id"),
        ([entry(resourceType="medicationrequest", subject=FOREIGN)], "entry[0].resource.subject"),
        # not read, but whose they are is
        ([entry(subject=FOREIGN, implicitRules="urn:x")], "entry[0].resource.subject"),
    ],
)
def test_an_order_of_somebody_else_is_refused_by_its_place(
    service: Any, ehr: httpx.Client, entries: list[Any], place: str
) -> None:
    """FHIR-10."""
    from records.models import Refusal

    request = signing(*entries)
    request["prefetch"]["patient"] = {
        **PATIENT,
        "identifier": [{"system": "urn:s", "value": "1"}],
    }
    card = card_of(ehr.post(PATH, json=request))
    assert card["summary"].startswith("Risk not calculated")
    assert "is another patient than context.patientId" in card["detail"]
    refused = Refusal.objects.get()
    assert refused.reason == "foreign_subject"
    assert refused.field.startswith(f"context.draftOrders.{place}")
    assert not read_predictions()


def test_the_same_id_on_another_server_is_somebody_else(service: Any, ehr: httpx.Client) -> None:
    request = signing(entry(subject={"reference": "https://other.example.org/fhir/Patient/p1"}))
    assert "Made-up risk" in card_of(ehr.post(PATH, json=request))["summary"]
    request["fhirServer"] = SERVER
    assert "Risk not calculated" in card_of(ehr.post(PATH, json=request))["summary"]


@pytest.mark.parametrize(
    "order",
    [
        entry(subject=OWN),
        entry(subject={"reference": f"{SERVER}/Patient/p1"}),
        entry(subject={"reference": "Patient/p1/_history/3"}),
        entry(subject={"identifier": {"system": "urn:s", "value": "1"}}),
        entry(resourceType="NutritionOrder", patient=OWN),
        entry(subject=OWN, encounter={"reference": "Encounter/e1"}),
        entry(subject=OWN, encounter={"reference": f"{SERVER}/Encounter/e1/_history/2"}),
        {**entry(subject=OWN), "fullUrl": "urn:uuid:5a2a0b63-6d0f-4c3e-9f0e-1a2b3c4d5e6f"},
        entry(resourceType="Task", **{"for": OWN}),
        appointment({"reference": "Practitioner/9"}, OWN, {"reference": "urn:uuid:a"}, None),
        entry(resourceType="SupplyRequest", deliverTo=OWN),
        {"resource": {"resourceType": "Patient", "id": "p1"}},
        # resources that are nobody's
        {"resource": {"resourceType": "Medication"}},
        {"resource": {"resourceType": "Practitioner", "id": "p2"}},
    ],
)
def test_an_order_of_the_patient_leaves_the_card_as_it_is(
    service: Any, ehr: httpx.Client, order: Any
) -> None:
    request = signing(order)
    request["fhirServer"] = SERVER
    request["prefetch"]["patient"] = {
        **PATIENT,
        "identifier": [{"system": "urn:s", "value": "1"}],
    }
    detail = card_of(ehr.post(PATH, json=request))["detail"]
    assert "orders to be signed" not in detail
    (row,) = read_predictions()
    assert "draft_unread" not in [one["reason"] for one in row.findings]


@pytest.mark.parametrize(
    ("order", "words"),
    [
        (entry(), "it can't be told whom these are for"),
        (entry(subject={"reference": "Group/1"}), "it can't be told whom these are for"),
        (entry(subject={"display": "x"}), "it can't be told whom these are for"),
        (entry(resourceType="Task"), "it can't be told whom these are for"),
        (entry(resourceType="RequestGroup"), "it can't be told whom these are for"),
        (entry(resourceType="medicationrequest"), "it can't be told whom these are for"),
        (entry(resourceType="patient", id="p2"), "it can't be told whom these are for"),
        ({"resource": {"resourceType": "Patient"}}, "it can't be told whom these are for"),
        (appointment(), "it can't be told whom these are for"),
        (appointment({"reference": "Location/p2"}), "it can't be told whom these are for"),
        (
            entry(resourceType="SupplyRequest", deliverTo={"reference": "Location/1"}),
            "it can't be told whom these are for",
        ),
        (entry(subject=OWN, implicitRules="urn:x"), "these carry a rule that isn't known here"),
        (entry(subject=OWN, modifierExtension=[{"url": "urn:x"}]), "these carry a rule"),
        (
            entry(subject=OWN, encounter={"reference": "Encounter/e2"}),
            "these are of another encounter than context.encounterId",
        ),
    ],
)
def test_an_order_that_is_not_read_is_named_on_the_card_and_in_the_record(
    service: Any, ehr: httpx.Client, order: Any, words: str
) -> None:
    """FHIR-8."""
    detail = card_of(ehr.post(PATH, json=signing(*[order] * 5)))["detail"]
    assert words in detail
    (row,) = read_predictions()
    (finding,) = [one for one in row.findings if one["reason"] == "draft_unread"]
    assert words in finding["words"]
    assert finding["words"].endswith("entry[2].resource and 2 more")


@pytest.mark.parametrize(
    ("orders", "field", "reason"),
    [
        ([], "context.draftOrders", "wrong_type"),
        ("x", "context.draftOrders", "wrong_type"),
        ({}, "context.draftOrders.resourceType", "missing_field"),
        ({"resourceType": "Parameters"}, "context.draftOrders", "wrong_type"),
        ({"resourceType": "Bundle", "entry": {}}, "context.draftOrders.entry", "wrong_type"),
        (
            {"resourceType": "Bundle", "implicitRules": "urn:x"},
            "context.draftOrders.implicitRules",
            "unknown_modifier",
        ),
        (nested("Bundle"), "context.draftOrders.entry[1].resource", "nested_bundle"),
        (nested("bundle"), "context.draftOrders.entry[1].resource", "nested_bundle"),
        (signing(1)["context"]["draftOrders"], "context.draftOrders.entry[0]", "wrong_type"),
        (
            signing(entry(subject=OWN), None)["context"]["draftOrders"],
            "context.draftOrders.entry[1]",
            "wrong_type",
        ),
        (signing("x")["context"]["draftOrders"], "context.draftOrders.entry[0]", "wrong_type"),
        (
            signing({})["context"]["draftOrders"],
            "context.draftOrders.entry[0].resource",
            "missing_field",
        ),
        (
            signing({"resource": {"subject": OWN}})["context"]["draftOrders"],
            "context.draftOrders.entry[0].resource.resourceType",
            "missing_field",
        ),
        (
            signing(entry(subject="Patient/p1"))["context"]["draftOrders"],
            "context.draftOrders.entry[0].resource.subject",
            "wrong_type",
        ),
        (
            signing({**entry(subject=OWN), "modifierExtension": [{"url": "urn:x"}]})["context"][
                "draftOrders"
            ],
            "context.draftOrders.entry[0].modifierExtension",
            "unknown_modifier",
        ),
    ],
)
def test_what_is_no_bundle_of_orders_is_refused_by_name(
    ehr: httpx.Client, orders: Any, field: str, reason: str
) -> None:
    """CDS-4."""
    response = ehr.post(PATH, json=about(orders))
    assert response.status_code == 400
    (issue,) = response.json()["issue"]
    assert issue["diagnostics"] == f"{field}: {reason}"
    assert "is missing" not in issue["details"]["text"] or reason == "missing_field"


def test_orders_are_read_at_the_hook_that_is_about_them_alone(ehr: httpx.Client) -> None:
    """CDS-4: members that aren't known are ignored."""
    request = signing(entry(subject=FOREIGN))
    request["hook"] = "patient-view"
    assert "Made-up risk" in card_of(ehr.post(PATH, json=request))["summary"]
