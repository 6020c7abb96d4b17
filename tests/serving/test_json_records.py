"""Batches, replays, feedback, limits and examples, over real HTTP."""

import asyncio
import copy
import shutil
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest

from models.errors import ArtefactError
from monitoring.corrections import list_affected
from records.clients import SCOPES
from records.settings import Settings
from serving.earlier import EarlierVersions, maker_of
from serving.loading import EARLIER, ServedVersion
from tests.factories import BUNDLE, DEFINITION, NAME, NOW, VALUES, make_artefact
from tests.serving.conftest import read_predictions
from tests.serving.hooks import PATH as HOOK
from tests.serving.hooks import FhirServer, hook_request, running
from tests.serving.test_fhir_records import BASE, corrected, parameters, predict


@pytest.fixture
def fhir_server() -> Iterator[FhirServer]:
    """A FHIR server that takes a while."""
    with running(FhirServer(delay_s=0.2)) as server:
        yield server


BATCH = f"/v1/models/{NAME}/predict-batch"


def test_a_batch_is_answered_as_its_requests_would_be_alone_and_recorded(service, ehr):
    """API-6."""
    from records.models import Refusal

    child = {"values": {**VALUES, "age": 5}}
    requests = [{"values": VALUES}, child, {"values": {**VALUES, "lactat": 1}}, {"values": VALUES}]
    alone = service.predict(ehr, {"values": VALUES}).json()
    answers = ehr.post(BATCH, json={"requests": requests}).json()["answers"]
    assert [one["index"] for one in answers] == [0, 1, 2, 3]
    assert answers[0]["prediction"]["risk"] == alone["risk"]
    assert answers[3]["prediction"]["contributions"] == alone["contributions"]
    assert answers[1]["refused"]["problem"] == "out-of-scope"
    assert answers[2]["refused"]["reason"] == "unknown_field"
    assert "does not mean low risk" in answers[2]["refused"]["notice"]
    assert len(read_predictions()) == 3
    assert Refusal.objects.count() == 2


def test_a_batch_of_a_thousand_is_taken_and_one_more_is_not(service, ehr):
    """API-4."""
    one = {"values": {"age": 71, "sex": "male"}}
    answers = ehr.post(BATCH, json={"requests": [one] * 1000}).json()["answers"]
    assert len({item["prediction"]["prediction_id"] for item in answers}) == 1000
    assert len(read_predictions()) == 1000
    for count, status in ((0, 422), (1001, 413)):
        response = ehr.post(BATCH, json={"requests": [one] * count})
        assert response.status_code == status
    assert "notice" in response.json()


def test_a_replay_says_whether_the_same_version_gives_the_same_bits(serve, sqlite_db, artefacts):
    service = serve(sqlite_db)
    client = service.client(*SCOPES)
    answer = service.predict(client, {"values": VALUES}).json()
    path = f"/v1/predictions/{answer['prediction_id']}/replay"
    replayed = client.post(path).json()
    assert replayed["identical"] is True
    assert replayed["differs"] == []
    assert replayed["risk"] == replayed["recomputed_risk"] == answer["risk"]
    assert service.client(*SCOPES).post(path).status_code == 404
    assert client.post(f"/v1/predictions/{uuid4()}/replay").status_code == 404


def test_a_replay_asks_nothing_in_its_body(service):
    """API-3: what stood there would go unheeded."""
    client = service.client(*SCOPES)
    made = service.predict(client, {"values": VALUES}).json()["prediction_id"]
    path = f"/v1/predictions/{made}/replay"
    problem = client.post(path, json={"x": 1}).json()
    assert (problem["status"], problem["field"], problem["reason"]) == (422, "x", "unknown_field")
    assert client.post(path, json=[]).status_code == 422
    assert client.post(path, content=b"{").status_code == 400
    assert client.post(path, json={}).json()["identical"] is True


def test_a_version_that_is_served_no_more_replays_what_it_predicted_as_long_as_it_is_packaged(
    serve, sqlite_db, artefacts, model_directory, model
):
    first = serve(sqlite_db)
    client = first.client(*SCOPES)
    answer = first.predict(client, {"values": VALUES}).json()
    path = f"/v1/predictions/{answer['prediction_id']}"
    key = {"Authorization": client.headers["authorization"]}
    later = make_artefact(artefacts / NAME, trees=9, version="2")
    listed = ServedVersion(NAME, "1", model.artefact_digest)
    shutil.copytree(model_directory, artefacts / EARLIER / listed.artefact_digest)

    packaged = serve(sqlite_db, later, earlier=EarlierVersions(artefacts, [listed])).caller(key)
    replayed = packaged.post(f"{path}/replay").json()
    assert (replayed["version"], replayed["identical"]) == ("1", True)
    assert replayed["recomputed_risk"] == answer["risk"]

    without = serve(sqlite_db, later).caller(key)
    refused = without.post(f"{path}/replay")
    assert refused.status_code == 409
    assert f"{NAME} version 1 made this prediction" in refused.json()["detail"]


