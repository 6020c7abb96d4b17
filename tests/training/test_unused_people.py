"""A recalibrated champion is compared on people to whom its calibration was not fitted."""

import json
import shutil
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from mlflow.tracking import MlflowClient
from numpy.typing import NDArray

from auscult.summary import show_retrained
from models.definition import DefinitionFile
from records.settings import Settings
from tests.training.conftest import NOW, Trained, share_registry
from tests.training.readmissions import DEFINITION, cohort, followed, people, write_definition
from tests.training.records import record, report
from training.champion import FILE, champion_risks, read_comparison, read_judged
from training.cohort import Cohort
from training.gate_results import gate_results
from training.gates import GateResult
from training.lineage import lineage
from training.options import TrainOptions
from training.population import admit
from training.recalibration import recalibrate
from training.registry import find_version, read_run_file, set_alias
from training.reproduction import reproduce
from training.retraining import Retrained, retrain
from training.run import train
from training.unused_people import calibrated_through, later_if_enough

GATE = '{ metric = "auroc_minus_champion", at_least = -0.2 },\n]\n\n[[bands]]'
PLAN = """
[change_plan]
max_depth = [2, 2]
learning_rate = [0.05, 0.06]
window_days = 400
"""
QUICK = TrainOptions(trained_by="Ada", quick=True, draws=40, seed=7)
ENOUGH, TOO_FEW = "2025-06-30", "2025-08-25"  # last days of a table beside records to 2025-09-07


@pytest.fixture
def registry(sqlite_db: Settings, trained: Trained) -> Settings:
    share_registry(trained.settings, sqlite_db)
    return sqlite_db


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> DefinitionFile:
    text = DEFINITION.replace("]\n\n[[bands]]", GATE, 1) + PLAN
    return write_definition(tmp_path_factory.mktemp("planned"), text)


def _table(last_day: str | None, rows: int = 900) -> Cohort:
    """Return other people, the last of them seen on this day; without one, undated."""
    frame = people(rows, seed=40)
    if last_day is not None:
        end = pd.Timestamp(last_day) + pd.Timedelta(hours=12)
        frame["time"] = end - pd.to_timedelta(np.arange(rows)[::-1], unit="h")
    return replace(cohort(frame), digest="4" * 64)


def _recalibrate(table: Cohort, settings: Settings) -> str:
    return recalibrate(
        "readmission",
        "1",
        table,
        by="Ben",
        draws=40,
        seed=3,
        settings=settings,
        progress=lambda *_: None,
        now=NOW,
    ).version


def _recalibrated_champion(table: Cohort, settings: Settings) -> str:
    version = _recalibrate(table, settings)
    set_alias("readmission", "champion", version, settings=settings)
    return version


def _challenge(file: DefinitionFile, trained: Trained, settings: Settings) -> Retrained:
    frame = followed(1000, seed=3)
    digest = trained.version.artefact_digest
    predictions = record(file.definition, frame, artefact_digest=digest)
    report(file.definition, predictions, frame)
    return retrain(
        file, trained.cohort, QUICK, settings=settings, progress=lambda *_: None, now=NOW
    )


def _gate(version: str, settings: Settings) -> GateResult:
    """Return how a version stands to the gate beside the champion."""
    registered = find_version("readmission", version, settings=settings)
    directory = settings.cache / "artefacts" / registered.artefact_digest
    found = gate_results(registered, directory, settings=settings)
    (gate,) = (one for one in found if one.metric == "auroc_minus_champion")
    return gate


def test_only_predictions_later_than_a_champions_recalibration_test_where_they_are_enough(
    registry: Settings, trained: Trained, file: DefinitionFile
) -> None:
    _recalibrated_champion(_table(ENOUGH), registry)

    found = _challenge(file, trained, registry)

    assert found.made_from["calibrated_through"] == "2025-06-30T23:59:59.999999+00:00"
    assert found.made_from["learnt_through"] > "2025-06-30"
    assert found.made_from["test"] < 0.4 * found.made_from["recorded"]
    assert found.used is None
    assert found.made_from["calibration_used"] is None
    gate = _gate(found.trained.version, registry)
    assert gate.result == "passed"
    client = MlflowClient(registry.tracking_uri, registry.tracking_uri)
    assert "auroc_minus_champion" in client.get_run(found.trained.run_id).data.metrics
    again = reproduce(
        "readmission",
        found.trained.version,
        trained.cohort,
        settings=registry,
        progress=lambda *_: None,
        now=NOW,
    )
    assert again.equal


