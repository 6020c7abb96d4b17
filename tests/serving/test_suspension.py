"""A suspended model, over real HTTP: two services on one database stand for two workers."""

import time

from records.clients import SCOPES
from tests.factories import BUNDLE, NAME, NOW, VALUES

WITHIN_SECONDS = 2.0


def until(status: int, service, client) -> None:
    deadline = time.monotonic() + WITHIN_SECONDS
    while time.monotonic() < deadline:
        if service.predict(client, {"values": VALUES}).status_code == status:
            return
        time.sleep(0.1)
    raise AssertionError(f"no {status} within {WITHIN_SECONDS} s")


def test_every_worker_refuses_with_the_reason_and_answers_again_when_restored(serve, sqlite_db):
    from records.models import Refusal
    from records.suspensions import restore, suspend

    workers = [serve(sqlite_db), serve(sqlite_db)]
    clients = [one.client(*SCOPES) for one in workers]
    for worker, client in zip(workers, clients, strict=True):
        until(200, worker, client)
    suspend(NAME, by="grace", because="creatinine arrives in another unit", now=NOW)
    for worker, client in zip(workers, clients, strict=True):
        until(503, worker, client)
        problem = worker.predict(client, {"values": VALUES}).json()
        assert problem["type"].endswith("suspended")
        assert "creatinine arrives in another unit" in problem["detail"]
        assert problem["notice"].startswith("No risk was calculated")
        outcome = client.post("/fhir/RiskAssessment/$predict", params={"model": NAME}, json=BUNDLE)
        assert outcome.status_code == 503
        assert outcome.json()["issue"][0]["code"] == "transient"
    assert {one.reason for one in Refusal.objects.all()} == {"suspended"}
    restore(NAME, by="ada", because="the feed is mended", now=NOW)
    for worker, client in zip(workers, clients, strict=True):
        until(200, worker, client)