def test_only_to_load_an_earlier_version_takes_a_thread(
    artefacts, model_directory, model, monkeypatch
):
    """A search may ask for hundreds of predictions of one version, or of one that isn't there."""
    listed = ServedVersion(NAME, "1", model.artefact_digest)
    shutil.copytree(model_directory, artefacts / EARLIER / listed.artefact_digest)
    premises = SimpleNamespace(models={}, earlier=EarlierVersions(artefacts, [listed]))
    made = SimpleNamespace(model=NAME, artefact_digest=listed.artefact_digest)
    gone = SimpleNamespace(model=NAME, artefact_digest="0" * 64)
    in_threads = []

    async def run_sync(find, *asked):
        in_threads.append(asked)
        return find(*asked)

    monkeypatch.setattr("serving.earlier.to_thread.run_sync", run_sync)
    for _ in range(3):
        assert asyncio.run(maker_of(gone, premises)) is None
        assert asyncio.run(maker_of(made, premises)).artefact_digest == listed.artefact_digest
    assert in_threads == [(NAME, listed.artefact_digest)]


def test_an_earlier_version_whose_files_were_changed_replays_nothing(
    artefacts, model_directory, model
):
    listed = ServedVersion(NAME, "1", model.artefact_digest)
    place = artefacts / EARLIER / listed.artefact_digest
    shutil.copytree(model_directory, place)
    (place / "card.md").write_text("another card")
    with pytest.raises(ArtefactError):
        EarlierVersions(artefacts, [listed]).find(NAME, listed.artefact_digest)


def test_a_past_risk_of_a_definition_that_is_not_here_is_not_to_be_relied_on(
    serve, sqlite_db, artefacts
):
    first = serve(sqlite_db)
    client = first.client(*SCOPES)
    path = f"/v1/predictions/{first.predict(client, {'values': VALUES}).json()['prediction_id']}"
    assert client.get(path).json()["notice"] == "not for clinical use"
    text = DEFINITION.replace("Made-up", "Another made-up")
    other = make_artefact(artefacts / NAME, definition_text=text, status="approved")
    key = {"Authorization": client.headers["authorization"]}
    found = serve(sqlite_db, other).caller(key).get(path).json()
    assert found["notice"].startswith("not to be relied on")
    assert "contributions" not in found


def test_a_replay_of_a_record_that_was_changed_says_what_differs(service, ehr):
    from records.models import Prediction

    answer = service.predict(ehr, {"values": VALUES}).json()
    Prediction.objects.update(risk=0.01, features={**read_predictions()[0].features, "age": 40})
    replayed = ehr.post(f"/v1/predictions/{answer['prediction_id']}/replay").json()
    assert replayed["identical"] is False
    assert {"vector", "risk"} <= set(replayed["differs"])


def test_feedback_on_a_prediction_is_kept(service, ehr):
    from records.models import Feedback

    answer = service.predict(ehr, {"values": VALUES}).json()
    body = {"prediction_id": answer["prediction_id"], "outcome": "overridden", "reason_code": "x"}
    assert ehr.post("/v1/feedback", json=body).status_code == 201
    row = Feedback.objects.get()
    assert (str(row.prediction_id), row.outcome, row.protocol) == (
        answer["prediction_id"],
        "overridden",
        "json",
    )
    assert service.client(*SCOPES).post("/v1/feedback", json=body).status_code == 404
    assert ehr.post("/v1/feedback", json={**body, "comment": "x"}).status_code == 422


