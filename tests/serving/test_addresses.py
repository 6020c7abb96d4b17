"""What stands in an address or a form, over real HTTP and on both databases."""

from typing import Any
from urllib.parse import quote

import pytest

from records.clients import SCOPES
from tests.factories import BUNDLE, NAME

FORM = {"Content-Type": "application/x-www-form-urlencoded"}
# what PostgreSQL's text, or its times, can't hold, and what its statements are written with
ODD = ["\0", "a\0b", "\N{REPLACEMENT CHARACTER}", "\U0001f600", "'", "\\", "%", "_", "x" * 3_000]
BYTES = [quote(one, safe="") for one in ODD] + ["%ED%A0%80", "%FF", "%", "%0"]
DATES = ["0001-01-01", "lt0001-01-02", "le9999-12-30", "ge9999-12-31T23:59:59Z", "eq1970-01-01"]


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