def test_a_comparison_on_people_of_a_champions_calibration_passes_no_gate_and_says_so(
    registry: Settings, trained: Trained, file: DefinitionFile, capsys: pytest.CaptureFixture[str]
) -> None:
    champion = _recalibrated_champion(_table(TOO_FEW), registry)

    found = _challenge(file, trained, registry)

    assert found.made_from["test"] == 400
    assert found.used is not None
    assert "its calibration may have been fitted to 347 of the 400 later predictions" in found.used
    assert "those through 2025-08-25; after that day there are" in found.used
    gate = _gate(found.trained.version, registry)
    assert gate.result == "insufficient evidence"
    assert f"compared with version {champion} on people who are no evidence" in gate.words
    assert found.used in gate.words
    show_retrained(found)
    shown = " ".join(capsys.readouterr().out.split())
    assert f"no evidence, and no gate passes on it: of version {champion}, its calib" in shown
    client = MlflowClient(registry.tracking_uri, registry.tracking_uri)
    assert "auroc_minus_champion" not in client.get_run(found.trained.run_id).data.metrics


def test_a_recalibration_without_dates_reaches_to_the_day_it_was_registered(
    registry: Settings, trained: Trained
) -> None:
    began = datetime.now(UTC).replace(microsecond=0)
    version = _recalibrated_champion(_table(None), registry)
    made = lineage(find_version("readmission", version, settings=registry), settings=registry)

    through = calibrated_through(made, settings=registry)

    assert through is not None
    assert began <= through <= datetime.now(UTC)
    assert calibrated_through(made[1:], settings=registry) is None


def test_a_table_that_holds_rows_of_a_champions_calibration_is_known_again(
    registry: Settings, trained: Trained, file: DefinitionFile
) -> None:
    table = _table(ENOUGH)
    version = _recalibrated_champion(table, registry)
    others = people(900, seed=41).assign(patient_id=lambda frame: "X" + frame["patient_id"])
    mixed = pd.concat([table.frame.iloc[:450].drop(columns="time"), others], ignore_index=True)
    before = pd.Series([True] * 450 + [False] * 900).to_numpy()

    for frame, expected in ((mixed, True), (mixed[~before].reset_index(drop=True), False)):
        given = replace(cohort(frame), digest="6" * 64)
        rows, _ = admit(given, file.definition, NOW)
        found = champion_risks("readmission", rows, given, settings=registry)
        assert found is not None
        assert found.version.version == version
        assert (found.used is not None) is expected
        if expected:
            assert f"rows that version {version} learnt from" in str(found.used)


def test_a_champion_is_compared_on_its_own_recalibrations_table_by_the_folds_that_judged_it(
    registry: Settings, trained: Trained, file: DefinitionFile
) -> None:
    table = _table(None)
    version = _recalibrated_champion(table, registry)

    found = train(file, table, QUICK, settings=registry, progress=lambda *_: None, now=NOW)

    registered = find_version("readmission", found.version, settings=registry)
    compared = read_comparison(read_run_file(registered, FILE, settings=registry) or b"")
    assert compared["version"] == version
    assert compared["used"] is None
    assert "of fits that had not seen the person" in compared["basis"]
    assert _gate(found.version, registry).result in ("passed", "insufficient evidence")
    assert "champion: version" in _gate(found.version, registry).words
    champion = find_version("readmission", version, settings=registry)
    rows, _ = admit(table, file.definition, NOW)
    text = read_run_file(champion, "judged.parquet", settings=registry)
    held_out = read_judged(text or b"", rows)
    assert held_out is not None
    assert held_out.mean() == pytest.approx(table.frame["outcome"].mean(), abs=0.01)


