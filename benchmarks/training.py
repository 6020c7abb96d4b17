"""What a whole training run costs, beside a plain scikit-learn loop over the same rows.

    python -m benchmarks.training                        # Auscult's default run: 100,000 rows
    python -m benchmarks.training --plain                # and the plain loop after it
    python -m benchmarks.training --plain --plain-trials 10 --plain-draws 100    # scaled from less
    python -m benchmarks.training --plain --write        # and into docs/train.md

The table is made up: 45 numeric features, some missing, people with more than one row, and a time.
The plain loop searches the same ranges by RandomizedSearchCV in folds by patient, without pruning
or early stopping, calibrates by CalibratedClassifierCV, and bootstraps the twelve figures that
Auscult gives, one draw at a time; it has no subgroups, thresholds, baseline, explanations or card.
Where it does fewer trials or draws than Auscult its seconds are multiplied, and the table says so.

Each is a process of its own, one after the other. Processor seconds are those of the process over
all cores, so they hold on a machine that is busy otherwise too; seconds on the wall don't.
"""

import argparse
import os
import resource
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from benchmarks.made_up import _HEAD as HEAD
from benchmarks.made_up import _TAIL as TAIL
from benchmarks.markdown import table as markdown_table
from benchmarks.markdown import write_between
from models.definition import DefinitionFile, read_definition
from records.settings import Settings
from training.cohort import Cohort

PAGE = Path(__file__).parents[1] / "docs" / "train.md"
FEATURES = 45
SEED = 11
Array = npt.NDArray[Any]
Run = Callable[[pd.DataFrame, int, int], tuple[dict[str, float], float]]
RANGES: Final = {
    "max_depth": range(2, 7),
    "learning_rate": np.geomspace(0.02, 0.3, 20),
    "min_child_weight": np.geomspace(1, 50, 20),
    "subsample": np.linspace(0.5, 1, 11),
    "colsample_bytree": np.linspace(0.5, 1, 11),
    "reg_lambda": np.geomspace(0.1, 30, 20),
    "reg_alpha": np.geomspace(0.001, 10, 20),
    "n_estimators": (100, 200, 400),
}
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


@dataclass(frozen=True, slots=True)
class Cost:
    """What a process took: processor seconds of each part, all in all, on the wall, and memory."""

    parts: dict[str, float]
    processor: float
    wall: float
    peak_mb: float
    auroc: float


def main() -> None:
    """Run what is asked for, each in a process of its own, and print both costs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--trials", type=int, default=50)
    parser.add_argument("--draws", type=int, default=1000)
    parser.add_argument("--plain", action="store_true", help="the plain loop too")
    parser.add_argument("--plain-trials", type=int, help="default: as many trials")
    parser.add_argument("--plain-draws", type=int, help="default: as many draws")
    parser.add_argument("--write", action="store_true", help="into docs/train.md too")
    asked = parser.parse_args()
    own = alone(ours, asked.rows, asked.trials, asked.draws)
    text = report(asked, own)
    if asked.plain:
        trials, draws = asked.plain_trials or asked.trials, asked.plain_draws or asked.draws
        peer = alone(plain, asked.rows, trials, draws)
        text += f"\n\n{comparison(asked, own, peer, trials, draws)}"
    print(text)
    if asked.write:
        write_between(PAGE, "benchmarks.training", text)


def alone(run: Run, rows: int, trials: int, draws: int) -> Cost:
    """Return what one run costs in a new process."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(measured, run, rows, trials, draws).result()


def measured(run: Run, rows: int, trials: int, draws: int) -> Cost:
    """Run it in this process, from the made-up table on."""
    table, began, spent = made_up(rows), time.monotonic(), time.process_time()
    parts, auroc = run(table, trials, draws)
    return Cost(
        parts,
        processor=time.process_time() - spent,
        wall=time.monotonic() - began,
        peak_mb=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        auroc=auroc,
    )


def report(asked: argparse.Namespace, own: Cost) -> str:
    """Return the stages and what the whole run took as Markdown."""
    cores, load = len(os.sched_getaffinity(0)), os.getloadavg()[2]
    stages = "\n".join(f"| {stage} | {taken:,.1f} |" for stage, taken in own.parts.items())
    return (
        f"{asked.rows:,} rows, {FEATURES} features, {asked.trials} trials, {asked.draws:,} draws, "
        f"on {cores} cores:\n\n"
        f"| stage | processor seconds |\n| --- | --: |\n{stages}\n"
        f"| everything | {own.processor:,.1f} |\n\n"
        f"{own.wall:,.0f} s on the wall; on average {load:.1f} programs wanted to run in the last "
        f"quarter of an hour, this one among them. Peak memory {own.peak_mb:,.0f} MB."
    )


