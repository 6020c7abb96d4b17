"""The shipped definitions, each served: deleted features are named, real Bundles never fail."""

import json
import os
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import models
from models.definition import Definition
from records.clients import SCOPES
from records.home import init_home
from records.settings import Settings
from tests.serving.conftest import serving
from tests.serving.shipped import fit_definition, levels, limits

DEFINITIONS = sorted(Path(models.__file__).parent.glob("*/model.toml"))
NAMES = [path.parent.name for path in DEFINITIONS]
BUNDLES = Path(os.environ.get("AUSCULT_DATA_DIR", "/nowhere")) / "fhir_synthea"


@pytest.fixture(scope="module")
def shipped(tmp_path_factory) -> dict[str, Any]:
    directory = tmp_path_factory.mktemp("shipped")
    return {
        path.parent.name: fit_definition(path, directory / path.parent.name) for path in DEFINITIONS
    }


@pytest.fixture(scope="module")
def client(migrated_sqlite, tmp_path_factory, shipped, model) -> Iterator[httpx.Client]:
    from records.setup import use_database

    home = Settings(home=tmp_path_factory.mktemp("shipped-home") / "home")
    init_home(home)
    shutil.copy(migrated_sqlite, home.root / "records.db")
    use_database(home.database)
    with serving(model) as start:
        yield start(home, *shipped.values()).client(*SCOPES)
    use_database(Settings().database)


@st.composite
def values_of(draw: st.DrawFn, definition: Definition) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for feature in definition.features:
        if feature.kind == "categorical":
            values[feature.name] = draw(st.sampled_from(levels(definition, feature)))
        elif feature.derived is None:
            low, high = limits(definition, feature)
            number = draw(
                st.integers(int(low), int(high))
                if feature.is_whole
                else st.floats(low, high, allow_nan=False)
            )
            values[feature.name] = {"value": number, "unit": feature.unit}
    return values


@pytest.mark.parametrize("name", NAMES)
def test_deleting_a_feature_never_lowers_the_band_without_naming_it(client, shipped, name):
    definition = shipped[name].definition
    path = f"/v1/models/{name}/predict"

    @settings(max_examples=12, database=None)
    @given(values=values_of(definition))
    def check(values: dict[str, Any]) -> None:
        whole = client.post(path, json={"values": values})
        assert whole.status_code == 200, whole.text
        for feature in values:
            rest = {key: value for key, value in values.items() if key != feature}
            response = client.post(path, json={"values": rest})
            if response.status_code != 200:
                assert feature in response.json()["missing"]
                assert "does not mean low risk" in response.text
                continue
            # whatever became of the band
            assert response.json()["missing"] == [feature]

    check()


@pytest.mark.skipif(not BUNDLES.is_dir(), reason="AUSCULT_DATA_DIR has no Synthea Bundles")
@pytest.mark.parametrize("name", NAMES)
def test_real_bundles_are_scored_or_refused_by_name(client, name):
    """FHIR-4, FHIR-9: every Bundle, at the time of its newest Observation."""
    listed = {}
    for path in sorted(BUNDLES.glob("*.json")):
        bundle = json.loads(path.read_text())
        response = client.post(
            "/fhir/RiskAssessment/$predict",
            params={"model": name, "predicted_at": _newest(bundle).isoformat()},
            content=path.read_bytes(),
            headers={"Content-Type": "application/fhir+json"},
        )
        assert response.status_code in (200, 422), path.name
        if response.status_code == 422:
            (issue,) = response.json()["issue"]
            listed[path.name] = issue["diagnostics"]
            assert "does not mean low risk" in issue["details"]["text"]
        else:
            listed[path.name] = " ".join(note["text"] for note in response.json()["note"])
    assert len(listed) == 12
    assert all(listed.values())


def _newest(bundle: dict[str, Any]) -> datetime:
    times = [
        datetime.fromisoformat(entry["resource"]["effectiveDateTime"])
        for entry in bundle["entry"]
        if entry["resource"]["resourceType"] == "Observation"
    ]
    return max(times).astimezone(UTC)