def test_a_recalibrated_version_is_compared_with_the_champion_on_the_people_who_judge_it(
    registry: Settings, trained: Trained, file: DefinitionFile, tmp_path: Path
) -> None:
    set_alias("readmission", "champion", "1", settings=registry)
    version = _recalibrate(_table(ENOUGH), registry)

    registered = find_version("readmission", version, settings=registry)
    compared = read_comparison(read_run_file(registered, FILE, settings=registry) or b"")
    directory = registry.cache / "artefacts" / registered.artefact_digest
    evidence = json.loads((directory / "evidence.json").read_bytes())
    as_it_was = evidence["difference_to_baseline"]["differences"]["brier"]
    assert (compared["version"], compared["used"]) == ("1", None)
    assert compared["metrics"]["brier_minus_champion"] == as_it_was["value"]
    assert compared["metrics"]["brier_minus_champion_high"] == as_it_was["high"]
    asking = tmp_path / "asking"  # version 1's own definition asks for no difference
    shutil.copytree(directory, asking)
    (asking / "model.toml").write_bytes(file.path.read_bytes())
    found = gate_results(registered, asking, settings=registry)
    (gate,) = (one for one in found if one.metric == "auroc_minus_champion")
    assert gate.passed
    assert gate.words.endswith("(champion: version 1)")
    card = str(read_run_file(registered, "card.html", settings=registry), "utf-8")
    assert "Version 1 was champion when this one was made, so the differences above are" in card
    assert "Difference to version 1" not in card
    assert "Beside the champion" not in (directory / "card.html").read_text("utf-8")


def test_a_comparison_by_an_earlier_release_with_a_recalibrated_champion_is_none(
    registry: Settings, trained: Trained, file: DefinitionFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    _recalibrated_champion(_table(ENOUGH), registry)
    found = _challenge(file, trained, registry)
    registered = find_version("readmission", found.trained.version, settings=registry)
    written = json.loads(read_run_file(registered, FILE, settings=registry) or b"")

    monkeypatch.setattr(
        "training.gate_results.read_comparison",
        lambda _: {name: written[name] for name in written if name != "used"},
    )

    gate = _gate(found.trained.version, registry)
    assert gate.result == "insufficient evidence"
    assert "an earlier release, which made the comparison, didn't ask" in gate.words


def test_later_predictions_test_alone_only_if_a_gate_could_pass_on_them() -> None:
    times = np.datetime64("2025-01-01") + np.arange(400).astype("timedelta64[D]")
    tests = np.arange(400) >= 100
    event = np.arange(400) % 2 == 1

    def later(through: datetime, patient: NDArray[np.int64]) -> tuple[NDArray[np.bool_], Any]:
        return later_if_enough(tests, times, event, ~event, patient, through)

    each = np.arange(400)
    enough, none = later(datetime(2025, 7, 19, 23, tzinfo=UTC), each)
    every, why = later(datetime(2025, 7, 20, 23, tzinfo=UTC), each)

    assert (int(enough.sum()), none) == (200, None)
    assert np.array_equal(every, tests)
    assert why is not None
    assert "fitted to 101 of the 300 later predictions" in why
    assert "after that day there are 100 with and 99 without the event" in why
    untouched, none = later(datetime(2025, 1, 2, tzinfo=UTC), each)
    assert (int(untouched.sum()), none) == (300, None)
    _, of_few = later(datetime(2025, 7, 19, 23, tzinfo=UTC), each // 4)
    assert "there are 50 patients with and 50 without the event" in of_few


def test_who_has_earlier_predictions_or_no_known_outcome_is_not_among_the_enough() -> None:
    times = np.datetime64("2025-01-01") + np.arange(800).astype("timedelta64[D]")
    tests, event = np.arange(800) >= 200, np.arange(800) % 2 == 1
    known = np.ones(800, dtype=bool)

    def later(patient: NDArray[np.int64], known: NDArray[np.bool_]) -> Any:
        through = datetime(2026, 2, 4, 23, tzinfo=UTC)  # of row 399
        return later_if_enough(tests, times, event, ~event & known, patient, through)

    each = np.arange(800)
    enough, none = later(each, known)
    assert (int(enough.sum()), none) == (400, None)
    again = np.r_[each[:400], each[:380], each[780:]]
    every, why = later(again, known)
    assert np.array_equal(every, tests)
    assert "fitted to 200 of the 600 later predictions" in why
    assert (
        "after that day, leaving out 380 of people who have earlier ones, there are 10 with and 10 "
        "without the event" in why
    )
    every, why = later(each, known & (each < 590))
    assert np.array_equal(every, tests)
    assert "after that day there are 200 with and 95 without the event" in why