def comparison(asked: argparse.Namespace, own: Cost, peer: Cost, trials: int, draws: int) -> str:
    """Set the plain loop beside it, multiplied where it did less."""
    scale = {"search": asked.trials / trials, "bootstrap": asked.draws / draws}
    parts = {name: taken * scale.get(name, 1.0) for name, taken in peer.parts.items()}
    whole = sum(parts.values())
    told = ", ".join(f"{name} {taken:,.0f}" for name, taken in parts.items())
    less = (
        f" It did {trials} trials and {draws:,} draws; the seconds of both are multiplied to "
        f"{asked.trials} and {asked.draws:,}, and its AUROC is that of its own search."
        if (trials, draws) != (asked.trials, asked.draws)
        else ""
    )
    rows = [
        ["Auscult", f"{own.processor:,.0f}", f"{own.peak_mb:,.0f}", f"{own.auroc:.3f}"],
        ["plain loop", f"{whole:,.0f}", f"{peer.peak_mb:,.0f}", f"{peer.auroc:.3f}"],
    ]
    return (
        f"{markdown_table(['', 'processor seconds', 'peak MB', 'AUROC'], rows)}\n\n"
        f"The plain loop takes {whole / own.processor:.1f} times the processor seconds ({told}), "
        "without subgroups, thresholds, a baseline, explanations or a card. On the wall it took "
        f"{peer.wall:,.0f} s.{less}"
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


def ours(table: pd.DataFrame, trials: int, draws: int) -> tuple[dict[str, float], float]:
    """Train as `auscult train` does; return each stage's processor seconds, and the AUROC."""
    from training.options import TrainOptions
    from training.run import train
    from training.stages import Stages

    stages = Stages(lambda *_: None, clock=time.process_time)
    with tempfile.TemporaryDirectory() as directory:
        found = train(
            _definition(Path(directory) / "made_up"),
            Cohort(table, source="made up", digest="0" * 64),
            TrainOptions(trained_by="benchmark", trials=trials, draws=draws),
            settings=Settings(home=Path(directory) / "home"),
            progress=stages,
            now=datetime.now(UTC),
        )
    seconds = {
        name.removeprefix("seconds_").replace("baseline_s", "baseline's").replace("_", " "): taken
        for name, taken in stages.metrics().items()
        if name.startswith("seconds_")
    }
    return seconds, found.evaluation.figures["auroc"].value or 0.0


def plain(table: pd.DataFrame, trials: int, draws: int) -> tuple[dict[str, float], float]:
    """Search, calibrate and bootstrap as a loop over scikit-learn's own functions does."""
    from joblib import parallel_config
    from sklearn.calibration import CalibratedClassifierCV
    from sklearn.metrics import roc_auc_score
    from sklearn.model_selection import RandomizedSearchCV, StratifiedGroupKFold
    from xgboost import XGBClassifier

    later = table["time"] > table["time"].quantile(0.6)
    seen = table["patient_id"].isin(table.loc[~later, "patient_id"])
    train, test = table[~later], table[later & ~seen]
    columns = [f"measured_{n}" for n in range(FEATURES)]
    parts = [time.process_time()]
    folds = list(
        StratifiedGroupKFold(5, shuffle=True, random_state=SEED).split(
            train[columns], train["outcome"], train["patient_id"]
        )
    )
    search = RandomizedSearchCV(
        # one thread a fit and one fit a core: threads within a fit only wait on a busy machine
        XGBClassifier(tree_method="hist", n_jobs=1),
        RANGES,
        n_iter=trials,
        cv=folds,
        scoring="neg_log_loss",
        random_state=SEED,
        n_jobs=len(os.sched_getaffinity(0)),
    )
    with parallel_config(backend="threading"):  # so that its seconds are this process's
        search.fit(train[columns], train["outcome"])
    parts.append(time.process_time())
    model = CalibratedClassifierCV(search.best_estimator_, cv=folds)
    model.fit(train[columns], train["outcome"])
    risk, outcome = model.predict_proba(test[columns])[:, 1], test["outcome"].to_numpy()
    parts.append(time.process_time())
    generator = np.random.default_rng(SEED)
    drawn = []
    for _ in range(draws):
        rows = generator.integers(0, len(risk), len(risk))
        drawn.append(plain_figures(outcome[rows], risk[rows]))
    np.quantile(np.array(drawn), (0.025, 0.975), axis=0)
    parts.append(time.process_time())
    names = ("search", "calibration", "bootstrap")
    seconds = {name: end - begin for name, begin, end in zip(names, parts, parts[1:], strict=False)}
    return seconds, float(roc_auc_score(outcome, risk))


def plain_figures(outcome: Array, risk: Array) -> tuple[float, ...]:
    """Return the twelve figures of one draw as a notebook computes them."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import average_precision_score, brier_score_loss, roc_auc_score
    from statsmodels.nonparametric.smoothers_lowess import lowess

    clipped = np.clip(risk, 1e-9, 1 - 1e-9)
    log_odds = np.log(clipped / (1 - clipped))
    slope = LogisticRegression(C=np.inf).fit(log_odds[:, None], outcome).coef_[0, 0]
    large = 0.0
    for _ in range(10):  # Newton's steps for the intercept alone
        expected = 1 / (1 + np.exp(-(log_odds + large)))
        large += (outcome - expected).sum() / (expected * (1 - expected)).sum()
    smoothed = lowess(outcome, risk, it=0, delta=0.01 * np.ptp(risk), return_sorted=False)
    errors = np.abs(smoothed - risk)
    rate, brier = outcome.mean(), brier_score_loss(outcome, risk)
    return (
        roc_auc_score(outcome, risk),
        average_precision_score(outcome, risk),
        brier,
        1 - brier / (rate * (1 - rate)),
        slope,
        large,
        rate / risk.mean(),
        errors.mean(),
        *np.quantile(errors, (0.5, 0.9)),
        rate,
        risk.mean(),
    )


def _definition(directory: Path) -> DefinitionFile:
    directory.mkdir()
    features = "".join(_FEATURE.format(number=number) for number in range(FEATURES))
    (directory / "model.toml").write_text(f"{HEAD}{features}{TAIL}{_SUBGROUP}", encoding="utf-8")
    (directory / "card.md").write_text("# Made up\n", encoding="utf-8")
    return read_definition(directory / "model.toml")


if __name__ == "__main__":
    main()
