"""A caller who stops sending, or sends a byte now and then, is answered in a stated time."""

import json
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest

from records.clients import SCOPES
from tests.factories import NAME, VALUES
from tests.serving.faults.requests import good_bundle
from tests.serving.hooks import PATH, hook_request

BODY_S = 0.4
PREDICT = f"/v1/models/{NAME}/predict"
FORM = "application/x-www-form-urlencoded"
NO_SCORE = "does not mean low risk"


@pytest.fixture
def ehr(serve, sqlite_db) -> httpx.Client:
    return serve(sqlite_db.model_copy(update={"body_timeout_s": BODY_S})).client(*SCOPES)


@contextmanager
def begun(ehr: httpx.Client, path: str, kind: str = "application/json") -> Iterator[socket.socket]:
    """A request with all its headers, and nothing yet of its body of 900 bytes."""
    lines = (
        f"POST {path} HTTP/1.1",
        "Host: x",
        f"Authorization: {ehr.headers['authorization']}",
        f"Content-Type: {kind}",
        "Content-Length: 900",
    )
    with socket.create_connection((ehr.base_url.host, ehr.base_url.port), timeout=20) as caller:
        caller.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        yield caller


def answer_to(caller: socket.socket) -> tuple[int, dict[str, str], bytes]:
    """The answer's status, headers and body, once the server has closed the connection."""
    received = b""
    while part := caller.recv(65536):
        received += part
    head, _, body = received.partition(b"\r\n\r\n")
    first, *fields = head.decode().split("\r\n")
    named = (field.split(": ", 1) for field in fields)
    return int(first.split()[1]), {name.lower(): value for name, value in named}, body


@pytest.mark.parametrize(
    ("path", "kind", "operation"),
    [
        (PREDICT, "application/json", "json_api.predict_one"),
        (f"{PREDICT}-batch", "application/json", "json_records.predict_batch"),
        ("/v1/outcomes", "application/json", "json_api.report_outcome"),
        ("/v1/corrections", "application/json", "corrections.report_corrections"),
        (
            f"/fhir/RiskAssessment/$predict?model={NAME}",
            "application/fhir+json",
            "fhir_api.predict_bundle",
        ),
        ("/fhir/RiskAssessment/_search", FORM, "fhir_search.search_by_post"),
        (
            "/fhir/Observation/$report-corrected",
            "application/json",
            "fhir_corrections.report_corrected",
        ),
        (PATH, "application/json", "services.answer"),
        (f"{PATH}/feedback", "application/json", "services.report"),
    ],
)
def test_a_body_that_never_comes_is_408_and_the_end_of_the_connection(ehr, path, kind, operation):
    """API-4."""
    from records.models import Prediction, Refusal

    started = time.monotonic()
    with begun(ehr, path, kind) as caller:
        caller.sendall(b'{"values": {')
        status, headers, body = answer_to(caller)
    assert BODY_S <= time.monotonic() - started < 5
    assert (status, headers["connection"]) == (408, "close")
    answer = json.loads(body)
    if path.startswith(("/fhir", "/cds-services")):
        assert headers["content-type"] == "application/fhir+json"
        (issue,) = answer["issue"]
        assert issue["code"] == "timeout"
        words = issue["details"]["text"]
    else:
        assert headers["content-type"] == "application/problem+json"
        assert answer["type"].endswith("/body-late")
        words = answer["detail"]
    assert f"not complete {BODY_S:g} s after" in words
    assert (NO_SCORE in body.decode()) == ("predict" in path or path == PATH)
    assert (Prediction.objects.count(), Refusal.objects.count()) == (0, 0)
    counted = ehr.get("/metrics").text
    labels = f'operation="{operation}",problem="body-late"'
    assert f"auscult_problems_total{{{labels}}} 1.0" in counted


def test_a_byte_now_and_then_gains_no_time(ehr):
    started = time.monotonic()
    with begun(ehr, PREDICT) as caller:
        caller.settimeout(BODY_S / 10)
        received = b""
        while not received and time.monotonic() - started < 5:
            caller.sendall(b" ")
            try:
                received = caller.recv(4096)
            except TimeoutError:
                continue
    assert received.startswith(b"HTTP/1.1 408 ")
    assert BODY_S <= time.monotonic() - started < 5


def test_a_body_in_pieces_that_is_whole_in_time_is_answered(ehr):
    text = json.dumps({"values": VALUES}).encode()

    def pieces() -> Iterator[bytes]:
        for at in range(0, len(text), 40):
            time.sleep(BODY_S / 40)
            yield text[at : at + 40]

    headers = {"Content-Type": "application/json"}
    response = ehr.post(PREDICT, content=pieces(), headers=headers)
    assert response.status_code == 200, response.text


def test_who_waits_for_a_body_keeps_nobody_else_waiting(ehr):
    with begun(ehr, PREDICT) as caller:
        started = time.monotonic()
        for path, body in (
            (PREDICT, {"values": VALUES}),
            (f"/fhir/RiskAssessment/$predict?model={NAME}", good_bundle()),
            (PATH, hook_request()),
        ):
            assert ehr.post(path, json=body).status_code == 200
        assert time.monotonic() - started < 20
        assert answer_to(caller)[0] == 408


def test_a_body_that_never_came_no_longer_counts_as_a_request_at_a_time(serve, sqlite_db):
    limits = {"body_timeout_s": BODY_S, "requests_at_once": 1}
    ehr = serve(sqlite_db.model_copy(update=limits)).client("predict")
    with begun(ehr, PREDICT) as caller:
        time.sleep(BODY_S / 4)
        assert ehr.post(PREDICT, json={"values": VALUES}).status_code == 429
        assert answer_to(caller)[0] == 408
    assert ehr.post(PREDICT, json={"values": VALUES}).status_code == 200