@pytest.mark.parametrize(
    ("at", "reason"),
    [("2026-03-02T10:13:59Z", "before_prediction"), ("2026-03-02T10:16:01Z", "in_the_future")],
)
def test_feedback_of_a_time_at_which_it_can_not_be_is_refused(service, ehr, at, reason):
    from records.models import Feedback

    answer = service.predict(ehr, {"values": VALUES}).json()
    body = {"prediction_id": answer["prediction_id"], "outcome": "accepted"}
    refused = ehr.post("/v1/feedback", json={**body, "happened_at": at})
    assert refused.status_code == 422
    assert (refused.json()["field"], refused.json()["reason"]) == ("happened_at", reason)
    assert Feedback.objects.count() == 0
    kept = {**body, "happened_at": "2026-03-02T10:14:30Z"}
    assert ehr.post("/v1/feedback", json=kept).status_code == 201


def test_the_answer_to_feedback_says_whether_its_reason_is_one_of_the_cards(service, ehr):
    answer = service.predict(ehr, {"values": VALUES}).json()
    body = {"prediction_id": answer["prediction_id"], "outcome": "overridden"}
    for code, told in (("treated", "offered"), ("treatd", "other"), ("", "none")):
        kept = ehr.post("/v1/feedback", json={**body, "reason_code": code})
        assert kept.json()["reason"] == told
        labels = f'model="{NAME}",outcome="overridden",protocol="json",reason="{told}"'
        assert f"auscult_feedback_total{{{labels}}} 1.0" in ehr.get("/metrics").text


def test_the_feedback_is_in_the_chain(service, ehr):
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    from records.models import Feedback
    from records.verification import verify

    answer = service.predict(ehr, {"values": VALUES}).json()
    body = {"prediction_id": answer["prediction_id"], "outcome": "accepted"}
    ehr.post("/v1/feedback", json=body)
    key = Ed25519PrivateKey.generate().public_key()
    assert verify([], key).faults == ()
    Feedback.objects.update(outcome="overridden")
    assert "feedback was changed" in verify([], key).faults[0].words


@pytest.mark.parametrize(
    ("body", "key"),
    [
        ('{"values": {"age": 71, "age": 20, "sex": "male"}}', "age"),
        ('{"values": {"age": 71, "sex": "male"}, "values": {}}', "values"),
        ('{"values": {"age": 71, "\\u0061ge": 20, "sex": "male"}}', "age"),
        ('{"values": {}, "Mr Miller": 1, "Mr Miller": 2}', "(not shown)"),
    ],
)
def test_a_key_that_stands_twice_is_refused_by_name(ehr, body, key):
    headers = {"Content-Type": "application/json"}
    for path in (f"/v1/models/{NAME}/predict", HOOK, "/fhir/RiskAssessment/$predict"):
        response = ehr.post(path, content=body, headers=headers)
        assert response.status_code == 422, path
        assert f"the key {key} stands twice" in response.text
        assert "Miller" not in response.text


def test_a_client_that_calls_too_fast_is_told_when_to_come_back(serve, sqlite_db):
    """API-4."""
    service = serve(Settings(home=sqlite_db.home, requests_per_second=2))
    client, other = service.client("read"), service.client("read")
    statuses = [client.get("/v1/models").status_code for _ in range(8)]
    assert statuses[:2] == [200] * 2
    assert 429 in statuses
    refused = client.get("/v1/models")
    assert refused.headers["retry-after"] == "1"
    assert refused.json()["type"].endswith("too-many")
    assert other.get("/v1/models").status_code == 200


def test_a_client_that_asks_too_much_at_once_is_told_to_come_back(serve, sqlite_db, fhir_server):
    """API-4: one card waits for a slow FHIR server, and meanwhile the client's next is refused."""
    host = fhir_server.address.removeprefix("http://").removesuffix("/fhir")
    limits = {"requests_at_once": 1, "outbound_private_hosts": (host,)}
    service = serve(Settings(home=sqlite_db.home, **limits))
    client, other = service.client(*SCOPES, is_test=True), service.client("read")
    token = {"access_token": "t", "token_type": "Bearer", "expires_in": 9, "scope": "x"}
    access = {"fhirServer": fhir_server.address, "fhirAuthorization": {**token, "subject": "s"}}
    request = {**hook_request(prefetch=None), **access}
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(client.post, HOOK, json=request)
        while not fhir_server.asked:
            time.sleep(0.01)
        refused = client.get("/v1/models")
        assert other.get("/v1/models").status_code == 200
        assert waiting.result().status_code == 200
    assert refused.status_code == 429
    assert refused.headers["retry-after"] == "1"
    assert client.get("/v1/models").status_code == 200


