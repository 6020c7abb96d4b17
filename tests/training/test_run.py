import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from mlflow.tracking import MlflowClient

from models.artefact import verify_artefact
from models.definition import Definition
from models.errors import ArtefactError, CohortError, RegistryError
from models.profile import read_profile
from models.risk_model import RiskModel
from records.settings import Settings
from tests.training.conftest import NOW, Trained
from tests.training.readmissions import cohort, people
from training.candidate import Progress
from training.options import TrainOptions
from training.population import admit
from training.provenance import describe_cohort
from training.registration import register_run
from training.registry import download, find_version
from training.run import train

LOAD_ELSEWHERE = """
import json, sys
import mlflow.pyfunc, pandas as pd
model = mlflow.pyfunc.load_model(sys.argv[1])
import models
table = pd.read_parquet(sys.argv[2])
print(json.dumps({"risks": model.predict(table).tolist(), "models": models.__file__}))
"""
QUICK = TrainOptions(trained_by="Ada", quick=True, draws=40, seed=7)
quiet: Progress = lambda *_: None  # noqa: E731


@pytest.fixture(scope="module")
def model_files(trained: Trained) -> Path:
    client = MlflowClient(trained.settings.tracking_uri, trained.settings.tracking_uri)
    found = client.get_model_version(trained.version.name, trained.version.version)
    assert found.source is not None
    logged = found.source.removeprefix("models:/")
    return trained.settings.mlflow_artifacts / "models" / logged / "artifacts"


@pytest.fixture
def table() -> pd.DataFrame:
    frame = people(50, seed=9).drop(columns=["outcome", "patient_id"])
    frame.loc[3, "age"] = 30.0
    return frame


def test_the_registered_version_carries_its_digests(trained: Trained) -> None:
    found = find_version("readmission", "1", settings=trained.settings)

    assert found.artefact_digest == trained.version.artefact_digest
    assert found.definition_digest == trained.file.digest
    assert found.cohort_digest == trained.cohort.digest
    assert found.trained_by == "Ada"
    assert found.run_id == trained.version.run_id


def test_the_run_holds_parameters_figures_with_intervals_plots_and_pages(
    trained: Trained,
) -> None:
    client = MlflowClient(trained.settings.tracking_uri, trained.settings.tracking_uri)
    run = client.get_run(trained.version.run_id)

    estimate = trained.version.evaluation.figures["auroc"]
    assert run.data.metrics["auroc"] == estimate.value
    assert run.data.metrics["auroc_low"] == estimate.low
    assert run.data.metrics["net_benefit_at_0.3"] is not None
    assert run.data.metrics["baseline_brier"] > 0
    assert run.data.params["trees_max_depth"] == "3"
    of_searches = {"trials", "timeout_seconds", "repeated_trials", "stability_trials", "growth"}
    assert run.data.params["quick"] == "True"
    assert not of_searches & set(run.data.params)
    assert int(run.data.params["draws"]) <= 200
    assert run.inputs.dataset_inputs[0].dataset.digest == trained.cohort.digest[:36]
    files = {file.path for file in client.list_artifacts(run.info.run_id)}
    assert {"card.html", "card.json", "data_quality.html", "evidence.json", "trials.json"} <= files
    plots = {file.path for file in client.list_artifacts(run.info.run_id, "plots")}
    assert {f"plots/decision_curve.{end}" for end in ("png", "json")} <= plots


def test_no_pickle_lies_in_the_artefacts(trained: Trained, model_files: Path) -> None:
    files = [path for path in trained.settings.mlflow_artifacts.rglob("*") if path.is_file()]

    assert len(files) > 30
    for path in files:
        assert path.suffix not in {".pkl", ".pickle", ".joblib", ".pt", ".bin"}
        # every pickle protocol from 2 on starts with this byte and its number
        assert path.read_bytes()[:2] not in {b"\x80" + bytes([n]) for n in range(2, 6)}
    assert (model_files / "artifacts" / "artefact" / "manifest.json").is_file()


def test_plain_mlflow_gives_the_same_risks_elsewhere(
    trained: Trained, model_files: Path, table: pd.DataFrame, tmp_path: Path
) -> None:
    table.to_parquet(tmp_path / "table.parquet")
    empty = tmp_path / "empty"
    empty.mkdir()

    found = subprocess.run(
        [sys.executable, "-c", LOAD_ELSEWHERE, str(model_files), str(tmp_path / "table.parquet")],
        cwd=empty,
        # interpreted, the kernels need not be compiled anew for this copy of the code
        env={**os.environ, "NUMBA_DISABLE_JIT": "1"},
        check=True,
        capture_output=True,
        text=True,
    )

    answer = json.loads(found.stdout)
    assert answer["models"].startswith(str(model_files))
    model = RiskModel.load(trained.version.directory, version="1")
    expected = model.risks({name: table[name].to_numpy() for name in table})
    assert answer["risks"] == pytest.approx(expected.tolist(), abs=1e-6)


def test_the_artefact_is_sealed_and_holds_no_identifier(trained: Trained, artefact: Path) -> None:
    assert verify_artefact(artefact) == trained.version.artefact_digest
    assert "patient_id" not in pd.read_parquet(artefact / "reference.parquet")
    for path in artefact.iterdir():
        assert b"P00012" not in path.read_bytes(), path.name


