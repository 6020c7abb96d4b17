"""Requests that nobody would think of: no failure inside, and no risk from a value that is wrong.

AUSCULT_TEST_FUZZ says how many are sent; `make fuzz` sends 100,000.
"""

import json
import math
import os
import shutil
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from models.definition import Definition
from records.clients import SCOPES
from records.home import init_home
from records.settings import Settings
from tests.serving.conftest import Service, serving
from tests.serving.faults.requests import ADDRESSES
from tests.serving.fuzz.reading import could_be
from tests.serving.fuzz.requests import whatever

REQUESTS = int(os.environ.get("AUSCULT_TEST_FUZZ", "10000"))
FUZZ = settings(
    max_examples=REQUESTS // 4,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


@pytest.fixture(scope="module")
def service(migrated_sqlite, tmp_path_factory, model) -> Iterator[Service]:
    from records.setup import use_database

    home = Settings(home=tmp_path_factory.mktemp("fuzz") / "home", requests_per_second=1e6)
    init_home(home)
    shutil.copy(migrated_sqlite, home.root / "records.db")
    use_database(home.database)
    with serving(model) as start:
        yield start(home)
    use_database(Settings().database)


@pytest.fixture(scope="module")
def client(service) -> httpx.Client:
    return service.client(*SCOPES)


def check_features(definition: Definition, features: dict[str, Any], findings: Any) -> None:
    """No value that should have been refused was scored, and none is missing in silence."""
    named = {one["feature"] for one in findings if one["kind"] in ("missing", "excluded")}
    for feature in definition.features:
        value = features[feature.name]
        if value is None:
            assert feature.name in named
        elif feature.kind == "categorical":
            assert value in feature.categories
        else:
            low, high = feature.plausible or (-math.inf, math.inf)
            assert low <= value <= high
    assert features["age"] >= 18


@pytest.mark.parametrize("protocol", ADDRESSES)
def test_whatever_is_sent_is_scored_rightly_or_refused(service, client, model, protocol):
    from records.models import Prediction

    sent: dict[str, Any] = {}

    @FUZZ
    @given(request=whatever(protocol))
    def check(request: Any) -> None:
        body = json.dumps(request)
        headers = {"Content-Type": "application/json"}
        response = client.post(ADDRESSES[protocol], content=body, headers=headers)
        assert response.status_code < 500, response.text
        assert response.status_code == 200 or "does not mean low risk" in response.text
        if response.status_code == 200:
            sent[answer_id(protocol, response.json())] = request

    check()
    scored = 0
    for row in Prediction.objects.filter(protocol=protocol).iterator():
        scored += 1
        check_features(model.definition, row.features, row.findings)
        assert 0 < row.risk < 1
        request = sent[str(row.id)]
        for feature, value in row.features.items():
            if value is not None and feature != "ward":
                assert could_be(protocol, request, feature, value), (feature, value, request)
    assert scored > REQUESTS // 100  # else next to nothing was put to the test


def test_whatever_is_reported_as_corrected_is_recorded_rightly_or_refused(client, model):
    from records.models import SourceCorrection

    @settings(FUZZ, max_examples=max(20, REQUESTS // 20))
    @given(request=whatever("fhir"), status=st.sampled_from(["corrected", "entered-in-error"]))
    def check(request: Any, status: str) -> None:
        entries = request.get("entry") if isinstance(request, dict) else None
        for entry in entries if isinstance(entries, list) else ():
            resource = entry.get("resource") if isinstance(entry, dict) else None
            if isinstance(resource, dict) and resource.get("status") == "final":
                resource["status"] = status
        headers = {"Content-Type": "application/json"}
        path = "/fhir/Observation/$report-corrected"
        response = client.post(path, content=json.dumps(request), headers=headers)
        assert response.status_code < 500, response.text

    check()
    recorded = list(SourceCorrection.objects.all())
    assert {one.status for one in recorded} == {"corrected", "entered-in-error"}
    assert any(one.value is not None for one in recorded)
    for one in recorded:
        if one.value is not None:
            feature = model.definition.by_name[one.feature]
            low, high = feature.plausible or (-math.inf, math.inf)
            assert one.value in feature.categories or low <= one.value <= high


def answer_id(protocol: str, answer: Any) -> str:
    """The id of what was answered; a card always is, if only to say that there is no risk."""
    if protocol == "json":
        return str(answer["prediction_id"])
    if protocol == "fhir":
        return str(answer["id"])
    (card,) = answer["cards"]
    return str(card["uuid"])


def test_whatever_the_description_allows_is_answered(service, client):
    import schemathesis

    description = client.get("/openapi.json").json()
    schema = schemathesis.openapi.from_dict(description)
    operations = [one.ok() for one in schema.get_all_operations()]
    for operation in operations:

        @settings(FUZZ, max_examples=max(2, REQUESTS // (4 * len(operations))))
        @given(case=operation.as_strategy())
        def check(case: Any) -> None:
            response = case.call(
                base_url=service.address, headers={"Authorization": client.headers["authorization"]}
            )
            assert response.status_code < 500, response.text

        check()