def test_explanations_have_a_daily_budget_and_risks_go_on(serve, sqlite_db):
    """ML-1."""
    service = serve(Settings(home=sqlite_db.home, explanations_per_day=3))
    client = service.client("predict", "explain", "bulk")
    for _ in range(3):
        assert service.predict(client, {"values": VALUES}).status_code == 200
    refused = service.predict(client, {"values": VALUES})
    assert refused.status_code == 429
    until_midnight = int(refused.headers["retry-after"])
    assert until_midnight == 13 * 3600 + 45 * 60
    assert client.post(BATCH, json={"requests": [{"values": VALUES}]}).status_code == 429
    assert service.predict(service.client("predict"), {"values": VALUES}).status_code == 200
    service.now = NOW + timedelta(days=1)
    values = {name: value for name, value in VALUES.items() if name != "lactate"}
    assert service.predict(client, {"values": values}).status_code == 200


def test_who_gets_no_risk_has_used_no_explanation_up(serve, sqlite_db):
    """ML-1."""
    service = serve(Settings(home=sqlite_db.home, explanations_per_day=3))
    client = service.client("predict", "explain", "bulk")
    child = {"values": {**VALUES, "age": 12}}
    fhir = f"/fhir/RiskAssessment/$predict?model={NAME}"
    for _ in range(4):
        assert service.predict(client, child).status_code == 422
        assert client.post(fhir, json={**BUNDLE, "entry": []}).status_code == 422
        batch = client.post(BATCH, json={"requests": [child, child, child]})
        assert all("refused" in one for one in batch.json()["answers"])
    mixed = client.post(BATCH, json={"requests": [child, {"values": VALUES}]})
    assert mixed.status_code == 200
    for status in (200, 200, 429):
        assert service.predict(client, {"values": VALUES}).status_code == status


def test_an_explanation_that_is_read_later_is_one_of_the_day_s(serve, sqlite_db):
    """ML-1: else a card, which costs none, would give one for nothing."""
    service = serve(Settings(home=sqlite_db.home, explanations_per_day=5))
    client = service.client("predict", "explain", "read", name="ward")
    first = service.predict(client, {"values": VALUES}).json()["prediction_id"]
    places = (f"/v1/predictions/{first}", f"/fhir/RiskAssessment/{first}")
    assert "contributions" in client.get(places[0]).json()
    assert client.get(places[1]).status_code == 200
    assert service.predict(client, {"values": VALUES}).status_code == 200
    search = client.get("/fhir/RiskAssessment")
    assert search.status_code == 429
    assert "1 are left today" in search.text
    assert client.get(places[0]).status_code == 200
    for place in places:
        refused = client.get(place)
        assert refused.status_code == 429
        assert "retry-after" in refused.headers
    plain = service.client("read", name="ward")
    for place in (*places, "/fhir/RiskAssessment"):
        assert plain.get(place).status_code == 200


def test_no_more_than_a_second_s_requests_come_through_at_once(serve, sqlite_db):
    """API-4."""
    service = serve(Settings(home=sqlite_db.home, requests_per_second=20))
    client = service.client("read")
    started = time.monotonic()
    answered = sum(client.get("/v1/models").status_code == 200 for _ in range(100))
    assert 20 <= answered <= 20 + 20 * (time.monotonic() - started) + 1


def test_all_keys_of_a_client_have_its_one_budget_whatever_the_protocol(serve, sqlite_db):
    """ML-1, API-4: test keys stand apart."""
    service = serve(Settings(home=sqlite_db.home, explanations_per_day=3))
    first, second = (service.client("predict", "explain", name="ward") for _ in range(2))
    fhir = f"/fhir/RiskAssessment/$predict?model={NAME}"
    assert service.predict(first, {"values": VALUES}).status_code == 200
    assert second.post(fhir, json=BUNDLE).status_code == 200
    assert service.predict(second, {"values": VALUES}).status_code == 200
    for client in (first, second):
        assert service.predict(client, {"values": VALUES}).status_code == 429
        assert client.post(fhir, json=BUNDLE).status_code == 429
    assert service.predict(service.client("predict", "explain"), {"values": VALUES}).is_success


def test_all_keys_of_a_client_have_its_one_rate(serve, sqlite_db):
    """API-4."""
    service = serve(Settings(home=sqlite_db.home, requests_per_second=2))
    first, second = (service.client("read", name="ward") for _ in range(2))
    statuses = [client.get("/v1/models").status_code for client in (first, second) * 4]
    assert 429 in statuses[2:]
    apart = service.client("read", name="another ward")
    assert apart.get("/v1/models").status_code == 200


