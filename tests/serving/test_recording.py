"""No prediction is answered before its record is on disk."""

import asyncio
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

import httpx
import numpy as np
import psycopg
import pytest

from models.readings import Reading
from records import clients, suspensions
from records.clients import SCOPES, create_client
from records.standstill import STANDSTILL_SECONDS
from serving.recording import input_digest
from tests.factories import BUNDLE, NAME, NOW, VALUES
from tests.serving.conftest import read_predictions
from tests.serving.hooks import PATH as CARDS
from tests.serving.hooks import hook_request

PREDICT = f"/v1/models/{NAME}/predict"


def test_the_record_holds_what_was_answered(serve, records_db, model):
    service = serve(records_db)
    body = {
        "values": VALUES,
        "patient": {"system": "urn:oid:1.2.3.4", "value": "12345"},
        "site": "north",
    }
    client = service.client(*SCOPES)
    answer = service.predict(client, body).json()
    (row,) = read_predictions()
    assert str(row.id) == answer["prediction_id"]
    assert (row.risk, row.base, row.band) == (answer["risk"], answer["base"], "high")
    assert row.predicted_at == row.recorded_at == NOW
    assert (row.model, row.version, row.protocol, row.site) == (NAME, "1", "json", "north")
    assert row.artefact_digest == model.artefact_digest
    assert row.features == {
        "age": 71,
        "sex": "female",
        "ward": "surgery",
        "lactate": 3.1,
        "creatinine": 1.4,
    }
    names = [feature.name for feature in model.definition.features]
    amounts = {one["feature"]: one["contribution"] for one in answer["contributions"]}
    assert np.frombuffer(row.contributions).tolist() == [amounts[name] for name in names]
    assert len(np.frombuffer(row.vector)) == len(model.definition.columns)
    assert len(row.patient) == 64


def test_no_answer_comes_while_the_record_cannot_be_committed(service, ehr, recorded):
    ehr.get("/v1/models")  # the client is known from here on
    with (
        sqlite3.connect(service.settings.root / "records.db", isolation_level=None) as other,
        ThreadPoolExecutor(1) as pool,
    ):
        other.execute("BEGIN IMMEDIATE")
        answering = pool.submit(service.predict, ehr, {"values": VALUES})
        with pytest.raises(TimeoutError):
            answering.result(0.5)
        assert recorded() == []
        other.execute("ROLLBACK")
        answer = answering.result(20).json()
    assert [str(row.id) for row in recorded()] == [answer["prediction_id"]]


def test_what_a_database_says_when_it_goes_is_told_to_no_caller(serve, postgresql_db, caplog):
    """API-8: the log has it."""
    service = serve(postgresql_db)
    client = service.client(*SCOPES)
    client.get("/v1/models")  # the client is known from here on
    with (
        psycopg.connect(postgresql_db.database, autocommit=True) as other,
        ThreadPoolExecutor(3) as pool,
    ):
        other.execute("BEGIN")
        other.execute("LOCK TABLE records_chainblock")
        bundle = {"params": {"model": NAME}, "json": BUNDLE}
        calls = [
            pool.submit(service.predict, client, {"values": VALUES}),
            pool.submit(client.post, "/fhir/RiskAssessment/$predict", **bundle),
            pool.submit(client.post, CARDS, json=hook_request()),
        ]
        time.sleep(1)
        other.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        answers = [one.result(20) for one in calls]
        other.execute("ROLLBACK")
    assert [one.status_code for one in answers] == [503, 503, 200]
    for one in answers:
        assert "nothing can be recorded now" in one.text
        assert "terminating" not in one.text
        assert "connection" not in one.text
    assert "terminating connection due to administrator command" in caplog.text


def test_the_place_of_a_database_that_was_moved_is_told_to_no_caller(service, ehr, caplog):
    """API-8."""
    ehr.get("/v1/models")
    path = service.settings.root / "records.db"
    path.rename(path.with_name("moved.db"))
    answer = service.predict(ehr, {"values": VALUES})
    assert answer.status_code == 503
    assert answer.json()["detail"] == "nothing can be recorded now, so nothing is answered"
    assert str(path) in caplog.text


