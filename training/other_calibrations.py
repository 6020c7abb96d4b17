"""Calibrations that are measured beside the sigmoid and never served.

They aren't affine on the log-odds, so contributions wouldn't add up under them.
"""

from typing import Final

import numpy as np
from sklearn.isotonic import IsotonicRegression

from models.evaluation.logistic import fit_logistic
from models.scoring.calibration import risk_of_margin
from training.fitting import Calibrated, M
from training.population import FloatArray, Population

UNCALIBRATED: Final = "none"
BETA: Final = "beta"
ISOTONIC: Final = "isotonic"


def otherwise_calibrated(
    fitted: Calibrated[M], training: Population, inputs: FloatArray
) -> dict[str, FloatArray]:
    """Return the risks of model inputs under each calibration, fitted as the sigmoid was."""
    part = training.part(fitted.calibrated_on)
    margins, outcome, weights = fitted.held_out[fitted.calibrated_on], part.outcome, part.weights()
    new = fitted.model.margins(inputs)
    return {
        UNCALIBRATED: risk_of_margin(new),
        BETA: beta_risks(margins, outcome, weights, new),
        ISOTONIC: isotonic_risks(margins, outcome, weights, new),
    }


def beta_risks(
    margins: FloatArray, outcome: FloatArray, weights: FloatArray, new: FloatArray
) -> FloatArray:
    """Return risks by logit = a ln p - b ln(1 - p) + c, a and b not below 0 (Kull et al. 2017).

    Where the fit of both is negative in one, that one is left out, as the authors do. `p` is the
    risk 1 / (1 + exp(-margin)).
    """
    kept = [0, 1]
    while True:
        design = np.column_stack([np.ones_like(margins), _log_risks(margins)[:, kept]])
        found = fit_logistic(design, outcome, weights[None, :])[0]
        negative = [column for column, size in zip(kept, found[1:], strict=True) if size < 0]
        if not negative or not kept:
            break
        kept = [column for column in kept if column not in negative[:1]]
    return risk_of_margin(found[0] + _log_risks(new)[:, kept] @ found[1:])


def isotonic_risks(
    margins: FloatArray, outcome: FloatArray, weights: FloatArray, new: FloatArray
) -> FloatArray:
    """Return risks by the rising step function of least squared error (Zadrozny and Elkan 2002)."""
    counted = weights > 0
    fitted = IsotonicRegression(y_min=0.0, y_max=1.0, out_of_bounds="clip")
    fitted.fit(margins[counted], outcome[counted], sample_weight=weights[counted])
    return np.asarray(fitted.predict(new), dtype=np.float64)


def _log_risks(margins: FloatArray) -> FloatArray:
    """Return ln p and -ln(1 - p) of the risk p of each margin."""
    return np.column_stack([-np.logaddexp(0.0, -margins), np.logaddexp(0.0, margins)])
