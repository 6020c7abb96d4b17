"""A model fitted, calibrated on margins that no fit has seen, and ready to be saved."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from models.scoring.calibration import Sigmoid, risk_of_margin
from training.calibration import calibrating_rows, fit_sigmoid
from training.population import FloatArray, Population
from training.split import folds


class Model(Protocol):
    """What gives log-odds (rows,) for model inputs (rows, columns)."""

    def margins(self, X: FloatArray, /) -> FloatArray:
        """Return the log-odds before calibration."""


M = TypeVar("M", bound=Model)
Fit = Callable[[Population], M]
Step = Callable[[], None]


@dataclass(frozen=True, eq=False)
class Calibrated(Generic[M]):
    """A fit on all training rows, and the sigmoid of out-of-fold margins.

    `held_out` holds the margin of each training row, not yet calibrated, from a fit that did not
    see its patient; those of the rows `calibrated_on` gave the sigmoid.
    """

    model: M
    sigmoid: Sigmoid
    held_out: FloatArray
    calibrated_on: npt.NDArray[np.intp]

    @property
    def out_of_fold(self) -> FloatArray:
        """The calibrated log-odds of each training row, from a fit that did not see its patient."""
        return self.sigmoid.a * self.held_out + self.sigmoid.b

    def log_odds(self, inputs: FloatArray) -> FloatArray:
        """Return the calibrated log-odds (rows,)."""
        return self.sigmoid.a * self.model.margins(inputs) + self.sigmoid.b

    def risk(self, inputs: FloatArray) -> FloatArray:
        """Return the calibrated risk (rows,)."""
        return risk_of_margin(self.log_odds(inputs))


def fit_calibrated(fit: Fit[M], training: Population, seed: int, step: Step) -> Calibrated[M]:
    """Fit each fold for its held-out margins, the sigmoid on the latest, and then all rows."""
    held = out_of_fold(fit, training, seed, step)
    rows = calibrating_rows(training)
    part = training.part(rows)
    sigmoid = fit_sigmoid(held[rows], part.outcome, part.weights())
    model = fit(training)
    step()
    return Calibrated(model, sigmoid, held, rows)


def out_of_fold(fit: Fit[M], population: Population, seed: int, step: Step) -> FloatArray:
    """Return for each row the margin of a fit on the other folds, whose patients are others."""
    held = np.full(len(population), np.nan)
    for learning, held_out in folds(population, seed):
        held[held_out] = fit(population.part(learning)).margins(population.inputs[held_out])
        step()
    return held


def weighted_log_loss(margins: FloatArray, outcome: FloatArray, weights: FloatArray) -> float:
    """Return the mean of log(1 + exp(m)) - y m by case weight, for log-odds m."""
    losses = np.logaddexp(0.0, margins) - outcome * margins
    return float(np.average(losses, weights=weights))
