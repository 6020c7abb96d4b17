"""The sigmoid that turns out-of-fold margins into risks, affine on the log-odds."""

from typing import Final

import numpy as np
import numpy.typing as npt

from models.errors import CohortError
from models.evaluation.logistic import fit_logistic
from models.scoring.calibration import Sigmoid
from training.population import FloatArray, Population

LATEST_SHARE: Final = 0.2
FEWEST_OF_EACH: Final = 200  # events and non-events (Collins et al., Stat Med 2016;35:214)


def calibrating_rows(training: Population) -> npt.NDArray[np.intp]:
    """Return the rows whose margins calibrate: the latest fifth where times are known, else all.

    Care changes while a cohort is gathered, and the risks are for people who come after it. The
    part reaches further back until it holds 200 events and 200 non-events of known outcome; where
    it would have to hold everyone, all rows calibrate.
    """
    everyone = np.arange(len(training))
    if training.time is None:
        return everyone
    order = np.argsort(training.time, kind="stable")
    known = training.weights()[order] > 0
    event = training.outcome[order] == 1
    first = round((1.0 - LATEST_SHARE) * len(order))
    for kind in (known & event, known & ~event):
        from_here = np.cumsum(kind[::-1])[::-1]
        enough = np.flatnonzero(from_here >= FEWEST_OF_EACH)
        if not enough.size:
            return everyone
        first = min(first, int(enough[-1]))
    times = np.asarray(training.time)
    return np.flatnonzero(times >= times[order[first]])


class Separated(CohortError):
    """Scores part people with and without the event without error, so no sigmoid fits best."""


def fit_sigmoid(margins: FloatArray, outcome: FloatArray, weights: FloatArray) -> Sigmoid:
    """Return the maximum-likelihood sigmoid of margins that no fit has seen (Platt 1999).

    Raises CohortError if the margins don't rise with the risk, for then nothing was learnt, and
    Separated if they know every outcome, for then its slope has no end.
    """
    design = np.column_stack([np.ones_like(margins), margins])
    b, a = fit_logistic(design, outcome, weights[None, :])[0]
    if np.isfinite(a) and np.isfinite(b) and a > 0:
        return Sigmoid(float(a), float(b))
    if _are_separated(margins, outcome, weights):
        raise Separated(
            "out-of-fold scores tell every outcome without error, as no risk known in advance "
            "does: one feature, or some of them together, hold the outcome"
        )
    slope = f"{a:.3g}" if np.isfinite(a) else "none"
    raise CohortError(
        f"out-of-fold scores don't rise with the outcome (calibration slope {slope}): the "
        "features don't predict it in these rows; check outcome and features"
    )


def _are_separated(margins: FloatArray, outcome: FloatArray, weights: FloatArray) -> bool:
    """Say whether all people with the event score at least as high as all those without."""
    with_event = margins[(outcome == 1) & (weights > 0)]
    without = margins[(outcome == 0) & (weights > 0)]
    if not (with_event.size and without.size):
        return False
    return bool(with_event.min() >= without.max() and with_event.max() > without.min())
