"""What a whole training run costs, beside a plain scikit-learn loop over the same rows.

    python -m benchmarks.training --rows 100000 --trials 50 --draws 1000
    python -m benchmarks.training --rows 5000 --trials 4 --draws 50 --plain
    python -m benchmarks.training --write      # and into docs/train.md

The table is made up: 45 numeric features, some missing, people with more than one row, and a time.
The plain loop searches the same ranges without pruning, calibrates by CalibratedClassifierCV, and
bootstraps four figures one draw at a time; it has no subgroups, baseline, explanations or card. One
after the other, never both at once. Prints Markdown. Processor seconds are those of this process
over all cores, so they hold on a machine that is busy otherwise too.
"""

import argparse
import os
import resource
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.made_up import _HEAD as HEAD
from benchmarks.made_up import _TAIL as TAIL
from benchmarks.markdown import write_between
from models.definition import DefinitionFile, read_definition
from records.settings import Settings
from training.cohort import Cohort

PAGE = Path(__file__).parents[1] / "docs" / "train.md"
FEATURES = 45
SEED = 11
_FEATURE = """
[[features]]
name = "measured_{number}"
title = "Measured value {number}"
kind = "numeric"
unit = "mmol/L"
plausible = [-50, 50]
look_back_days = 7
"""
_SUBGROUP = """
[[subgroups]]
name = "first"
title = "First value"
feature = "measured_0"
cuts = [-0.5, 0.5]
"""


def main() -> None:
    """Run what is asked for and print stages, memory and, if wanted, the plain loop."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--trials", type=int, default=50)
    parser.add_argument("--draws", type=int, default=1000)
    parser.add_argument("--plain", action="store_true")
    parser.add_argument("--write", action="store_true", help="into docs/train.md too")
    asked = parser.parse_args()
    table = made_up(asked.rows)
    with tempfile.TemporaryDirectory() as directory:
        spent = time.process_time()
        seconds = ours(table, Path(directory), asked.trials, asked.draws)
        spent = time.process_time() - spent
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    text = report(asked, seconds, spent, peak)
    print(text)
    if asked.write:
        write_between(PAGE, "benchmarks.training", text)
    if asked.plain:
        began = time.monotonic()
        auroc = plain(table, asked.trials, asked.draws)
        taken = time.monotonic() - began
        print(f"\nPlain scikit-learn loop: {taken:,.1f} s (AUROC {auroc:.3f}).")


def report(asked: argparse.Namespace, seconds: dict[str, float], spent: float, peak: float) -> str:
    """Return the stages and what the whole run took as Markdown."""
    cores, load = len(os.sched_getaffinity(0)), os.getloadavg()[2]
    stages = "\n".join(f"| {stage} | {taken:,.1f} |" for stage, taken in seconds.items())
    return (
        f"{asked.rows:,} rows, {FEATURES} features, {asked.trials} trials, {asked.draws:,} draws, "
        f"on {cores} cores:\n\n"
        f"| stage | seconds |\n| --- | --: |\n{stages}\n\n"
        f"Peak memory {peak:,.0f} MB. {spent:,.0f} processor seconds; on average {load:.1f} "
        "programs wanted to run in the last quarter of an hour, this one among them."
    )


def made_up(rows: int) -> pd.DataFrame:
    """Return a table in which ten of the features tell the outcome, a tenth of values missing."""
    generator = np.random.default_rng(SEED)
    values = generator.normal(size=(rows, FEATURES))
    margin = values[:, :10] @ generator.normal(0, 0.3, 10) + 0.4 * values[:, 0] * values[:, 1] - 2.2
    values[generator.random(values.shape) < 0.1] = np.nan
    table = pd.DataFrame(values.round(3), columns=[f"measured_{n}" for n in range(FEATURES)])
    return table.assign(
        outcome=(generator.random(rows) < 1 / (1 + np.exp(-margin))).astype(int),
        patient_id=generator.integers(0, int(rows * 0.8), rows).astype(str),
        time=np.arange(rows),
    )


def ours(table: pd.DataFrame, home: Path, trials: int, draws: int) -> dict[str, float]:
    """Train by the same call as `auscult train`, and return each stage's seconds."""
    from training.options import TrainOptions
    from training.run import train
    from training.stages import Stages

    stages = Stages(lambda *_: None)
    began = time.monotonic()
    found = train(
        _definition(home / "made_up"),
        Cohort(table, source="made up", digest="0" * 64),
        TrainOptions(trained_by="benchmark", trials=trials, draws=draws),
        settings=Settings(home=home / "home"),
        progress=stages,
        now=datetime.now(UTC),
    )
    whole = time.monotonic() - began
    print(f"AUROC {found.evaluation.figures['auroc'].value:.3f}")
    times = {
        name.removeprefix("seconds_").replace("_", " "): seconds
        for name, seconds in stages.metrics().items()
        if name.startswith("seconds_")
    }
    return {**times, "everything": whole}


def plain(table: pd.DataFrame, trials: int, draws: int) -> float:
    """Search, calibrate and bootstrap as a loop over scikit-learn's own functions does."""
    from sklearn.calibration import CalibratedClassifierCV
    from sklearn.metrics import average_precision_score, brier_score_loss, log_loss, roc_auc_score
    from sklearn.model_selection import RandomizedSearchCV, StratifiedGroupKFold
    from xgboost import XGBClassifier

    later = table["time"] > table["time"].quantile(0.6)
    seen = table["patient_id"].isin(table.loc[~later, "patient_id"])
    train, test = table[~later], table[later & ~seen]
    columns = [f"measured_{n}" for n in range(FEATURES)]
    ranges = {
        "max_depth": range(2, 7),
        "learning_rate": np.geomspace(0.02, 0.3, 20),
        "min_child_weight": np.geomspace(1, 50, 20),
        "subsample": np.linspace(0.5, 1, 11),
        "colsample_bytree": np.linspace(0.5, 1, 11),
        "n_estimators": (100, 200, 400),
    }
    folds = list(
        StratifiedGroupKFold(5, shuffle=True, random_state=SEED).split(
            train[columns], train["outcome"], train["patient_id"]
        )
    )
    search = RandomizedSearchCV(
        XGBClassifier(tree_method="hist", n_jobs=2),
        ranges,
        n_iter=trials,
        cv=folds,
        scoring="neg_log_loss",
        random_state=SEED,
    ).fit(train[columns], train["outcome"])
    model = CalibratedClassifierCV(search.best_estimator_, cv=folds)
    model.fit(train[columns], train["outcome"])
    risk, outcome = model.predict_proba(test[columns])[:, 1], test["outcome"].to_numpy()
    generator = np.random.default_rng(SEED)
    for _ in range(draws):
        rows = generator.integers(0, len(risk), len(risk))
        for figure in (roc_auc_score, average_precision_score, brier_score_loss, log_loss):
            figure(outcome[rows], risk[rows])
    return float(roc_auc_score(outcome, risk))


def _definition(directory: Path) -> DefinitionFile:
    directory.mkdir()
    features = "".join(_FEATURE.format(number=number) for number in range(FEATURES))
    (directory / "model.toml").write_text(f"{HEAD}{features}{TAIL}{_SUBGROUP}", encoding="utf-8")
    (directory / "card.md").write_text("# Made up\n", encoding="utf-8")
    return read_definition(directory / "model.toml")


if __name__ == "__main__":
    main()
