"""The description of the operations, checked as OpenAPI 3.1."""

import jsonschema_rs
import pytest

from tests.factories import NAME, VALUES


@pytest.fixture
def description(ehr):
    return ehr.get("/openapi.json").json()


def _schema(description, path, part):
    operation = description["paths"][path]["post"]
    holder = operation["requestBody"] if part == "request" else operation["responses"]["200"]
    schema = holder["content"]["application/json"]["schema"]
    return {**schema, "components": description["components"]}


def test_every_operation_names_its_scopes(description):
    operations = [one for path in description["paths"].values() for one in path.values()]
    assert len(operations) == 28
    assert all("security" in one for one in operations)
    assert len({one["operationId"] for one in operations}) == len(operations)


def test_a_request_and_its_answer_are_as_described(service, ehr, description):
    path = "/v1/models/{name}/predict"
    body = {"values": VALUES}
    answer = service.predict(ehr, body).json()
    request = jsonschema_rs.validator_for(_schema(description, path, "request"))
    assert request.is_valid(body)
    assert not request.is_valid({"values": {"lactat": 1}})
    answered = jsonschema_rs.validator_for(_schema(description, path, "answer"))
    answered.validate(answer)
    assert not answered.is_valid({**answer, "contributions": "none"})
    assert f"{NAME}_request" in description["components"]["schemas"]


def test_a_search_is_described_as_the_form_that_it_takes(ehr, description):
    path = "/fhir/RiskAssessment/_search"
    body = description["paths"][path]["post"]["requestBody"]
    (content,) = body["content"].values()
    assert set(body["content"]) == {"application/x-www-form-urlencoded"}
    form = jsonschema_rs.validator_for(
        {**content["schema"], "components": description["components"]}
    )
    form.validate(content["example"])
    assert not form.is_valid({"name": "x"})
    assert not form.is_valid({"_count": 501})
    assert "subject:identifier" in content["example"]
    found = ehr.post(path, data=content["example"])
    assert found.status_code == 200, found.text


def test_parameters_of_addresses_are_described(description):
    def asked(path: str, method: str) -> list[str]:
        parameters = description["paths"][path][method]["parameters"]
        return [one["name"] for one in parameters if one["in"] == "query"]

    assert asked("/fhir/RiskAssessment/$predict", "post") == ["model", "predicted_at", "_profile"]
    assert asked("/fhir/RiskAssessment", "get") == ["date", "method", "_count", "_page"]
    assert asked("/fhir/RiskAssessment/{id}", "get") == ["_profile"]
    assert asked("/v1/models/{name}/predict", "post") == []
