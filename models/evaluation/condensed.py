"""Figures of very many rows, from their histogram: in memory that hardly grows with a draw.

A bootstrap draw of a million rows costs seconds where each figure sorts and fits them all. Here the
rows are summed into cells, one for each narrow range of risk and each outcome, and the figures are
computed from those. Within a range, risks differ by less than 0.008 on the log-odds for intervals,
and by 0.00013 for the values themselves, which are within VALUES_WITHIN of what rows would give.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np
import numpy.typing as npt

from models.errors import StatisticsError
from models.evaluation.bootstrap import Estimate, PatientBootstrap
from models.evaluation.figures import (
    Figures,
    ThresholdEvaluation,
    estimates,
    estimates_at,
    gather,
)
from models.evaluation.inputs import (
    FloatArray,
    IntArray,
    check_outcomes,
    check_risks,
    check_thresholds,
    ratio,
)
from models.evaluation.ranked_censoring import RankedCensoring, parts

FURTHEST = 12.0
FINER = 6
WIDTH = 2.0**-7
FINE_WIDTH = WIDTH / 2**FINER
VALUES_WITHIN = 1e-5
_SMALLEST = 1 / (1 + np.exp(FURTHEST))
_DRAWS_AT_ONCE = 20


@dataclass(frozen=True, slots=True)
class Condensed:
    """The figures of very many rows with their intervals, and those of acting at thresholds."""

    figures: dict[str, Estimate]
    at_thresholds: tuple[ThresholdEvaluation, ...]


def condense(
    y: npt.ArrayLike,
    risk: npt.ArrayLike,
    *,
    thresholds: Sequence[float],
    patient_ids: npt.ArrayLike,
    seed: int,
    censoring: RankedCensoring | None = None,
    draws: int = 1000,
    level: float = 0.95,
) -> Condensed:
    """Return how far risks agree with outcomes, with patient-clustered bootstrap intervals.

    The figures are those of `evaluate`, and so are the draws of the same rows and seed, censoring
    estimated anew in each. No range lies on both sides of a threshold, so what acting at one is
    worth is exact. Raises StatisticsError for anything that can't be evaluated.
    """
    events = check_outcomes(y) > 0
    risks = check_risks(risk, events.size)
    at = check_thresholds(thresholds)
    cells = _fine_cells(events, risks, np.unique(at))
    own = cells.summed(_weighted(events.size, censoring))
    if not (own[0::2].any() and own[1::2].any()):
        raise StatisticsError("y must hold both outcomes among the rows that count")
    weighted_risk = cells.summed(_weighted(events.size, censoring), risks)
    found = _figures(cells.means(own, weighted_risk), at, own).draw(own[None, :])
    cells.coarsen()
    coarse = cells.summed(_weighted(events.size, censoring))
    condensed = _figures(cells.means(), at, coarse)
    bootstrap = PatientBootstrap(patient_ids, events.size, draws, seed)
    taken = bootstrap.taken()
    drawn = []
    while block := list(islice(taken, _DRAWS_AT_ONCE)):
        summed = [
            cells.summed(_weighted(events.size, censoring, one, bootstrap.patient)) for one in block
        ]
        drawn.append(condensed.draw(np.array(summed)))
    gathered = gather(drawn)
    return Condensed(estimates(found, gathered, level), estimates_at(found, gathered, at, level))


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

    `rows` and `risk` are the sums of each range, `place` where it lies on the log-odds, and `level`
    how many of `thresholds` its risks reach.
    """

    of_row: npt.NDArray[np.int32]
    place: IntArray
    level: IntArray
    thresholds: FloatArray
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

    def means(
        self, weights: FloatArray | None = None, weighted_risk: FloatArray | None = None
    ) -> FloatArray:
        """Return the mean risk of each range, by weights where it has any."""
        found = self.risk / self.rows
        if weights is not None and weighted_risk is not None:
            total = weights[0::2] + weights[1::2]
            of_weights = weighted_risk[0::2] + weighted_risk[1::2]
            found = np.where(total > 0, ratio(of_weights, total, otherwise=0.0), found)
        # a mean of risks on one side of a threshold mustn't be rounded to the other
        least = np.concatenate([[0.0], self.thresholds])[self.level]
        most = np.concatenate([np.nextafter(self.thresholds, 0.0), [1.0]])[self.level]
        return np.clip(found, least, most)

    def coarsen(self) -> None:
        """Join ranges to those of WIDTH."""
        wide = (self.place >> FINER) * (self.thresholds.size + 1) + self.level
        first = np.diff(wide, prepend=wide[0] - 1) > 0
        new = np.cumsum(first) - 1
        of_cell = np.repeat(2 * new, 2) + np.tile([0, 1], new.size)
        for rows in parts(self.of_row.size):
            self.of_row[rows] = of_cell[self.of_row[rows]]
        self.place, self.level = self.place[first], self.level[first]
        self.rows, self.risk = (
            np.asarray(np.bincount(new, sums), dtype=np.float64) for sums in (self.rows, self.risk)
        )


def _fine_cells(events: npt.NDArray[np.bool_], risk: FloatArray, thresholds: FloatArray) -> _Cells:
    of_row = np.empty(risk.size, dtype=np.int32)
    places, levels = 2 * int(FURTHEST / FINE_WIDTH) + 2, thresholds.size + 1
    ranges = places * levels
    counted, total = np.zeros(ranges), np.zeros(ranges)
    for rows in parts(risk.size):
        inside = np.clip(risk[rows], _SMALLEST, 1 - _SMALLEST)
        odds = np.log(inside) - np.log1p(-inside)
        place = np.floor(odds / FINE_WIDTH).astype(np.int64) + places // 2
        place = place * levels + np.searchsorted(thresholds, risk[rows], side="right")
        of_row[rows] = 2 * place + events[rows]
        counted += np.bincount(place, minlength=ranges)
        total += np.bincount(place, risk[rows], minlength=ranges)
    used = np.flatnonzero(counted)
    new = np.zeros(ranges, dtype=np.int32)
    new[used] = np.arange(used.size)
    for rows in parts(risk.size):
        part = of_row[rows]
        of_row[rows] = 2 * new[part >> 1] + (part & 1)
    place, level = used // levels - places // 2, used % levels
    return _Cells(of_row, place, level, thresholds, counted[used], total[used])


def _figures(means: FloatArray, thresholds: FloatArray, weights: FloatArray) -> Figures:
    """Prepare the cells as rows; their weights place where fits start, and the curve's knots."""
    return Figures(np.tile([0.0, 1.0], means.size), np.repeat(means, 2), thresholds, weights)