def test_while_the_database_does_not_tell_what_only_reads_says_so(service, ehr, monkeypatch):
    made = service.predict(ehr, {"values": VALUES}).json()["prediction_id"]
    for cached in (clients, suspensions):
        monkeypatch.setattr(cached, "REFRESH_SECONDS", 0.0)
    with sqlite3.connect(service.settings.root / "records.db", isolation_level=None) as other:
        other.execute("ALTER TABLE records_client RENAME TO elsewhere")
        read = [
            ehr.get("/v1/models"),
            ehr.get(f"/v1/predictions/{made}"),
            ehr.get("/metrics"),
            ehr.get(f"/fhir/RiskAssessment/{made}"),
            ehr.post("/fhir/RiskAssessment/_search", data={"_count": "1"}),
        ]
        refused = service.predict(ehr, {"values": VALUES})
        other.execute("ALTER TABLE elsewhere RENAME TO records_client")
    for answer in read:
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "1"), answer.text
        assert "the records can't be read now" in answer.text
        assert "can't be recorded" not in answer.text
    assert read[0].json()["type"].endswith("/not-readable")
    assert refused.status_code == 503
    assert refused.json()["type"].endswith("/not-recording")
    assert ehr.get("/v1/models").status_code == 200


def test_a_record_that_takes_too_long_is_no_answer(serve, sqlite_db):
    service = serve(sqlite_db.model_copy(update={"request_timeout_s": 0.2}))
    client = service.client("predict")
    client.get("/v1/models")
    with sqlite3.connect(service.settings.root / "records.db", isolation_level=None) as other:
        other.execute("BEGIN IMMEDIATE")
        response = service.predict(client, {"values": VALUES})
        other.execute("ROLLBACK")
    assert response.status_code == 504
    assert "This does not mean low risk" in response.json()["notice"]


def test_when_too_much_waits_the_caller_may_come_again(serve, sqlite_db):
    service = serve(sqlite_db.model_copy(update={"write_queue": 1, "request_timeout_s": 20}))
    client = service.client("predict")
    client.get("/v1/models")
    with (
        sqlite3.connect(service.settings.root / "records.db", isolation_level=None) as other,
        ThreadPoolExecutor(6) as pool,
    ):
        other.execute("BEGIN IMMEDIATE")
        waiting = [pool.submit(service.predict, client, {"values": VALUES}) for _ in range(6)]
        refused = next(one for one in _as_done(waiting) if one.status_code == 503)
        other.execute("ROLLBACK")
    assert refused.headers["retry-after"] == "1"
    assert refused.json()["type"].endswith("busy")
    assert {one.result().status_code for one in waiting} == {200, 503}


def _as_done(waiting):
    return (one.result() for one in as_completed(waiting, timeout=15))


def test_a_service_that_records_nothing_for_seconds_is_not_ready_until_it_does_again(
    serve, sqlite_db
):
    service = serve(sqlite_db.model_copy(update={"request_timeout_s": 0.2}))
    client = service.client("predict")
    client.get("/v1/models")

    def status_by(wanted: int, seconds: float) -> int:
        end = time.monotonic() + seconds
        while (status := client.get("/readyz").status_code) != wanted and time.monotonic() < end:
            time.sleep(0.05)
        return status

    with sqlite3.connect(service.settings.root / "records.db", isolation_level=None) as other:
        other.execute("BEGIN EXCLUSIVE")
        assert status_by(503, 0.1) == 200
        assert service.predict(client, {"values": VALUES}).status_code == 504
        assert status_by(503, STANDSTILL_SECONDS + 1) == 503
        assert client.get("/livez").status_code == 200
        other.execute("ROLLBACK")
    assert status_by(200, 2) == 200
    assert service.predict(client, {"values": VALUES}).status_code == 200


def test_without_a_writer_nothing_is_answered_and_nothing_is_ready(service, ehr):
    assert ehr.get("/readyz").status_code == 200
    service.writer.close()
    response = service.predict(ehr, {"values": VALUES})
    assert response.status_code == 503
    assert "This does not mean low risk" in response.json()["notice"]
    assert ehr.get("/readyz").status_code == 503
    assert ehr.get("/livez").status_code == 200