def test_the_reference_holds_everyone_once_with_a_risk_from_a_fit_that_had_not_seen_them(
    trained: Trained, artefact: Path
) -> None:
    reference = pd.read_parquet(artefact / "reference.parquet")
    profile = read_profile(artefact / "profile.json")
    population, _ = admit(trained.cohort, trained.file.definition, NOW)
    model = RiskModel.load(artefact, version="1")

    assert len(reference) == len(population) == profile.rows_counted + profile.rows_for_edges
    assert sorted(reference["age"]) == sorted(population.columns["age"].tolist())
    served = model.risks({name: reference[name].to_numpy() for name in population.columns})
    unseen = np.isclose(served, reference["risk"], atol=1e-12)
    assert unseen.mean() < 0.01


def test_the_evaluation_is_of_what_is_served(trained: Trained, artefact: Path) -> None:
    evidence = json.loads((artefact / "evidence.json").read_bytes())
    evaluation = evidence["model_evidence"]["evaluation"]

    assert evaluation["n"] == evidence["split"]["test"]["rows"]
    assert (
        evaluation["figures"]["auroc"]["value"] == trained.version.evaluation.figures["auroc"].value
    )
    assert evidence["split"]["test"]["censoring"]["effective_n"] == evaluation["effective_n"]
    assert evidence["split"]["training"]["censoring"]["censored_before_horizon"] > 0
    assert evidence["not_assessed"] == {
        "Ethnicity": "The table doesn't record it",
        "Age band: 110 or more": "nobody of the judged rows belongs to it",
    }
    groups = {group["group"]: group for group in evaluation["subgroups"]}
    assert groups["Female"]["assessable"]
    assert (
        groups["under 65"]["events"] + groups["65 to under 110"]["events"] == evaluation["events"]
    )


def test_the_same_cohort_and_seed_give_the_same_bytes(trained: Trained) -> None:
    again = train(
        trained.file,
        trained.cohort,
        QUICK,
        settings=trained.settings,
        progress=quiet,
        now=NOW,
    )

    assert again.version != trained.version.version
    assert again.artefact_digest == trained.version.artefact_digest


def test_progress_reaches_the_end_of_every_stage(trained: Trained) -> None:
    last = {stage: (done, total) for stage, done, total in trained.stages}

    assert "Judging by nested cross-validation" in last
    assert all(done == total for done, total in last.values())


def test_a_bad_cohort_leaves_nothing_registered(trained: Trained, tmp_path: Path) -> None:
    settings = Settings(home=tmp_path / "bad")
    stages: list[str] = []

    with pytest.raises(CohortError, match="0 in all 700 rows"):
        train(
            trained.file,
            cohort(people().assign(outcome=0)),
            QUICK,
            settings=settings,
            progress=lambda stage, *_: stages.append(stage),
            now=NOW,
        )

    assert stages == ["Checking the cohort"]
    files = [path for path in settings.root.rglob("*") if path.is_file()]
    assert files == [settings.root / "scratch.lock"]


def test_a_run_that_fails_while_it_is_logged_leaves_no_version(
    trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "pyfunc.py").write_text("raise RuntimeError('the model file is broken')\n")
    monkeypatch.setitem(register_run.__globals__, "_PYFUNC", tmp_path / "pyfunc.py")
    client = MlflowClient(trained.settings.tracking_uri, trained.settings.tracking_uri)
    before = len(client.search_model_versions("name = 'readmission'"))

    with pytest.raises(Exception, match="broken"):
        train(
            trained.file, trained.cohort, QUICK, settings=trained.settings, progress=quiet, now=NOW
        )

    assert len(client.search_model_versions("name = 'readmission'")) == before
    newest = client.search_runs(
        [run.experiment_id for run in client.search_experiments()], max_results=1
    )[0]
    assert newest.info.status == "FAILED"


@pytest.mark.parametrize(
    ("name", "version"), [("readmission", "99"), ("readmission", "best"), ("none", "1")]
)
def test_a_version_that_is_not_there_is_named_with_what_to_do(
    name: str, version: str, trained: Trained
) -> None:
    with pytest.raises(RegistryError, match=f"{name} has no version or alias '{version}'.*train"):
        find_version(name, version, settings=trained.settings)


def test_an_artefact_that_was_changed_in_the_store_is_not_fetched(
    trained: Trained, model_files: Path, tmp_path: Path
) -> None:
    card = model_files / "artifacts" / "artefact" / "card.md"
    before = card.read_bytes()
    card.write_bytes(before + b"For clinical use.")
    try:
        with pytest.raises(ArtefactError, match=r"card\.md"):
            download(
                find_version("readmission", "1", settings=trained.settings),
                tmp_path / "fetched",
                settings=trained.settings,
            )
    finally:
        card.write_bytes(before)
    assert not (tmp_path / "fetched").exists()


def test_whole_numbers_in_a_users_file_are_described_without_a_warning(
    definition: Definition,
) -> None:
    """Warnings are errors here, and MLflow warns of every column of whole numbers."""
    table = people(40).assign(age=lambda f: f["age"].astype("int64"))

    described = describe_cohort(cohort(table), definition)

    assert {str(one.type) for one in described.schema.inputs} == {
        "DataType.double",
        "DataType.string",
    }
