import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from mlflow.tracking import MlflowClient

from models.encoding import encode_table
from models.errors import CohortError, PromotionRefused
from models.risk_model import RiskModel
from records.settings import Settings
from tests.training.conftest import NOW, Trained, share_registry
from tests.training.readmissions import cohort, people
from training import search
from training.card import card_files
from training.cohort import Cohort
from training.gate_results import gate_results
from training.options import TrainOptions
from training.recalibration import recalibrate
from training.registry import find_version
from training.reproduction import reproduce
from training.run import TrainedVersion, train
from training.separation import makers, refuse_makers
from training.validation import validate

SETTING = {"seed": 3, "draws": 40, "progress": lambda *_: None, "now": NOW}


@pytest.fixture(scope="module")
def elsewhere(trained: Trained) -> Cohort:
    """People of whom far fewer have the event than their values would tell."""
    frame = people(900, seed=21)
    generator = np.random.default_rng(5)
    spared = (frame["outcome"] == 1) & (generator.random(len(frame)) < 0.6)
    return replace(
        cohort(frame.assign(outcome=frame["outcome"].where(~spared, 0))), digest="1" * 64
    )


@pytest.fixture(scope="module")
def home(trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """A registry of its own with version 1, so that new versions disturb no other test."""
    settings = Settings(home=tmp_path_factory.mktemp("validated"))
    share_registry(trained.settings, settings)
    return settings


@pytest.fixture(scope="module")
def recalibrated(home: Settings, elsewhere: Cohort) -> TrainedVersion:
    return recalibrate("readmission", "1", elsewhere, by="Ben", settings=home, **SETTING)


def _reproduce(home: Settings, version: str, table: Cohort) -> tuple[bool, tuple[str, ...]]:
    found = reproduce(
        "readmission", version, table, settings=home, progress=lambda *_: None, now=NOW
    )
    return found.equal, found.differences


def test_a_version_is_made_again_byte_for_byte(home: Settings, trained: Trained) -> None:
    assert _reproduce(home, "1", trained.cohort) == (True, ())


def test_a_search_that_time_ended_is_repeated_by_its_number_of_trials(
    home: Settings, trained: Trained, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "MOST_ROUNDS", 12)
    monkeypatch.setattr(search, "_STRENGTHS", (1.0,))
    monkeypatch.setattr(search, "_L1_RATIOS", (0.0,))
    table = cohort(people(300, seed=2))
    options = TrainOptions(
        trained_by="Ada",
        trials=50,
        draws=20,
        seed=7,
        timeout_seconds=1e-6,
        stability=2,
        stability_trials=40,
    )
    version = train(trained.file, table, options, settings=home, progress=lambda *_: None, now=NOW)
    evidence = json.loads((version.directory / "evidence.json").read_bytes())

    searched = [evidence["model_evidence"]["trials"], *evidence["split"]["nested_trials"]]
    assert all(1 <= trials < options.trials for trials in searched)  # the clock ended each search
    assert evidence["stability"]["trials"] == searched[0]
    assert _reproduce(home, version.version, table) == (True, ())


def test_another_cohort_is_named_with_every_file_that_differs(
    home: Settings, trained: Trained
) -> None:
    frame = trained.cohort.frame.assign(age=trained.cohort.frame["age"] + 1)
    equal, differences = _reproduce(
        home, "1", replace(trained.cohort, frame=frame, digest="2" * 64)
    )

    assert not equal
    assert differences[0].startswith("the cohort: SHA-256 222")
    named = {difference.split(":")[0] for difference in differences}
    assert {"trees.ubj", "evidence.json", "reference.parquet"} <= named
    assert not {"model.toml", "card.md"} & named


def test_a_version_is_evaluated_elsewhere_as_it_is_served(
    home: Settings, trained: Trained, elsewhere: Cohort
) -> None:
    found = validate("readmission", "1", elsewhere, settings=home, **SETTING)

    model = RiskModel.load(trained.version.directory, version="1")
    risks = model.risks({name: elsewhere.frame[name].to_numpy() for name in elsewhere.frame})
    ratio = elsewhere.frame["outcome"].sum() / risks.sum()
    assert found.evaluation.figures["observed_expected"].value == pytest.approx(ratio)
    large = found.evaluation.figures["calibration_in_the_large"]
    assert large.high is not None
    assert large.high < 0
    client = MlflowClient(home.tracking_uri, home.tracking_uri)
    run = client.get_run(found.run_id)
    assert run.data.tags["auscult.validates"] == "1"
    assert run.data.metrics["auroc"] == found.evaluation.figures["auroc"].value
    place = client.download_artifacts(found.run_id, "validation.json")
    assert json.loads(Path(place).read_bytes())["is_its_own_cohort"] is False


def test_recalibration_makes_a_new_version_that_agrees_with_the_new_population(
    home: Settings, recalibrated: TrainedVersion, trained: Trained, elsewhere: Cohort
) -> None:
    frame = elsewhere.frame
    columns = {name: frame[name].to_numpy() for name in frame}
    before = RiskModel.load(trained.version.directory, version="1").risks(columns)
    after = RiskModel.load(recalibrated.directory, version=recalibrated.version).risks(columns)

    assert after.sum() == pytest.approx(frame["outcome"].sum(), rel=1e-6)
    assert (pd.Series(after).rank() == pd.Series(before).rank()).all()
    large = recalibrated.evaluation.figures["calibration_in_the_large"]
    assert large.low is not None
    assert large.high is not None
    assert large.low < 0 < large.high
    # judged by calibrations that had not seen the person, it isn't perfect by construction
    slope = recalibrated.evaluation.figures["calibration_slope"].value
    assert slope != pytest.approx(1, abs=1e-4)
    evidence = json.loads((recalibrated.directory / "evidence.json").read_bytes())
    assert evidence["recalibrated_from"] == "1"
    card = (recalibrated.directory / "card.html").read_text()
    assert "version 1 as it was" in card


def test_the_card_of_a_recalibrated_version_tells_the_trees_people_from_those_that_it_is_for(
    recalibrated: TrainedVersion, trained: Trained, elsewhere: Cohort
) -> None:
    card = " ".join((recalibrated.directory / "card.html").read_text().split())
    evidence = json.loads((recalibrated.directory / "evidence.json").read_bytes())
    first = json.loads((trained.version.directory / "evidence.json").read_bytes())

    assert evidence["split"]["training"] == first["split"]["training"]
    assert evidence["split"]["calibrating"]["rows"] == len(elsewhere.frame)
    assert f"fitted to readmissions.csv (SHA-256 <code>{'0' * 64}</code>): 700 rows" in card
    assert "one fitted to all 900 rows" in card
    assert "by the trees as they were and a calibration that was fitted to the other folds" in card
    assert "that some are can&#39;t be ruled out" in card
    for claim in ("had not seen", "external validation on another population"):
        assert claim not in card
    answers = {
        (report["key"], answer["item"]): answer["answer"]
        for report in json.loads((recalibrated.directory / "card.json").read_bytes())["reporting"]
        for answer in report["answers"]
    }
    assert answers["tripod_ai", "4"].startswith("Updating of version 1")
    assert answers["hti_1", "Quantitative measures 1"] == "not provided"
    assert answers["hti_1", "Quantitative measures 3"].startswith("AUROC")
    assert "700 rows" in answers["tripod_ai", "21"]
    assert answers["tripod_ai", "11"].startswith("Missing where the trees learnt: Creatinine")
    assert (
        "in readmissions.csv, the recalibration's table: Creatinine" in answers["tripod_ai", "11"]
    )
    assert answers["tripod_ai", "11"].endswith(". Trees take a missing value as one")
    assert answers["tripod_ai", "12b"] == (
        "As in version 1: numbers as they are, categories as 0 and 1"
    )
    assert answers["tripod_ai", "24"].startswith(
        "Minus version 1 as it was, on readmissions.csv: Brier score -"
    )
    development = answers["chai", "AISystemFacts/DevelopmentDataCharacterization"]
    assert development.startswith("Trees: readmissions.csv, 700 rows of 700 patients, ")
    assert "Training: 700 rows; Sex: Female" in development
    assert "Recalibration: readmissions.csv, 900 rows of 900 patients, " in development
    assert answers["hti_1", "Development and inputs 1"] == (
        "Age 18 years or more; of the trees' table no row was left out; of the recalibration's "
        "table no row was left out"
    )


def test_the_card_of_a_recalibrated_version_says_nothing_of_fits_that_it_has_not(
    recalibrated: TrainedVersion, trained: Trained, elsewhere: Cohort
) -> None:
    card = " ".join((recalibrated.directory / "card.html").read_text().split())
    evidence = json.loads((recalibrated.directory / "evidence.json").read_bytes())

    assert (
        "<strong>Quick training of the trees:</strong> those of version 1 have fixed parameters "
        "without a search.</p>"
    ) in card
    assert "<th>Version 1 as it was</th>" in card
    assert "Baseline" not in card
    assert "the regression takes" not in card
    assert "a calibration changes nobody's rank" in card
    # what moves the risks is that of these people, under the calibration that is served
    model = RiskModel.load(recalibrated.directory, version=recalibrated.version)
    columns = {name: elsewhere.frame[name].to_numpy() for name in elsewhere.frame}
    served = model.scorer.explain_batch(encode_table(model.definition, columns))
    mean = np.abs(served.contributions).mean(axis=0)
    assert list(evidence["importance"].values()) == pytest.approx(mean.tolist())


def test_a_version_that_an_earlier_release_recalibrated_is_held_against_the_regression_too(
    home: Settings, recalibrated: TrainedVersion, tmp_path: Path
) -> None:
    registered = find_version("readmission", recalibrated.version, settings=home)
    older = tmp_path / "older"
    shutil.copytree(recalibrated.directory, older)
    evidence = json.loads((older / "evidence.json").read_bytes())
    del evidence["trees_against_baseline"]
    (older / "evidence.json").write_text(json.dumps(evidence))

    now = gate_results(registered, recalibrated.directory, settings=home)
    found = gate_results(registered, older, settings=home)

    assert found == now
    beside = [gate for gate in found if gate.metric.endswith("_minus_baseline")]
    assert len(beside) == 2
    assert all("of version 1, whose trees these are, as it was judged" in g.words for g in beside)
    assert all(gate.passed for gate in beside)


def test_suspicions_of_the_table_that_the_trees_learnt_from_stay_on_a_recalibrated_card(
    recalibrated: TrainedVersion, trained: Trained
) -> None:
    evidence = json.loads((recalibrated.directory / "evidence.json").read_bytes())
    evidence["recalibration"]["trees"]["suspicions"] = ["Ward: missing in 60% of rows"]
    evidence["recalibration"]["trees"]["exclusions"] = [["Age below 18", 3], ["Unknown ward", None]]

    evidence["recalibration"]["trees"]["set_to_missing"] = [["Ward", 4]]

    values = json.loads(card_files(trained.file, evidence, {})["card.json"])
    (tripod,) = (one for one in values["reporting"] if one["key"] == "tripod_ai")
    said = {one["item"]: one["answer"] for one in tripod["answers"]}

    emptied = "in the trees' table implausible values set to missing, the rows being kept: Ward 4; "
    assert f"{emptied}in the recalibration's table no value was set to missing" in said["7"]
    assert "where the trees learnt: Ward: missing in 60% of rows" in said["26"]
    assert "readmissions.csv, the trees' table: Ward: missing in 60% of rows; in" in said["7"]
    assert (
        "of the trees' table left out: Age below 18: 3; Unknown ward: withheld; of the "
        "recalibration's table no row was left out"
    ) in said["6b"]


def test_recalibration_says_how_often_its_people_were_looked_at_before(
    home: Settings, recalibrated: TrainedVersion
) -> None:
    assert recalibrated.earlier is not None
    client = MlflowClient(home.tracking_uri, home.tracking_uri)
    place = Path(client.download_artifacts(recalibrated.run_id, "earlier_runs.json"))
    assert json.loads(place.read_bytes())["count"] == recalibrated.earlier.count
    metrics = client.get_run(recalibrated.run_id).data.metrics
    assert metrics["earlier_runs"] == recalibrated.earlier.count


def test_a_recalibrated_version_is_made_again_from_the_version_that_it_was(
    home: Settings, recalibrated: TrainedVersion, elsewhere: Cohort
) -> None:
    assert _reproduce(home, recalibrated.version, elsewhere) == (True, ())


def test_another_population_does_not_make_a_recalibrated_version_again(
    home: Settings, recalibrated: TrainedVersion, trained: Trained
) -> None:
    equal, differences = _reproduce(home, recalibrated.version, trained.cohort)

    assert not equal
    assert differences[0].startswith("the cohort: SHA-256 000")
    named = {difference.split(":")[0] for difference in differences}
    assert "evidence.json" in named
    assert "trees.ubj" not in named


def test_risks_that_fall_with_the_outcome_are_not_recalibrated(
    home: Settings, elsewhere: Cohort
) -> None:
    inverted = elsewhere.frame.assign(outcome=1 - elsewhere.frame["outcome"])

    with pytest.raises(CohortError, match="don't rise with the outcome"):
        recalibrate(
            "readmission",
            "1",
            replace(elsewhere, frame=inverted),
            by="Ben",
            settings=home,
            **SETTING,
        )


@pytest.mark.parametrize("maker", ["Ada", "ben "])
def test_neither_who_trained_nor_who_recalibrated_a_version_may_promote_it(
    maker: str, home: Settings, recalibrated: TrainedVersion
) -> None:
    registered = find_version("readmission", recalibrated.version, settings=home)

    found = [(one.person, one.part) for one in makers(registered, settings=home)]
    assert found == [("Ada", "trained"), ("Ben", "recalibrated")]
    with pytest.raises(PromotionRefused, match="trained by Ada and recalibrated by Ben"):
        refuse_makers(registered, maker, settings=home)
    refuse_makers(registered, "Grace", settings=home)
