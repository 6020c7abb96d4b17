"""The two models of a run, each searched for, fitted and calibrated: the trees and the baseline."""

import itertools
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Generic

import numpy as np

from models.definition import Definition
from models.scoring.linear import LinearModel
from training.baseline import BaselineParameters, fit_baseline
from training.booster import ANY_GROWTH, BoosterParameters, Growth, Trees, fit_trees
from training.fitting import Calibrated, M, Step, fit_calibrated
from training.population import Population
from training.search import Trial, search_baseline, search_booster
from training.split import FOLDS

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class Making:
    """How both models are made from rows, from the search to the calibration.

    Without `trials` nothing is searched: the parameters are fixed ones. `seconds` ends the search
    of the trees before all trials are done; `growth` bounds what it may find. `without_indicators`
    also makes the baseline that isn't told what was missing.
    """

    definition: Definition
    trials: int
    seed: int
    seconds: float | None = None
    growth: Growth = ANY_GROWTH
    without_indicators: bool = False


@dataclass(frozen=True, eq=False)
class Candidate(Generic[M]):
    """A fitted model with the parameters that it has and the trials that found them."""

    parameters: dict[str, float]
    trials: tuple[Trial, ...]
    fitted: Calibrated[M]


@dataclass(frozen=True, eq=False)
class Pair:
    """The trees, which are served, and the baseline that they have to beat.

    `uninformed` is the baseline with the same penalty that isn't told what was missing.
    """

    trees: Candidate[Trees]
    baseline: Candidate[LinearModel]
    uninformed: Calibrated[LinearModel] | None


def make(making: Making, rows: Population, progress: Progress) -> Pair:
    """Search, fit and calibrate both models on these rows."""
    trees, baseline = make_trees(making, rows, progress), _make_baseline(making, rows, progress)
    return Pair(trees, baseline, _make_uninformed(making, rows, baseline, progress))


def make_trees(making: Making, rows: Population, progress: Progress) -> Candidate[Trees]:
    """Search, fit and calibrate the trees on these rows."""
    parameters, tried = BoosterParameters().within(making.growth), tuple[Trial, ...]()
    if making.trials:
        stage = "Searching how trees grow"
        parameters, tried = search_booster(
            making.definition,
            rows,
            trials=making.trials,
            seconds=making.seconds,
            seed=making.seed,
            growth=making.growth,
            step=lambda done, total: progress(stage, done, total),
        )
    fitted = fit_calibrated(
        lambda part: fit_trees(making.definition, part, parameters, making.seed),
        rows,
        making.seed,
        _steps(progress, "Fitting trees"),
    )
    return Candidate(parameters.to_dict(), tried, fitted)


def _make_baseline(making: Making, rows: Population, progress: Progress) -> Candidate[LinearModel]:
    parameters, tried = BaselineParameters(), tuple[Trial, ...]()
    if making.trials:
        stage = "Searching the baseline's penalty"
        parameters, tried = search_baseline(
            rows, seed=making.seed, step=lambda done, total: progress(stage, done, total)
        )
    fitted = fit_calibrated(
        lambda part: fit_baseline(part, parameters),
        rows,
        making.seed,
        _steps(progress, "Fitting the baseline"),
    )
    return Candidate(parameters.to_dict(), tried, fitted)


def _make_uninformed(
    making: Making, rows: Population, baseline: Candidate[LinearModel], progress: Progress
) -> Calibrated[LinearModel] | None:
    """Fit the baseline once more without indicators; where nothing is missing it is the same."""
    if not making.without_indicators:
        return None
    if not np.isnan(rows.inputs).any():
        return baseline.fitted
    parameters = BaselineParameters(**baseline.parameters)
    return fit_calibrated(
        lambda part: fit_baseline(part, parameters, indicators=False),
        rows,
        making.seed,
        _steps(progress, "Fitting the baseline without indicators"),
    )


def each_with_trials(making: Making, counts: tuple[int, ...], makings: int) -> list[Making]:
    """Return one making for each search of a run: of recorded trials, or sharing the time."""
    if counts:
        return [replace(making, trials=count, seconds=None) for count in counts]
    shared = None if making.seconds is None else making.seconds / makings
    return [replace(making, seconds=shared)] * makings


def _steps(progress: Progress, stage: str) -> Step:
    """Return what reports one more part of a calibrated fit as done: each fold, then all rows."""
    total = FOLDS + 1
    progress(stage, 0, total)
    done = itertools.count(1)
    return lambda: progress(stage, next(done), total)
