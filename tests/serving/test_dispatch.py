"""A call of a known path goes past the router; nothing else about it may differ."""

import pytest
from starlette.routing import Match

from serving import fhir_api, json_api, own_api
from serving.answer_form import AnswerForm
from serving.contract import Contract
from serving.premises import Served
from tests.factories import NAME, VALUES


def test_known_paths_lead_to_the_operations_that_the_router_would_choose(model):
    served = {NAME: Served(model, Contract(model.definition), AnswerForm(model))}
    operations = [*json_api.operations(served), *fhir_api.operations(), *own_api.operations()]
    found = {}
    for operation in operations:
        for path, parts in operation.known_paths([NAME]):
            (method,) = operation.methods
            scope = {"type": "http", "method": method, "path": path, "headers": []}
            matches = [(one, one.matches(scope)) for one in operations]
            first, (_, added) = next(one for one in matches if one[1][0] is Match.FULL)
            assert (first, added["path_params"]) == (operation, parts)
            found[path] = parts
    assert found[f"/v1/models/{NAME}/predict"] == {"name": NAME}
    assert found["/fhir/RiskAssessment/$predict"] == {}
    assert not any("{" in path for path in found)


def test_an_escaped_path_is_the_same_path(service, ehr):
    escaped = f"/v1/models/{NAME.replace('_', '%5F')}/predict"
    assert ehr.post(escaped, json={"values": VALUES}).status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", f"/v1/models/{NAME}/predict", 405),
        ("POST", "/v1/models/unknown/predict", 404),
        ("POST", f"/v1/models/{NAME}/predict/", 404),
        ("POST", f"//v1/models/{NAME}/predict", 404),
    ],
)
def test_what_is_not_a_known_path_is_routed(ehr, method, path, status):
    response = ehr.request(method, path, json={"values": VALUES})
    assert response.status_code == status
    assert response.headers["content-type"] == "application/problem+json"
