"""The shipped definitions, each served: deleted features are named, real Bundles never fail."""

import json
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.definition import Definition
from records.clients import SCOPES
from records.home import init_home
from records.settings import Settings
from serving.examples import fhir_bundle, hook_request
from tests.serving.bundles import BUNDLES, DEFINITIONS, PAGE, bodies, fate, newest, paths, render
from tests.serving.conftest import serving
from tests.serving.shipped import fit_definition, levels, limits

# readmission_30d has none but HbA1c, which is measured in few stays and says so as a category
LABORATORY = {
    "hospital_mortality": {
        *("oxygenation", "arterial_ph", "leucocytes", "albumin", "bilirubin", "creatinine"),
        *("sodium", "glucose", "urea_nitrogen"),
    },
    "mortality_5y": {"creatinine", "kappa", "lambda"},
}
NAMES = [path.parent.name for path in DEFINITIONS]


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


@pytest.mark.parametrize("name", sorted(LABORATORY))
def test_without_any_laboratory_value_there_is_no_score(client, shipped, name):
    definition = shipped[name].definition
    absent = LABORATORY[name]
    assert absent <= {feature.name for feature in definition.features}

    @settings(max_examples=12, database=None)
    @given(values=values_of(definition))
    def check(values: dict[str, Any]) -> None:
        rest = {key: value for key, value in values.items() if key not in absent}
        response = client.post(f"/v1/models/{name}/predict", json={"values": rest})
        assert response.status_code == 422
        assert response.json()["type"].endswith("too-little-data")
        assert set(response.json()["missing"]) & absent
        assert "does not mean low risk" in response.text

    check()


def hook(client: httpx.Client, definition: Definition, request: dict[str, Any]) -> httpx.Response:
    assert definition.cds_hooks is not None
    return client.post(f"/cds-services/{definition.cds_hooks.id}", json=request)


def test_every_shipped_model_is_a_service_at_the_hook_of_its_decision(client, shipped):
    """CDS-1, CDS-5: one key a code, and a code for whatever can't be derived."""
    services = client.get("/cds-services").json()["services"]
    assert {(one["id"], one["hook"]) for one in services} == {
        ("mortality-5y", "patient-view"),
        ("hospital-mortality", "patient-view"),
        ("readmission-30d", "encounter-discharge"),
    }
    for one in shipped.values():
        definition = one.definition
        asked = next(s for s in services if s["id"] == definition.cds_hooks.id)["prefetch"]
        observed = [f for f in definition.features if f.source == "observation"]
        assert all(feature.codings for feature in observed)
        panels = {"hospital_mortality": {"mean_blood_pressure_85354-9"}}
        keys = {f"{one.name}_{code}" for one in observed for _, code in one.codings}
        assert set(asked) == {"patient"} | keys | panels.get(definition.name, set())


@pytest.mark.parametrize("name", NAMES)
def test_a_complete_request_is_the_same_risk_by_card_and_by_bundle(client, shipped, name):
    from records.models import Prediction

    definition = shipped[name].definition
    now = datetime(2026, 3, 2, 10, 0, tzinfo=UTC)
    answer = hook(client, definition, hook_request(definition, now))
    assert answer.status_code == 200, answer.text
    card_risk = Prediction.objects.filter(model=name, protocol="cds-hooks").latest("id").risk
    response = client.post(
        "/fhir/RiskAssessment/$predict",
        params={"model": name},
        json=fhir_bundle(definition, now),
    )
    assert response.status_code == 200, response.text
    rationale = response.json()["prediction"][0]["rationale"]
    assert rationale.startswith(f"p={card_risk!r}")
    band = definition.band(card_risk)
    names = [one.name for one in definition.bands]
    asked = names.index(band.name) >= names.index(definition.cds_hooks.card_from)
    cards = answer.json()["cards"]
    assert bool(cards) == asked
    for card in cards:
        assert f"{100 * card_risk:.1f} %" in card["summary"]
        assert "Not for clinical use" in card["detail"]


