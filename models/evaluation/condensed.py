"""Figures of very many rows, from their histogram: in memory that hardly grows with a draw.

A bootstrap draw of a million rows costs seconds where each figure sorts and fits them all. Here the
rows are summed into cells, one for each narrow range of risk and each outcome, and the figures are
computed from those. Within a range, risks differ by less than 0.008 on the log-odds for intervals,
and by 0.00013 for the values themselves, which are within VALUES_WITHIN of what rows would give.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models.errors import StatisticsError
from models.evaluation.bootstrap import Estimate, PatientBootstrap
from models.evaluation.calibration import CalibrationSample
from models.evaluation.discrimination import RankedScores
from models.evaluation.figures import Drawn, estimates, gather
from models.evaluation.inputs import FloatArray, IntArray, check_outcomes, check_risks, ratio
from models.evaluation.ranked_censoring import RankedCensoring, parts

FURTHEST = 12.0
FINER = 6
WIDTH = 2.0**-7
FINE_WIDTH = WIDTH / 2**FINER
VALUES_WITHIN = 1e-5
_SMALLEST = 1 / (1 + np.exp(FURTHEST))


def condensed_figures(
    y: npt.ArrayLike,
    risk: npt.ArrayLike,
    *,
    patient_ids: npt.ArrayLike,
    seed: int,
    censoring: RankedCensoring | None = None,
    draws: int = 1000,
    level: float = 0.95,
) -> dict[str, Estimate]:
    """Return how far risks agree with outcomes, with patient-clustered bootstrap intervals.

    Of `evaluate`'s figures these are AUROC, Brier score, event rate, mean risk and those of
    calibration but the smoothed ones: no more is claimed of so many rows. The draws are those that
    `evaluate` makes of the same rows and seed, censoring estimated anew in each. Raises
    StatisticsError for anything that can't be evaluated.
    """
    events = check_outcomes(y) > 0
    risks = check_risks(risk, events.size)
    cells = _fine_cells(events, risks)
    own = cells.summed(_weighted(events.size, censoring))
    if not (own[0::2].any() and own[1::2].any()):
        raise StatisticsError("y must hold both outcomes among the rows that count")
    weighted_risk = cells.summed(_weighted(events.size, censoring), risks)
    found = _agreement(_means(own, weighted_risk, cells), own).draw(own[None, :])
    means = cells.coarsened()
    condensed = _agreement(means, cells.summed(_weighted(events.size, censoring)))
    bootstrap = PatientBootstrap(patient_ids, events.size, draws, seed)
    drawn = []
    for taken in bootstrap.taken():
        summed = cells.summed(_weighted(events.size, censoring, taken, bootstrap.patient))
        drawn.append(condensed.draw(summed[None, :]))
    return estimates(found, gather(drawn), level)


def _weighted(
    size: int,
    censoring: RankedCensoring | None,
    taken: IntArray | None = None,
    patient: IntArray | None = None,
) -> Iterator[tuple[slice, FloatArray]]:
    """Yield case weights, part by part, of patients who are `taken` so often, or once each."""

    def counts(rows: slice) -> IntArray:
        if taken is None or patient is None:
            return np.ones(len(range(*rows.indices(size))), dtype=np.int64)
        return taken[patient[rows]]

    inverse = None if censoring is None else censoring.inverse(counts)
    for rows in parts(size):
        weights = counts(rows).astype(np.float64)
        if censoring is not None and inverse is not None:
            weights = weights * censoring.of(rows, inverse)
        yield rows, weights


@dataclass(eq=False)
class _Cells:
    """Each row's cell: twice its range of risk, and one more for an event.

    `rows` and `risk` are the sums of each range, `place` where it lies on the log-odds.
    """

    of_row: npt.NDArray[np.int32]
    place: IntArray
    rows: FloatArray
    risk: FloatArray

    def summed(
        self, weights: Iterator[tuple[slice, FloatArray]], values: FloatArray | None = None
    ) -> FloatArray:
        """Return the sum of weights in each cell, or of values times weights."""
        found = np.zeros(2 * self.rows.size)
        for rows, cases in weights:
            amounts = cases if values is None else cases * values[rows]
            found += np.bincount(self.of_row[rows], amounts, minlength=found.size)
        return found

    def coarsened(self) -> FloatArray:
        """Join ranges to those of WIDTH, in place; return the mean risk of each."""
        wide = self.place >> FINER
        new = np.cumsum(np.diff(wide, prepend=wide[0] - 1) > 0) - 1
        of_cell = np.repeat(2 * new, 2) + np.tile([0, 1], new.size)
        for rows in parts(self.of_row.size):
            self.of_row[rows] = of_cell[self.of_row[rows]]
        self.rows, self.risk = (
            np.asarray(np.bincount(new, sums), dtype=np.float64) for sums in (self.rows, self.risk)
        )
        return self.risk / self.rows


def _fine_cells(events: npt.NDArray[np.bool_], risk: FloatArray) -> _Cells:
    of_row = np.empty(risk.size, dtype=np.int32)
    ranges = 2 * int(FURTHEST / FINE_WIDTH) + 2
    counted, total = np.zeros(ranges), np.zeros(ranges)
    for rows in parts(risk.size):
        inside = np.clip(risk[rows], _SMALLEST, 1 - _SMALLEST)
        odds = np.log(inside) - np.log1p(-inside)
        place = np.floor(odds / FINE_WIDTH).astype(np.int64) + ranges // 2
        of_row[rows] = 2 * place + events[rows]
        counted += np.bincount(place, minlength=ranges)
        total += np.bincount(place, risk[rows], minlength=ranges)
    used = np.flatnonzero(counted)
    new = np.zeros(ranges, dtype=np.int32)
    new[used] = np.arange(used.size)
    for rows in parts(risk.size):
        part = of_row[rows]
        of_row[rows] = 2 * new[part >> 1] + (part & 1)
    return _Cells(of_row, used - ranges // 2, counted[used], total[used])


def _means(weights: FloatArray, weighted_risk: FloatArray, cells: _Cells) -> FloatArray:
    """Return the mean risk of each range by weight, so that sums of risk are those of the rows."""
    total = weights[0::2] + weights[1::2]
    found = weighted_risk[0::2] + weighted_risk[1::2]
    return np.where(total > 0, ratio(found, total, otherwise=0.0), cells.risk / cells.rows)


def _agreement(means: FloatArray, weights: FloatArray) -> "_Agreement":
    return _Agreement(np.tile([0.0, 1.0], means.size), np.repeat(means, 2), weights)


class _Agreement:
    """Cells prepared once; their weights place where fits start."""

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
