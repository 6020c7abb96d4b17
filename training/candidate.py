"""The two models of a run, each searched for, fitted and calibrated: the trees and the baseline."""

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic

from models.definition import Definition
from models.scoring.linear import LinearModel
from training.baseline import BaselineParameters, fit_baseline
from training.booster import BoosterParameters, Trees, fit_trees
from training.fitting import Calibrated, M, Step, fit_calibrated
from training.population import Population
from training.search import Trial, search_baseline, search_booster
from training.split import FOLDS

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, eq=False)
class Candidate(Generic[M]):
    """A fitted model with the parameters that it has and the trials that found them."""

    parameters: dict[str, float]
    trials: tuple[Trial, ...]
    fitted: Calibrated[M]


def fit_trees_candidate(
    definition: Definition, training: Population, *, trials: int, seed: int, progress: Progress
) -> Candidate[Trees]:
    """Return calibrated trees, searched for in so many trials; 0 takes the fixed parameters."""
    parameters, tried = BoosterParameters(), tuple[Trial, ...]()
    if trials:
        stage = "Searching how trees grow"
        parameters, tried = search_booster(
            definition,
            training,
            trials=trials,
            seed=seed,
            step=lambda done, total: progress(stage, done, total),
        )
    fitted = fit_calibrated(
        lambda rows: fit_trees(definition, rows, parameters, seed),
        training,
        seed,
        _steps(progress, "Fitting trees"),
    )
    return Candidate(parameters.to_dict(), tried, fitted)


def fit_baseline_candidate(
    training: Population, *, search: bool, seed: int, progress: Progress
) -> Candidate[LinearModel]:
    """Return the calibrated baseline, its penalty searched for on a grid or fixed."""
    parameters, tried = BaselineParameters(), tuple[Trial, ...]()
    if search:
        stage = "Searching the baseline's penalty"
        parameters, tried = search_baseline(
            training, seed=seed, step=lambda done, total: progress(stage, done, total)
        )
    fitted = fit_calibrated(
        lambda rows: fit_baseline(rows, parameters),
        training,
        seed,
        _steps(progress, "Fitting the baseline"),
    )
    return Candidate(parameters.to_dict(), tried, fitted)


def _steps(progress: Progress, stage: str) -> Step:
    """Return what reports one more part of a calibrated fit as done: each fold, then all rows."""
    total = FOLDS + 1
    progress(stage, 0, total)
    done = itertools.count(1)
    return lambda: progress(stage, next(done), total)