def test_a_pressure_that_is_a_component_of_its_panel_is_used(client, shipped):
    """CDS-5: no search by the code of a component finds it."""
    from records.models import Prediction

    definition = shipped["hospital_mortality"].definition
    request = hook_request(definition, datetime(2026, 3, 2, 10, 0, tzinfo=UTC))
    alone, panel = (f"mean_blood_pressure_{code}" for code in ("8478-0", "85354-9"))
    result = request["prefetch"][alone]["entry"][0]["resource"]
    component = {name: result.pop(name) for name in ("code", "valueQuantity")}
    coding = {"system": "http://loinc.org", "code": "85354-9"}
    result |= {"code": {"coding": [coding]}, "component": [component]}
    request["prefetch"][panel] = request["prefetch"][alone]
    request["prefetch"][alone] = None
    before = list(Prediction.objects.values_list("id", flat=True))
    assert hook(client, definition, request).status_code == 200
    row = Prediction.objects.exclude(id__in=before).get()
    assert row.features["mean_blood_pressure"] == component["valueQuantity"]["value"]
    del request["prefetch"][panel]
    refused = hook(client, definition, request)
    assert (refused.status_code, panel in refused.text) == (412, True)


@pytest.mark.parametrize("name", NAMES)
def test_without_data_a_card_says_what_to_do_instead(client, shipped, name):
    """CDS-6, CDS-10: null for every key but the patient is that there are none."""
    definition = shipped[name].definition
    request = hook_request(definition, datetime(2026, 3, 2, 10, 0, tzinfo=UTC))
    request["prefetch"] = {
        key: value if key == "patient" else None for key, value in request["prefetch"].items()
    }
    (card,) = hook(client, definition, request).json()["cards"]
    assert "This does not mean low risk" in card["detail"]
    assert definition.cds_hooks.fallback in card["detail"]
    needed = [f.title for f in definition.features if f.required and f.source == "observation"]
    assert all(title.split(" (")[0] in card["detail"] for title in needed)


@pytest.mark.parametrize("name", NAMES)
def test_each_deleted_result_is_named_on_the_card_or_there_is_no_risk(client, shipped, name):
    definition = shipped[name].definition
    now = datetime(2026, 3, 2, 10, 0, tzinfo=UTC)
    for feature in definition.features:
        request = hook_request(definition, now)
        keys = [one for one in request["prefetch"] if one.startswith(f"{feature.name}_")]
        for key in keys:
            request["prefetch"][key] = None
        if keys:
            (card,) = hook(client, definition, request).json()["cards"]
            said = card["detail"].replace("\\", "")
            assert feature.title in said or "This does not mean low risk" in said


@pytest.mark.skipif(not BUNDLES.is_dir(), reason="AUSCULT_DATA_DIR has no Synthea Bundles")
@pytest.mark.parametrize("name", NAMES)
def test_real_bundles_are_scored_or_refused_by_name(client, shipped, name):
    """FHIR-4, FHIR-9: every Bundle, at the time of its newest Observation, as the page says."""
    from records.models import Prediction

    definition = shipped[name].definition
    sent = [body for path in paths() for body in bodies(path, definition)]
    assert len(paths()) == 12
    assert len(sent) > 12
    for body in sent:
        expected = fate(body, definition)
        response = client.post(
            "/fhir/RiskAssessment/$predict",
            params={"model": name, "predicted_at": newest(json.loads(body)).isoformat()},
            content=body,
            headers={"Content-Type": "application/fhir+json"},
        )
        assert response.status_code == (422 if expected.refused else 200), response.text
        if expected.refused:
            (issue,) = response.json()["issue"]
            field, _, reason = issue["diagnostics"].rpartition(": ")
            assert f"`{reason}`: {field}" == expected.refused
            assert "does not mean low risk" in issue["details"]["text"]
        else:
            row = Prediction.objects.get(id=response.json()["id"])
            used = {feature for feature, value in row.features.items() if value is not None}
            assert used == set(expected.used)
            notes = " ".join(note["text"] for note in response.json()["note"])
            unused = {one.title for one in definition.features if one.name not in used}
            assert all(title in notes for title in unused)


@pytest.mark.skipif(not BUNDLES.is_dir(), reason="AUSCULT_DATA_DIR has no Synthea Bundles")
def test_the_page_of_bundles_is_what_became_of_them():
    assert PAGE.read_text() == render(), "run: python -m tests.serving.bundles"
