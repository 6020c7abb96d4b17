"""Requests that nobody would think of: no failure inside, and no risk from a value that is wrong.

AUSCULT_TEST_FUZZ says how many are sent; `make fuzz` sends 100,000.
"""

import copy
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
from tests.serving.faults.requests import ADDRESSES, GOOD

REQUESTS = int(os.environ.get("AUSCULT_TEST_FUZZ", "400"))
FUZZ = settings(
    max_examples=REQUESTS // 4,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
NUMBERS = st.one_of(
    st.floats(),
    st.integers(-(10**20), 10**20),
    st.sampled_from([0, -1, 1e308, 3.1, 31, 3100, 1e-9]),
)
WORDS = st.sampled_from(
    (
        *("", "mmol/L", "mg/dL", "umol/L", "<", "final", "preliminary", "Patient/p2", "1954"),
        *("2026-03-02T08:00:00", "2026-03-02T08:00:00Z", "2030-01-01T00:00:00Z", "Bundle", "male"),
    )
)
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | WORDS | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3),
    max_leaves=6,
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


def places(value: Any, place: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every place inside a request."""
    parts: Any = ()
    if isinstance(value, dict):
        parts = value.items()
    elif isinstance(value, list):
        parts = enumerate(value)
    for key, part in parts:
        yield (*place, key)
        yield from places(part, (*place, key))


@st.composite
def mutated(draw: st.DrawFn, protocol: str) -> Any:
    """A good request with up to three places changed, left out or doubled."""
    request = copy.deepcopy(GOOD[protocol]())
    for _ in range(draw(st.integers(1, 3))):
        every = list(places(request))
        if not every:
            break
        *way, last = draw(st.sampled_from(every))
        holder = request
        for step in way:
            holder = holder[step]
        what = draw(st.sampled_from(["change", "change", "leave out", "double"]))
        if what == "change":
            holder[last] = draw(VALUES)
        elif what == "leave out":
            del holder[last]
        elif isinstance(holder, list):
            holder.append(copy.deepcopy(holder[last]))
    return request


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

    @FUZZ
    @given(request=mutated(protocol))
    def check(request: Any) -> None:
        body = json.dumps(request)
        headers = {"Content-Type": "application/json"}
        response = client.post(ADDRESSES[protocol], content=body, headers=headers)
        assert response.status_code < 500, response.text
        assert response.status_code == 200 or "does not mean low risk" in response.text
        assert protocol != "cds-hooks" or response.json().get("cards") != []

    check()
    for row in Prediction.objects.filter(protocol=protocol).iterator():
        check_features(model.definition, row.features, row.findings)
        assert 0 < row.risk < 1


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