@pytest.mark.parametrize(
    ("body", "field", "reason"),
    [
        ({"values": {**VALUES, "age": 17}}, "age", None),
        ({"values": {**VALUES, "creatinine": 88}}, "creatinine", "implausible"),
        ({"values": {"sex": "male"}}, "age", "too_little_data"),
        ({"values": {**VALUES, "agee": 1}}, "values.agee", "unknown_field"),
        ({"values": VALUES, "patient": {"system": "a", "value": ""}}, "patient.value", None),
    ],
)
def test_a_refusal_is_recorded_with_field_and_reason(service, ehr, body, field, reason):
    from records.models import Prediction, Refusal

    assert service.predict(ehr, body).status_code == 422
    refusal = Refusal.objects.get()
    assert refusal.field == field
    assert reason is None or refusal.reason == reason
    assert (refusal.model, refusal.version, refusal.protocol) == (NAME, "1", "json")
    assert Prediction.objects.count() == 0


def test_a_body_that_breaks_off_is_neither_scored_nor_recorded(service, ehr):
    from records.models import Prediction, Refusal

    head = f"POST {PREDICT} HTTP/1.1\r\nHost: x\r\nAuthorization: {ehr.headers['authorization']}"
    host, port = ehr.base_url.host, ehr.base_url.port
    with socket.create_connection((host, port)) as broken:
        broken.sendall(f"{head}\r\nContent-Type: application/json\r\n".encode())
        broken.sendall(b'Content-Length: 900\r\n\r\n{"values": {}}')
    seen = (ehr.get("/metrics").text for _ in range(500))
    assert any('problem="incomplete"' in text for text in seen)
    assert (Prediction.objects.count(), Refusal.objects.count()) == (0, 0)


def test_many_requests_at_once_are_each_recorded_once(service, ehr, recorded):
    def one(age: int) -> tuple[str, float]:
        answer = service.predict(ehr, {"values": {**VALUES, "age": age}}).json()
        return answer["prediction_id"], answer["risk"]

    with ThreadPoolExecutor(8) as pool:
        answered = dict(pool.map(one, range(20, 90)))
    assert answered == {str(row.id): row.risk for row in recorded()}


def test_equal_readings_have_equal_digests_and_others_do_not():
    readings = {"age": (Reading(71.0),), "lactate": (Reading(3.1, "mmol/L", NOW),)}
    digest = input_digest(readings)
    assert digest == input_digest(dict(reversed(readings.items())))
    assert digest != input_digest({**readings, "lactate": (Reading(3.1, "mg/dL", NOW),)})


def test_killing_the_server_loses_no_answered_prediction(sqlite_db, model_directory):
    key, _ = create_client("load", ("predict",), now=NOW)
    listening = socket.create_server(("127.0.0.1", 0))
    address = f"http://127.0.0.1:{listening.getsockname()[1]}"
    process = subprocess.Popen(
        [sys.executable, Path(__file__).with_name("server_process.py"), model_directory],
        env=os.environ
        | {"AUSCULT_HOME": str(sqlite_db.home), "LISTENING": str(listening.fileno())},
        pass_fds=[listening.fileno()],
    )
    listening.close()
    answered = asyncio.run(_load_until_killed(address, key, process))
    process.wait(10)
    with sqlite3.connect(sqlite_db.root / "records.db") as database:
        rows = database.execute("SELECT id, risk FROM records_prediction").fetchall()
    recorded = dict(rows)
    assert len(answered) >= 200
    assert {id_: recorded.get(id_) for id_ in answered} == answered


async def _load_until_killed(address, key, process) -> dict[str, float]:
    """Send 500 requests, 16 at a time, and kill the server once 200 were answered."""
    answered: dict[str, float] = {}
    gate = asyncio.Semaphore(16)
    transport = httpx.AsyncHTTPTransport(retries=0)
    headers = {"Authorization": f"Bearer {key}"}

    async def one(client: httpx.AsyncClient, index: int) -> None:
        async with gate:
            try:
                body = {"values": {**VALUES, "age": 20 + index % 70}}
                response = await client.post(PREDICT, json=body)
            except httpx.TransportError:
                return
            if response.status_code == 200:
                answer = response.json()
                answered[answer["prediction_id"].replace("-", "")] = answer["risk"]
            if len(answered) >= 200:
                os.kill(process.pid, signal.SIGKILL)

    async with httpx.AsyncClient(
        base_url=address, headers=headers, timeout=30, transport=transport
    ) as client:
        await asyncio.gather(*(one(client, index) for index in range(500)))
    return answered
