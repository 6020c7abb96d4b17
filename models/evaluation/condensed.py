"""Figures of very many rows: values from all of them, intervals from their histogram.

A bootstrap draw of a million rows costs seconds where each figure sorts and fits them all. Here the
rows of a draw are summed into some thousands of cells, one for each narrow range of risk and each
outcome, and the figures are computed from those. Ranges are cut at every threshold, so no row
changes sides; within one, risks differ by less than 0.008 on the log-odds.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from models.evaluation.bootstrap import CaseWeighting, Estimate, PatientBootstrap, Reweight
from models.evaluation.figures import Figures, estimates, gather
from models.evaluation.inputs import (
    FloatArray,
    IntArray,
    check_both_outcomes,
    check_outcomes,
    check_risks,
    check_thresholds,
)

FURTHEST = 12.0
WIDTH = 2.0**-7
_SMALLEST = 1 / (1 + np.exp(FURTHEST))


def condensed_figures(
    y: npt.ArrayLike,
    risk: npt.ArrayLike,
    *,
    thresholds: Sequence[float],
    patient_ids: npt.ArrayLike,
    seed: int,
    reweight: Reweight | None = None,
    draws: int = 1000,
    level: float = 0.95,
) -> dict[str, Estimate]:
    """Return every scalar figure of `evaluate` with its patient-clustered bootstrap interval.

    The draws are those that `evaluate` makes of the same rows and seed. Raises StatisticsError for
    anything that can't be evaluated.
    """
    outcomes = check_outcomes(y)
    risks = check_risks(risk, outcomes.size)
    at = check_thresholds(thresholds)
    weighting = CaseWeighting(outcomes.size, None, reweight)
    check_both_outcomes(outcomes, weighting.own)
    own = Figures(outcomes, risks, at, weighting.own).draw(weighting.own[None, :])
    cell, cell_outcomes, cell_risks = _cells(outcomes, risks, at)
    size = cell_outcomes.size
    whole = np.asarray(np.bincount(cell, weighting.own, minlength=size), dtype=np.float64)
    condensed = Figures(cell_outcomes, cell_risks, at, whole)
    drawn = []
    for cases in PatientBootstrap(patient_ids, outcomes.size, draws, seed).case_weights(weighting):
        summed = np.array([np.bincount(cell, one, minlength=size) for one in cases])
        drawn.append(condensed.draw(summed))
    return estimates(own, gather(drawn), level)


def _cells(
    y: FloatArray, risk: FloatArray, thresholds: FloatArray
) -> tuple[IntArray, FloatArray, FloatArray]:
    """Return each row's cell (rows,), and the cells' outcomes and mean risks (cells,)."""
    inside = np.clip(risk, _SMALLEST, 1 - _SMALLEST)
    odds = np.log(inside) - np.log1p(-inside)
    place = np.floor(odds / WIDTH).astype(np.int64)
    # how many thresholds a risk reaches divides a range that one of them cuts
    reached = np.searchsorted(np.sort(thresholds), risk, side="right")
    codes = (place - place.min()) * (thresholds.size + 1) + reached
    _, ranges = np.unique(codes, return_inverse=True)
    rows = np.bincount(ranges)
    mean = np.bincount(ranges, risk) / rows
    events = y > 0
    cell = np.asarray(ranges * 2 + events, dtype=np.int64)
    return cell, np.tile([0.0, 1.0], rows.size), np.repeat(mean, 2)
