"""Figures of very many rows: values from all of them, intervals from their histogram.

A bootstrap draw of a million rows costs seconds where each figure sorts and fits them all. Here the
rows of a draw are summed into some thousands of cells, one for each narrow range of risk and each
outcome, and the figures are computed from those. Within a range, risks differ by less than 0.008 on
the log-odds.
"""

import numpy as np
import numpy.typing as npt

from models.evaluation.bootstrap import CaseWeighting, Estimate, PatientBootstrap, Reweight
from models.evaluation.calibration import CalibrationSample
from models.evaluation.discrimination import RankedScores
from models.evaluation.figures import Drawn, estimates, gather
from models.evaluation.inputs import (
    FloatArray,
    IntArray,
    check_both_outcomes,
    check_outcomes,
    check_risks,
    ratio,
)

FURTHEST = 12.0
WIDTH = 2.0**-7
_SMALLEST = 1 / (1 + np.exp(FURTHEST))


def condensed_figures(
    y: npt.ArrayLike,
    risk: npt.ArrayLike,
    *,
    patient_ids: npt.ArrayLike,
    seed: int,
    reweight: Reweight | None = None,
    draws: int = 1000,
    level: float = 0.95,
) -> dict[str, Estimate]:
    """Return how far risks agree with outcomes, with patient-clustered bootstrap intervals.

    Of `evaluate`'s figures these are AUROC, Brier score, event rate, mean risk and those of
    calibration but the smoothed ones: no more is claimed of so many rows. The draws are those that
    `evaluate` makes of the same rows and seed. Raises StatisticsError for
    anything that can't be evaluated.
    """
    outcomes = check_outcomes(y)
    risks = check_risks(risk, outcomes.size)
    weighting = CaseWeighting(outcomes.size, None, reweight)
    check_both_outcomes(outcomes, weighting.own)
    own = _Agreement(outcomes, risks, weighting.own).draw(weighting.own[None, :])
    cell, cell_outcomes, cell_risks = _cells(outcomes, risks)
    size = cell_outcomes.size
    whole = np.asarray(np.bincount(cell, weighting.own, minlength=size), dtype=np.float64)
    condensed = _Agreement(cell_outcomes, cell_risks, whole)
    drawn = []
    for cases in PatientBootstrap(patient_ids, outcomes.size, draws, seed).case_weights(weighting):
        summed = np.array([np.bincount(cell, one, minlength=size) for one in cases])
        drawn.append(condensed.draw(summed))
    return estimates(own, gather(drawn), level)


class _Agreement:
    """Rows prepared once; their weights place where fits start."""

    def __init__(self, y: FloatArray, risk: FloatArray, weights: FloatArray) -> None:
        self._y, self._risk = y, risk
        self._ranked = RankedScores(y, risk)
        self._calibration = CalibrationSample(y, risk, weights)

    def draw(self, weights: FloatArray) -> Drawn:
        """Return every figure for case weights (draws, rows)."""
        intercept, slope = self._calibration.intercept_and_slope(weights)
        total = weights.sum(axis=1)
        return {
            "auroc": self._ranked.auroc(weights),
            "brier": self._calibration.brier(weights),
            "scaled_brier": self._calibration.scaled_brier(weights),
            "calibration_slope": slope,
            "calibration_intercept": intercept,
            "calibration_in_the_large": self._calibration.in_the_large(weights),
            "observed_expected": self._calibration.observed_expected(weights),
            "event_rate": ratio(weights @ self._y, total),
            "mean_risk": ratio(weights @ self._risk, total),
        }


def _cells(y: FloatArray, risk: FloatArray) -> tuple[IntArray, FloatArray, FloatArray]:
    """Return each row's cell (rows,), and the cells' outcomes and mean risks (cells,)."""
    inside = np.clip(risk, _SMALLEST, 1 - _SMALLEST)
    odds = np.log(inside) - np.log1p(-inside)
    place = np.floor(odds / WIDTH).astype(np.int64)
    place -= place.min()
    ranges = (np.cumsum(np.bincount(place) > 0) - 1)[place]
    rows = np.bincount(ranges)
    mean = np.bincount(ranges, risk) / rows
    events = y > 0
    cell = np.asarray(ranges * 2 + events, dtype=np.int64)
    return cell, np.tile([0.0, 1.0], rows.size), np.repeat(mean, 2)
