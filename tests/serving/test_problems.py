"""How errors are answered, and what is refused before a model is asked."""

import math

import httpx
import pytest

from models import errors
from serving.problems import OURS, TABLE, NotJson, answer_error, kind_of
from tests.factories import NAME, VALUES, make_artefact

PREDICT = f"/v1/models/{NAME}/predict"
FHIR = "/fhir/RiskAssessment/$predict"
NO_SCORE = "No risk was calculated. This does not mean low risk."


def every_error() -> list[type[errors.AuscultError]]:
    found = [errors.AuscultError]
    for one in found:
        found += [cls for cls in one.__subclasses__() if cls not in found]
    return found


@pytest.mark.parametrize("error", every_error(), ids=lambda error: error.__name__)
def test_every_error_has_an_error_status_and_a_fhir_code(error):
    kind = kind_of(error.__new__(error))
    assert 400 <= kind.status < 600
    assert kind.issue in (
        "structure value required business-rule invalid login forbidden not-found "
        "not-supported too-long throttled conflict transient timeout exception"
    )


def test_an_error_that_is_not_ours_tells_nothing_of_itself():
    answer = answer_error(ValueError("patient 12345"), form="problem", wanted_score=True)
    assert answer.status == 500
    assert b"12345" not in answer.body
    assert NO_SCORE.encode() in answer.body


def test_the_table_answers_the_nearest_class():
    assert kind_of(NotJson("x")) is TABLE[NotJson]
    assert kind_of(errors.WriterBusy("x")).headers == ((b"retry-after", b"1"),)
    assert kind_of(errors.NotMigrated("x")) is TABLE[errors.RecordError]


@pytest.mark.parametrize("path", [PREDICT, FHIR, "/v1/outcomes"])
@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Content-Type": "application/vnd.bentoml+pickle"},
        {"Content-Type": "text/plain"},
        {"Content-Type": "application/json; charset=latin1"},
        {"Content-Type": 'application/fhir+json; Charset="ISO-8859-1"'},
        {"Content-Type": "application/fhir+json;fhirVersion=5.0"},
        {"Content-Type": "application/fhir+json; charset=utf-8; FHIRVersion=3.0"},
        {"Content-Type": "application/x-www-form-urlencoded"},
        {"Content-Type": "application/json", "Content-Encoding": "gzip"},
    ],
)
def test_another_media_type_than_json_is_refused(ehr, path, headers):
    response = ehr.post(path, content=b"{}", headers=headers)
    assert response.status_code == 415


@pytest.mark.parametrize(
    "media_type", ["application/json; charset=utf-8", "Application/JSON", "application/fhir+json"]
)
def test_json_is_read_under_all_its_names(ehr, media_type):
    headers = {"Content-Type": media_type}
    response = ehr.post(PREDICT, content=b'{"values": {}}', headers=headers)
    assert response.status_code == 422


def test_a_body_that_is_too_long_is_refused_and_no_time_helps(serve, sqlite_db):
    """API-4: `Retry-After` of a 413 would say that the limit passes (RFC 9110, 15.5.14)."""
    service = serve(sqlite_db.model_copy(update={"max_body_bytes": 2048}))
    client = service.client("predict")
    headers = {"Content-Type": "application/json"}
    long = b'{"values": {"age": ' + b" " * 3000 + b"1}}"
    refused = client.post(PREDICT, content=long, headers=headers)
    assert refused.status_code == 413
    assert "retry-after" not in refused.headers
    chunks = (long[i : i + 1000] for i in range(0, len(long), 1000))
    assert client.post(PREDICT, content=chunks, headers=headers).status_code == 413
    short = (part for part in (b'{"values":', b" {}}"))
    assert client.post(PREDICT, content=short, headers=headers).status_code == 422


def test_an_unknown_path_and_a_wrong_method_are_problems(ehr):
    for path in ("/docs.json", "/schema.json", "/v1", "/v1/models/", "/static", "/metrics/x"):
        assert ehr.get(path).status_code == 404, path
    wrong = ehr.get(PREDICT)
    assert (wrong.status_code, wrong.headers["allow"]) == (405, "POST")
    assert ehr.get("/fhir/Patient").json()["resourceType"] == "OperationOutcome"


@pytest.mark.parametrize("path", ["/", "/v1/models", "/nothing", "/fhir/metadata"])
def test_every_answer_forbids_storing_and_framing(ehr, path):
    """API-8."""
    headers = ehr.get(path).headers
    assert headers["cache-control"] == "no-store"
    assert headers["x-frame-options"] == "DENY"
    assert headers["x-content-type-options"] == "nosniff"


def test_no_foreign_page_may_call(service, ehr):
    response = ehr.get("/v1/models", headers={"Origin": "https://evil.example.org"})
    assert "access-control-allow-origin" not in response.headers
    with httpx.Client() as stranger:
        assert stranger.options(f"{service.address}{PREDICT}").status_code == 405


def test_an_explanation_that_does_not_add_up_is_not_answered(serve, sqlite_db, artefacts):
    from records.models import Prediction, Refusal

    broken = make_artefact(artefacts / NAME)
    broken.scorer.base = math.nan
    service = serve(sqlite_db, broken)
    client = service.client("predict", "read")
    response = service.predict(client, {"values": VALUES})
    assert response.status_code == 500
    assert response.json()["type"].endswith("explanation-mismatch")
    assert response.json()["notice"] == NO_SCORE
    assert Prediction.objects.count() == 0
    assert Refusal.objects.get().reason == "explanation_mismatch"
    assert 'problem="explanation-mismatch"} 1.0' in client.get("/metrics").text


def test_a_fault_inside_is_logged_without_its_text(serve, sqlite_db, artefacts):
    """API-8."""
    broken = make_artefact(artefacts / NAME)
    broken.scorer.columns = ("patient 12345",)
    service = serve(sqlite_db, broken)
    response = service.predict(service.client("predict"), {"values": VALUES})
    assert response.status_code == 500
    assert response.json()["detail"] == "Something went wrong inside"
    line = service.log.getvalue()
    assert b'"error":"ValueError"' in line
    assert b"explain:" in line
    assert b"12345" not in line + response.content


def test_problems_that_alert_are_counted_from_nought(serve, sqlite_db, artefacts):
    service = serve(sqlite_db, make_artefact(artefacts / NAME))
    text = service.client("read").get("/metrics").text
    for slug in OURS:
        assert (
            f'auscult_problems_total{{operation="json_api.predict_one",problem="{slug}"}} 0.0'
            in text
        )


@pytest.mark.parametrize("path", ["/v1/predictions/{}", "/fhir/RiskAssessment/{}"])
def test_a_database_that_cannot_be_read_is_503_without_its_words(path, service, ehr):
    from django.db import connection

    made = service.predict(ehr, {"values": VALUES}).json()["prediction_id"]
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE records_prediction RENAME TO elsewhere")
    for one in (path.format(made), "/fhir/RiskAssessment"):
        refused = ehr.get(one)
        assert refused.status_code == 503
        assert refused.headers["retry-after"] == "1"
        assert "can't be read now" in refused.text
        assert "records_prediction" not in refused.text
