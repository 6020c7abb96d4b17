"""What stands in an address or a form, over real HTTP and on both databases."""

from typing import Any
from urllib.parse import quote

import pytest

from records.clients import SCOPES
from serving.examples import NO_ID
from tests.factories import BUNDLE, NAME

FORM = {"Content-Type": "application/x-www-form-urlencoded"}
# what PostgreSQL's text, or its times, can't hold, and what its statements are written with
ODD = ["\0", "a\0b", "\N{REPLACEMENT CHARACTER}", "\U0001f600", "'", "\\", "%", "_", "x" * 3_000]
BYTES = [quote(one, safe="") for one in ODD] + ["%ED%A0%80", "%FF", "%", "%0"]
DATES = ["0001-01-01", "lt0001-01-02", "le9999-12-30", "ge9999-12-31T23:59:58Z", "eq1970-01-01"]


@pytest.fixture
def caller(serve, records_db) -> Any:
    return serve(records_db).client(*SCOPES)


def test_no_part_of_a_path_is_a_fault_inside(caller):
    paths = caller.get("/openapi.json").json()["paths"]
    within = [one for one in paths if "{" in one]
    assert len(within) >= 8
    for path in within:
        for given in BYTES:
            address = path.replace("{id}", given).replace("{name}", given)
            for method in paths[path]:
                answer = caller.request(method, address, json={} if method == "post" else None)
                assert 400 <= answer.status_code < 500, (method, address, answer.text)


@pytest.mark.parametrize(
    "name", ["method", "date", "_count", "_format", "_profile", "x", "subject"]
)
def test_no_parameter_of_an_address_or_form_is_a_fault_inside(caller, name):
    for given in BYTES:
        asked = f"{name}={given}"
        answers = [
            caller.get(f"/fhir/RiskAssessment?{asked}"),
            caller.post("/fhir/RiskAssessment/_search", content=asked, headers=FORM),
            caller.post(f"/fhir/RiskAssessment/_search?{asked}", headers=FORM),
            caller.post(f"/fhir/RiskAssessment/$predict?{asked}", json=BUNDLE),
            caller.get(f"/fhir/metadata?{asked}"),
        ]
        assert all(one.status_code < 500 for one in answers), [one.text for one in answers]


@pytest.mark.parametrize("query", ["method=%00", f"method={NAME}%00", "method=a,%00", "x%00y=1"])
def test_a_nul_in_an_address_or_form_is_refused_by_name(caller, query):
    for answer in (
        caller.get(f"/fhir/RiskAssessment?{query}"),
        caller.post("/fhir/RiskAssessment/_search", content=query, headers=FORM),
        caller.post(f"/fhir/RiskAssessment/_search?{query}", headers=FORM),
        caller.post(f"/fhir/RiskAssessment/$predict?model={NAME}&{query}", json=BUNDLE),
    ):
        assert answer.status_code == 422, answer.text
        assert "control_character" in answer.text


@pytest.mark.parametrize("date", DATES)
def test_the_first_and_the_last_days_can_be_searched_for(caller, date):
    answer = caller.get("/fhir/RiskAssessment", params={"date": date})
    assert answer.status_code == 200, answer.text


def test_a_parameter_that_is_not_heeded_is_refused_everywhere(ehr):
    """Under /v1 and /fhir; a misspelt one would go unnoticed."""
    paths = ehr.get("/openapi.json").json()["paths"]
    asked = 0
    for path, methods in paths.items():
        if not path.startswith(("/v1/", "/fhir/")):
            continue
        for method in methods:
            address = path.replace("{id}", NO_ID).replace("{name}", NAME)
            form = path.endswith("_search")
            body = {"headers": FORM} if form else {"json": {}} if method == "post" else {}
            for query in ("x=1", "predictedAt=2026-01-01T00:00:00Z", "x"):
                answer = ehr.request(method, f"{address}?{query}", **body)
                assert answer.status_code == 422, (method, address, answer.text)
                assert "unknown_parameter" in answer.text
                asked += 1
    assert asked >= 3 * 19


def test_how_an_answer_is_written_out_is_passed_over_everywhere_under_fhir(ehr):
    """`_pretty` changes nothing of what is said; a summary would, and isn't made."""
    paths = ehr.get("/openapi.json").json()["paths"]
    asked = 0
    for path, methods in paths.items():
        if not path.startswith("/fhir/"):
            continue
        for method in methods:
            address = path.replace("{id}", NO_ID)
            form = path.endswith("_search")
            body = {"headers": FORM} if form else {"json": {}} if method == "post" else {}
            taken = ehr.request(method, f"{address}?_pretty=true&_format=json", **body)
            assert "unknown_parameter" not in taken.text, address
            whole = ehr.request(method, f"{address}?_summary=false", **body)
            assert "unknown_parameter" not in whole.text, address
            for query in ("_summary=true", "_elements=status", "_summary=false&_summary=text"):
                refused = ehr.request(method, f"{address}?{query}", **body)
                assert refused.status_code == 422, address
                assert "without _summary or _elements" in refused.text
                asked += 1
    assert asked >= 3 * 9
    found = ehr.get("/fhir/RiskAssessment?_pretty=true")
    assert (found.status_code, found.json()["type"]) == (200, "searchset")
    found = ehr.post("/fhir/RiskAssessment/_search", data={"_summary": "false"})
    assert (found.status_code, found.json()["type"]) == (200, "searchset")
    assert ehr.get("/v1/models?_summary=false").status_code == 422


def test_what_is_heeded_or_fhirs_own_is_not_refused(ehr):
    assert ehr.get("/fhir/metadata?mode=full&_pretty=true").status_code == 200
    assert ehr.get("/fhir/OperationDefinition/predict?_format=json").status_code == 200
    twice = ehr.post(f"/fhir/RiskAssessment/$predict?model={NAME}&model={NAME}", json=BUNDLE)
    assert twice.status_code == 422
    assert "may be given once" in twice.text
