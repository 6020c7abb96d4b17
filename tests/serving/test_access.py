"""Who may call: every operation, for the client that may and for those that may not."""

from collections.abc import Iterator
from datetime import timedelta

import httpx
import pytest

from records.clients import SCOPES
from serving.operation import Operation
from tests.factories import NAME, NOW, VALUES

NO_ID = "00000000-0000-0000-0000-000000000000"
OPERATIONS = [
    ("GET", "/v1/models", {"predict", "read"}),
    ("GET", f"/v1/models/{NAME}", {"predict", "read"}),
    ("POST", f"/v1/models/{NAME}/predict", {"predict"}),
    ("GET", "/v1/predictions/00000000-0000-0000-0000-000000000000", {"read"}),
    ("POST", "/v1/outcomes", {"outcome"}),
    ("POST", "/fhir/RiskAssessment/$predict", {"predict"}),
    ("GET", "/fhir/metadata", {"predict", "read"}),
    ("GET", "/cds-services", {"predict", "read"}),
    ("POST", "/cds-services/made-up-sepsis", {"predict"}),
    ("POST", "/cds-services/made-up-sepsis/feedback", {"feedback"}),
    ("POST", f"/v1/models/{NAME}/predict-batch", {"bulk"}),
    ("POST", "/v1/predictions/00000000-0000-0000-0000-000000000000/replay", {"replay"}),
    ("POST", "/v1/feedback", {"feedback"}),
    ("POST", "/v1/corrections", {"correct"}),
    ("POST", "/fhir/Observation/$report-corrected", {"correct"}),
    ("GET", "/fhir/OperationDefinition/report-corrected", {"correct", "read"}),
    ("GET", "/docs", {"predict", "read"}),
    ("GET", "/fhir/RiskAssessment", {"read"}),
    ("GET", f"/fhir/RiskAssessment/{NO_ID}", {"read"}),
    ("POST", "/fhir/RiskAssessment/_search", {"read"}),
    ("POST", f"/fhir/RiskAssessment/{NO_ID}/$withdraw", {"predict"}),
    ("GET", "/fhir/OperationDefinition/predict", {"predict", "read"}),
    ("GET", "/fhir/OperationDefinition/withdraw", {"predict", "read"}),
    ("GET", "/metrics", {"read"}),
    ("GET", "/openapi.json", {"predict", "read"}),
]
PUBLIC = {"/", "/livez", "/readyz"}
PAGES = {"/docs", "/openapi.json"}  # which a browser opens with the key as a password


def call(client: httpx.Client, method: str, path: str) -> httpx.Response:
    return client.request(method, path, json={} if method == "POST" else None)


@pytest.fixture
def stranger(service) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=service.address) as client:
        yield client


@pytest.mark.parametrize("scope", SCOPES)
def test_a_scope_opens_its_own_operations_and_no_other(service, scope):
    client = service.client(scope)
    for method, path, scopes in OPERATIONS:
        status = call(client, method, path).status_code
        assert (status == 403) == (scope not in scopes), (path, status)
        assert status != 401


def test_nothing_but_the_health_is_open(stranger):
    for method, path, _ in OPERATIONS:
        response = call(stranger, method, path)
        assert response.status_code == 401, path
        challenge = "Basic realm=" if path in PAGES else "Bearer"
        assert response.headers["www-authenticate"].startswith(challenge)
    for path in PUBLIC:
        assert stranger.get(path).status_code == 200


def test_every_route_declares_who_may_call_it(model, sqlite_db):
    """API-5."""
    from records.pseudonym import Pseudonymiser
    from records.writer import Writer
    from serving.app import create_app
    from tests.serving.conftest import Nobody, Nothing

    writer = Writer(sqlite_db.database, queue=1, clock=lambda: NOW)
    app = create_app(
        {NAME: model},
        writer,
        Pseudonymiser(bytes(32)),
        Nobody(),
        Nothing(),
        sqlite_db,
        lambda: NOW,
    )
    assert all(isinstance(route, Operation) for route in app.routes)
    public = {route.path for route in app.routes if not route.scopes}
    assert public == PUBLIC
    assert all(set(route.scopes) <= set(SCOPES) for route in app.routes)
    described = {route.path: route.scopes for route in app.routes}
    assert len(described) == len(OPERATIONS) + len(PUBLIC)


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Bearer",
        "Bearer x",
        "Basic YTpi",
        "Bearer auk_0000000000000000_" + "x" * 43,
        "Bearer \xff",
    ],
)
def test_a_key_that_is_none_is_not_authenticated(service, header):
    client = service.caller({})
    response = client.get("/v1/models", headers={"Authorization": header.encode("latin-1")})
    assert response.status_code == 401
    assert response.headers["www-authenticate"].startswith("Bearer")


def test_a_key_in_the_query_string_opens_nothing(service, ehr, stranger):
    key = ehr.headers["authorization"].partition(" ")[2]
    assert stranger.get("/v1/models", params={"access_token": key, "key": key}).status_code == 401


def test_two_keys_at_once_open_nothing(service, ehr):
    key = ehr.headers["authorization"]
    caller = service.caller({})
    both = [("Authorization", key), ("Authorization", "Bearer x")]
    assert caller.get("/v1/models", headers=both).status_code == 401


def test_a_changed_secret_opens_nothing(service, ehr):
    key = ehr.headers["authorization"]
    wrong = key[:-1] + ("A" if key[-1] != "A" else "B")
    assert service.caller({"Authorization": wrong}).get("/v1/models").status_code == 401


def test_an_expired_key_opens_nothing(service, ehr):
    assert ehr.get("/v1/models").status_code == 200
    service.now = NOW + timedelta(days=366)
    assert ehr.get("/v1/models").status_code == 401


def test_predictions_of_a_test_client_are_marked(service, recorded):
    service.predict(service.client("predict", is_test=True), {"values": VALUES})
    service.predict(service.client("predict"), {"values": VALUES})
    assert sorted(row.is_test for row in recorded()) == [False, True]