def test_a_batch_that_no_day_s_budget_holds_is_too_large_and_says_how_many_fit(serve, sqlite_db):
    """ML-1: a worker has its share of the budget, and says so."""
    service = serve(Settings(home=sqlite_db.home, explanations_per_day=20, workers=2))
    client = service.client("predict", "explain", "bulk")

    def batch(count: int):
        return client.post(BATCH, json={"requests": [{"values": VALUES}] * count})

    refused = batch(15)
    assert refused.status_code == 413
    assert "retry-after" not in refused.headers
    words = refused.json()["detail"]
    assert "20 explanations a day, 10 of them by each of 2 workers" in words
    assert "ask for 10 at a time at most" in words
    assert batch(7).status_code == 200
    refused = batch(4)
    assert refused.status_code == 429
    assert "3 are left at this one, maybe more at others, today" in refused.json()["detail"]
    assert batch(3).status_code == 200
    assert batch(1).status_code == 429


def test_every_operation_with_a_body_has_an_example_that_is_answered(service, ehr):
    description = ehr.get("/openapi.json").json()
    answer = service.predict(ehr, {"values": VALUES}).json()
    posted = 0
    for path, methods in description["paths"].items():
        for operation in methods.values():
            if "requestBody" not in operation:
                continue
            ((media_type, content),) = operation["requestBody"]["content"].items()
            example = copy.deepcopy(content["example"])
            if "prediction_id" in example:
                example["prediction_id"] = answer["prediction_id"]
            if "feedback" in example:
                example["feedback"][0]["card"] = answer["prediction_id"]
            name = "made-up-sepsis" if "cds-services" in path else NAME
            address = path.format(name=name, id=name)
            is_form = media_type == "application/x-www-form-urlencoded"
            response = ehr.post(address, **{"data" if is_form else "json": example})
            assert response.is_success, (path, response.text)
            posted += 1
    assert posted == 10


def test_the_page_of_the_operations_needs_no_script_and_nothing_from_outside(ehr):
    page = ehr.get("/docs")
    assert page.headers["content-type"].startswith("text/html")
    for path in ehr.get("/openapi.json").json()["paths"]:
        assert path in page.text
    assert "<script" not in page.text
    assert "src=" not in page.text
    assert page.text.count("<pre>") == 10


def read_both(client: Any, prediction: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """A past prediction and its replay."""
    path = f"/v1/predictions/{prediction}"
    return client.get(path).json(), client.post(f"{path}/replay").json()


def as_fhir(client: Any, prediction: str) -> str:
    return str(client.get(f"{BASE}/{prediction}").json()["status"])


def shows_nothing(read: dict[str, Any]) -> bool:
    return not {"risk", "band", "base", "contributions", "recomputed_risk"} & read.keys()


def test_a_withdrawn_prediction_is_in_error_and_shows_no_risk(ehr):
    made = predict(ehr)["id"]
    assert [one["status"] for one in read_both(ehr, made)] == ["final", "final"]
    assert ehr.post(f"{BASE}/{made}/$withdraw").is_success
    read, replayed = read_both(ehr, made)
    assert read["status"] == replayed["status"] == as_fhir(ehr, made) == "entered-in-error"
    assert shows_nothing(read)
    assert shows_nothing(replayed)
    assert replayed["identical"] is True
    assert "replaced_by" not in read


def test_a_replaced_prediction_names_the_one_that_holds(ehr):
    made = predict(ehr)["id"]
    new = ehr.post(f"{BASE}/$predict", json=parameters(corrected(), made)).json()["id"]
    for read in read_both(ehr, made):
        assert (read["status"], read["replaced_by"]) == ("entered-in-error", new)
        assert shows_nothing(read)
    for read in read_both(ehr, new):
        assert read["status"] == as_fhir(ehr, new) == "amended"
        assert "risk" in read


def test_a_prediction_that_used_a_corrected_result_shows_no_risk_once_it_is_listed(ehr, model):
    made = predict(ehr)["id"]
    (source, *_) = read_predictions()[0].sources
    report = {"source": source, "status": "entered-in-error"}
    assert ehr.post("/v1/corrections", json={"model": NAME, "corrections": [report]}).is_success
    list_affected(model, NOW)
    read, replayed = read_both(ehr, made)
    assert read["status"] == replayed["status"] == as_fhir(ehr, made) == "entered-in-error"
    assert shows_nothing(read)
    assert shows_nothing(replayed)
