"""A suspended model, over real HTTP: two services on one database stand for two workers."""

import time

from records.clients import SCOPES
from tests.factories import BUNDLE, DEFINITION, NAME, NOW, VALUES, make_artefact
from tests.serving.hooks import PATH, card_of, hook_request

WITHIN_SECONDS = 2.0


def until(status: int, service, client) -> None:
    deadline = time.monotonic() + WITHIN_SECONDS
    while time.monotonic() < deadline:
        if service.predict(client, {"values": VALUES}).status_code == status:
            return
        time.sleep(0.1)
    raise AssertionError(f"no {status} within {WITHIN_SECONDS} s")


def test_the_lists_of_models_and_services_say_what_is_suspended(serve, sqlite_db):
    from records.suspensions import restore, suspend

    service = serve(sqlite_db)
    client = service.client(*SCOPES)

    def told() -> tuple[dict, dict, list[str]]:
        (listed,) = client.get("/v1/models").json()["models"]
        services = client.get("/cds-services").json()["services"]
        about = client.get(f"/v1/models/{NAME}").json()
        return listed, about, [one["description"] for one in services]

    listed, about, descriptions = told()
    assert "suspended" not in listed
    assert "suspended" not in about
    suspend(NAME, by="grace", because="The feed is down.", now=NOW)
    until(503, service, client)
    listed, about, suspended = told()
    assert listed["suspended"] == about["suspended"] == "The feed is down."
    wanted = "Suspended when this was asked, because: The feed is down. "
    assert suspended == [f"{wanted}{one}" for one in descriptions]
    restore(NAME, by="ada", because="mended", now=NOW)
    until(200, service, client)
    assert told()[2] == descriptions


def test_a_reason_that_could_be_taken_for_html_stands_in_the_summary_without_being_any(
    serve, sqlite_db, artefacts
):
    """CDS-12: nor one of several lines, which older versions took."""
    from records.models import Suspension

    text = DEFINITION.replace("look at the patient as you would without a model", "look")
    service = serve(sqlite_db, make_artefact(artefacts / NAME, definition_text=text))
    client = service.client(*SCOPES)
    one = Suspension.objects.create(model=NAME, since=NOW, by="grace", because="No\nlactate")
    until(503, service, client)
    summary = card_of(client.post(PATH, json=hook_request()))["summary"]
    assert summary.startswith(f"Risk not calculated: {NAME} is suspended: No lactate.")
    one.because = "<img src=x>\n& more"
    one.save()
    time.sleep(1.2)
    card = card_of(client.post(PATH, json=hook_request()))
    assert not {"<", ">", "&", "\n"} & set(card["summary"])
    wanted = f"Risk not calculated: {NAME} is suspended: ‹img src=x› + more. This does not mean"
    assert card["summary"] == f"{wanted} low risk. Do: look"
    assert r"\<img src=x\> \& more" in card["detail"]


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


def test_each_request_of_a_batch_for_a_suspended_model_is_recorded_and_counted(serve, sqlite_db):
    from records.models import Refusal
    from records.suspensions import suspend

    service = serve(sqlite_db)
    client = service.client(*SCOPES)
    suspend(NAME, by="grace", because="The feed is down.", now=NOW)
    batch = {"requests": [{"values": VALUES}] * 3}
    answer = client.post(f"/v1/models/{NAME}/predict-batch", json=batch)
    assert answer.status_code == 503
    assert answer.json()["type"].endswith("suspended")
    recorded = Refusal.objects.all()
    found = [(one.model, one.field, one.reason, one.protocol) for one in recorded]
    assert found == [(NAME, "model", "suspended", "json")] * 3
    labels = f'model="{NAME}",protocol="json",reason="suspended",version="1"'
    assert f"auscult_refusals_total{{{labels}}} 3.0" in client.get("/metrics").text
