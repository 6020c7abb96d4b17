"""A model fitted, calibrated on margins that no fit has seen, and ready to be saved."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from models.scoring.calibration import Sigmoid, risk_of_margin
from training.calibration import fit_sigmoid
from training.population import FloatArray, Population
from training.split import folds

Margins = Callable[[FloatArray], FloatArray]
Fit = Callable[[Population], Margins]


@dataclass(frozen=True, eq=False)
class Calibrated:
    """A fit on all training rows, and the sigmoid of its out-of-fold margins.

    `out_of_fold` holds the calibrated log-odds of each training row, from a fit that did not see
    its patient.
    """

    margins: Margins
    sigmoid: Sigmoid
    out_of_fold: FloatArray

    def log_odds(self, inputs: FloatArray) -> FloatArray:
        """Return the calibrated log-odds (rows,)."""
        return self.sigmoid.a * self.margins(inputs) + self.sigmoid.b

    def risk(self, inputs: FloatArray) -> FloatArray:
        """Return the calibrated risk (rows,)."""
        return risk_of_margin(self.log_odds(inputs))


def fit_calibrated(
    fit: Fit, training: Population, seed: int, step: Callable[[], None]
) -> Calibrated:
    """Fit each fold for its held-out margins, the sigmoid on those, and then all rows."""
    held = out_of_fold(fit, training, seed, step)
    sigmoid = fit_sigmoid(held, training.outcome, training.weights())
    margins = fit(training)
    step()
    return Calibrated(margins, sigmoid, sigmoid.a * held + sigmoid.b)


def out_of_fold(
    fit: Fit, population: Population, seed: int, step: Callable[[], None]
) -> FloatArray:
    """Return for each row the margin of a fit on the other folds, whose patients are others."""
    held = np.full(len(population), np.nan)
    for learning, held_out in folds(population, seed):
        held[held_out] = fit(population.part(learning))(population.inputs[held_out])
        step()
    return held


def weighted_log_loss(margins: FloatArray, outcome: FloatArray, weights: FloatArray) -> float:
    """Return the mean of log(1 + exp(m)) - y m by case weight, for log-odds m."""
    losses = np.logaddexp(0.0, margins) - outcome * margins
    return float(np.average(losses, weights=weights))
