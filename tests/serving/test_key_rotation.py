"""A client that changes its key over keeps what it made, over real HTTP."""

import httpx

from records.clients import SCOPES
from tests.factories import NAME, NOW
from tests.serving.conftest import Service
from tests.serving.hooks import PATH as HOOK
from tests.serving.hooks import hook_request
from tests.serving.test_cds_hooks import card_of, send_feedback
from tests.serving.test_fhir_records import BASE, predict, search

WARD = "ward EHR"


def answers(client: httpx.Client, made: str) -> list[int]:
    """Ask of a prediction in every way there is, and return the statuses."""
    outcome = {"prediction_id": made, "happened": False, "known_at": NOW.isoformat()}
    feedback = {"prediction_id": made, "outcome": "accepted"}
    found = [
        client.get(f"/v1/predictions/{made}"),
        client.get(f"{BASE}/{made}"),
        client.post("/v1/outcomes", json=outcome),
        client.post("/v1/feedback", json=feedback),
    ]
    return [one.status_code for one in found]


def test_a_new_key_sees_what_the_old_one_made_and_nobody_elses_does(service: Service) -> None:
    """API-1."""
    from records.clients import revoke_client
    from records.models import Client, Prediction

    old = service.client(*SCOPES, name=WARD)
    made = predict(old)["id"]
    card = card_of(old.post(HOOK, json=hook_request()))["uuid"]
    revoke_client(Client.objects.get(name=WARD).key_id, now=service.now)
    new = service.client(*SCOPES, name=WARD)
    assert answers(new, made) == [200, 200, 201, 201]
    assert send_feedback(new, card).status_code == 200
    patient = {"system": "urn:oid:1.2.3.4", "value": "12345"}
    outcome = {"model": NAME, "patient": patient, "happened": False, "known_at": NOW.isoformat()}
    assert new.post("/v1/outcomes", json=outcome).json()["own_predictions"] == 2
    assert search(new)["total"] == Prediction.objects.count() == 2
    for other in (service.client(*SCOPES), service.client(*SCOPES, name=WARD, is_test=True)):
        assert answers(other, made) == [404] * 4
        assert send_feedback(other, card).status_code == 404
        assert search(other)["total"] == 0
