import json
from dataclasses import replace

import numpy as np
import pytest
from mlflow.tracking import MlflowClient

from models.definition import parse_definition
from models.errors import ArtefactError, PromotionRefused
from models.risk_model import RiskModel
from records.settings import Settings
from tests.training.conftest import NOW, Trained, share_registry
from tests.training.readmissions import DEFINITION, cohort, people, write_definition
from training.champion import champion_risks
from training.options import TrainOptions
from training.population import admit
from training.promotion import promote
from training.registry import find_version, set_alias
from training.run import train

GATE = '{ metric = "auroc_minus_champion", at_least = -0.05 },\n]\n\n[[bands]]'


@pytest.fixture
def registry(sqlite_db: Settings, trained: Trained) -> Settings:
    """A home with a migrated database and a registry in which version 1 is champion."""
    share_registry(trained.settings, sqlite_db)
    set_alias("readmission", "champion", "1", settings=sqlite_db)
    return sqlite_db


def test_a_new_version_is_compared_with_the_champion_and_promoted_by_that(
    registry: Settings, trained: Trained, tmp_path_factory: pytest.TempPathFactory
) -> None:
    text = DEFINITION.replace("]\n\n[[bands]]", GATE, 1)
    file = write_definition(tmp_path_factory.mktemp("compared"), text)
    assert any(gate.metric.endswith("_minus_champion") for gate in file.definition.gates)

    found = train(
        file,
        trained.cohort,
        TrainOptions(trained_by="Ada", quick=True, draws=40, seed=8),
        settings=registry,
        progress=lambda *_: None,
        now=NOW,
    )

    client = MlflowClient(registry.tracking_uri, registry.tracking_uri)
    metrics = client.get_run(found.run_id).data.metrics
    assert metrics["auroc_minus_champion_low"] <= metrics["auroc_minus_champion"]
    champion = trained.version.evaluation.figures["auroc"].value
    own = found.evaluation.figures["auroc"].value
    assert own is not None
    assert champion is not None
    assert metrics["auroc_minus_champion"] == pytest.approx(own - champion, abs=1e-12)
    asked = {"to": "champion", "by": "Grace", "because": "No worse", "now": NOW}
    promote("readmission", found.version, **asked, settings=registry)
    assert find_version("readmission", "champion", settings=registry).version == found.version

    tag = "auscult.champion_digest"
    client.set_model_version_tag("readmission", found.version, tag, "0" * 64)
    set_alias("readmission", "champion", "1", settings=registry)
    with pytest.raises(ArtefactError, match=r"champion\.json isn't as it was registered"):
        promote("readmission", found.version, **asked, settings=registry)


def test_a_version_that_was_compared_with_none_has_no_evidence_against_the_champion(
    registry: Settings, stricter_version: str
) -> None:
    set_alias("readmission", "champion", stricter_version, settings=registry)
    registered = find_version("readmission", "1", settings=registry)

    assert registered.champion_digest is None
    with pytest.raises(PromotionRefused, match="failed"):
        promote(
            "readmission",
            stricter_version,
            to="champion",
            by="Grace",
            because="Why not",
            settings=registry,
            now=NOW,
        )


def test_on_another_cohort_the_champion_scores_as_it_serves_and_that_is_said(
    registry: Settings, trained: Trained
) -> None:
    table = replace(cohort(people(60, seed=5)), digest="1" * 64)
    population, _ = admit(table, trained.file.definition, NOW)

    found = champion_risks("readmission", population, table, settings=registry)

    assert found is not None
    assert "may have learnt from some of these people" in found.basis
    model = RiskModel.load(trained.version.directory, version="1")
    assert found.risk.tolist() == model.risks(dict(population.columns)).tolist()


def test_a_champion_that_was_judged_on_other_rows_is_not_compared(
    registry: Settings, trained: Trained
) -> None:
    population, _ = admit(trained.cohort, trained.file.definition, NOW)
    further = replace(population, row=population.row + 1)

    same = champion_risks("readmission", population, trained.cohort, settings=registry)
    other = champion_risks("readmission", further, trained.cohort, settings=registry)

    assert same is not None
    assert np.isfinite(same.risk).all()
    assert other is None


def test_a_champion_of_other_features_is_not_compared(registry: Settings, trained: Trained) -> None:
    definition = parse_definition(
        DEFINITION.replace('name = "ward"', 'name = "department"', 1).encode(), source="other"
    )
    frame = people(60, seed=5).rename(columns={"ward": "department"})
    table = replace(cohort(frame), digest="1" * 64)
    population, _ = admit(table, definition, NOW)

    assert champion_risks("readmission", population, table, settings=registry) is None
    assert champion_risks("nobody", population, table, settings=registry) is None


def test_the_comparison_says_whose_figures_it_holds(trained: Trained) -> None:
    from training.champion import ChampionRisks, comparison_file, read_comparison

    version = find_version("readmission", "1", settings=trained.settings)
    champion = ChampionRisks(version, np.array([0.5]), "same people")
    text = comparison_file(champion, {"auroc_minus_champion": 0.1})

    assert read_comparison(text) == {
        "version": "1",
        "artefact_digest": version.artefact_digest,
        "basis": "same people",
        "used": None,
        "metrics": {"auroc_minus_champion": 0.1},
    }
    assert json.loads(text)["version"] == "1"
