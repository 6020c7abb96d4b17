"""No patient's identifier in a log line, a metric's label, a record or an error's text."""

import copy
import json
import logging

import pytest

from tests.factories import BUNDLE, NAME, VALUES

CANARY = "CANARY-4711"
PATIENT = {"system": "urn:oid:1.2.3.4", "value": CANARY}
JSON = {"Content-Type": "application/json"}


def fhir_with(**fields):
    bundle = copy.deepcopy(BUNDLE)
    patient = bundle["entry"][0]["resource"]
    patient["identifier"][0]["value"] = CANARY
    patient |= {"name": [{"family": CANARY}], **fields}
    return bundle


JSON_BODIES = [
    {"values": VALUES, "patient": PATIENT},
    {"values": {**VALUES, "age": 17}, "patient": PATIENT},
    {"values": {**VALUES, "creatinine": 88}, "patient": PATIENT},
    {"values": {"age": 71}, "patient": PATIENT, "predicted_at": "2031-01-01T00:00:00Z"},
    {"values": VALUES, "patient": {"system": CANARY}},
    {"values": VALUES, "patient": CANARY},
    {"values": VALUES, "patient": {"system": "a", "value": CANARY + "\0"}},
    {"values": {CANARY: 1}},
    {"values": {"age": CANARY}},
    {"values": {"lactate": {"value": CANARY}}},
    {CANARY: 1},
    {"values": VALUES, "site": CANARY + "!"},
]
FHIR_BODIES = [
    fhir_with(),
    fhir_with(gender="unknown"),
    fhir_with(deceasedBoolean=True),
    fhir_with(birthDate="2030-01-01"),
    fhir_with(gender={"text": CANARY}),
    fhir_with(id=CANARY),
]


@pytest.fixture
def everything(service, ehr, caplog):
    """What the service left behind, beside the answers to those who asked."""

    def read() -> str:
        from records.models import Outcome, Prediction, Refusal

        rows = [list(table.objects.values()) for table in (Prediction, Refusal, Outcome)]
        metrics = ehr.get("/metrics").text
        return service.log.getvalue().decode() + caplog.text + metrics + repr(rows)

    caplog.set_level(logging.DEBUG)
    logging.getLogger("httpx").setLevel(logging.WARNING)
    logging.getLogger("httpcore").setLevel(logging.WARNING)
    return read


@pytest.fixture
def chatty(serve, sqlite_db):
    """The made-up model served with the most talkative log."""
    return serve(sqlite_db.model_copy(update={"log_level": "debug"}))


@pytest.mark.parametrize("body", JSON_BODIES, ids=range(len(JSON_BODIES)))
def test_a_json_request_leaves_no_identifier_behind(service, ehr, everything, body):
    response = service.predict(ehr, body)
    assert CANARY not in response.text
    assert CANARY not in everything()


@pytest.mark.parametrize("body", FHIR_BODIES, ids=range(len(FHIR_BODIES)))
def test_a_bundle_leaves_no_identifier_behind(service, ehr, everything, body):
    response = ehr.post("/fhir/RiskAssessment/$predict", params={"model": NAME}, json=body)
    if response.status_code != 200:
        assert CANARY not in response.text
    assert CANARY not in everything()


def test_neither_headers_nor_paths_nor_queries_are_kept(service, ehr, everything):
    headers = {"X-Request-Id": CANARY, "User-Agent": CANARY, "Referer": CANARY, "Cookie": CANARY}
    for path in ("/v1/models", f"/v1/models/{CANARY}", f"/v1/predictions/{CANARY}", f"/{CANARY}"):
        response = ehr.get(path, params={"patient": CANARY}, headers=headers)
        assert CANARY not in response.text
    ehr.post("/fhir/RiskAssessment/$predict", params={"model": CANARY}, json=BUNDLE)
    assert CANARY not in everything()


def test_an_outcome_leaves_no_identifier_behind(ehr, everything):
    report = {"happened": True, "known_at": "2026-03-02T10:00:00Z", "model": NAME}
    for patient in (PATIENT, {"system": CANARY}, CANARY):
        response = ehr.post("/v1/outcomes", json={**report, "patient": patient})
        assert CANARY not in response.text
    assert CANARY not in everything()


def test_the_log_is_json_lines_of_known_fields(chatty):
    from serving.log import FIELDS

    client = chatty.client("predict")
    chatty.predict(client, {"values": VALUES})
    chatty.predict(client, {"values": {**VALUES, "age": 17}})
    chatty.caller({}).get("/v1/models")
    lines = [json.loads(line) for line in chatty.log.getvalue().splitlines()]
    at_start = {"serving", "cards have no links"}
    assert {line["event"] for line in lines} == {*at_start, "answered", "refused"}
    assert all(set(line) <= FIELDS for line in lines)
    said = {line["reason"] for line in lines if "reason" in line and line["event"] not in at_start}
    assert said == {"out_of_scope"}


def test_the_key_is_logged_by_its_public_part_only(service, ehr, everything):
    key = ehr.headers["authorization"].partition(" ")[2]
    service.predict(ehr, {"values": {}})
    _, key_id, secret = key.split("_", 2)
    assert key_id in service.log.getvalue().decode()
    assert secret not in everything()
