"""The sigmoid that turns out-of-fold margins into risks, affine on the log-odds."""

import numpy as np

from models.errors import CohortError
from models.evaluation.logistic import fit_logistic
from models.scoring.calibration import Sigmoid
from training.population import FloatArray


def fit_sigmoid(margins: FloatArray, outcome: FloatArray, weights: FloatArray) -> Sigmoid:
    """Return the maximum-likelihood sigmoid of margins that no fit has seen (Platt 1999).

    Raises CohortError if the margins don't rise with the risk, for then nothing was learnt.
    """
    design = np.column_stack([np.ones_like(margins), margins])
    b, a = fit_logistic(design, outcome, weights[None, :])[0]
    if not (np.isfinite(a) and np.isfinite(b) and a > 0):
        raise CohortError(
            f"out-of-fold scores don't rise with the outcome (calibration slope {a:.3g}): the "
            "features don't predict it in these rows; check outcome and features"
        )
    return Sigmoid(float(a), float(b))
