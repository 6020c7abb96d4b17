"""Weights for censoring of very many rows, which a draw computes part by part.

The chance G of not having been censored falls only on days on which somebody was. So of a row's
follow-up no more is kept than how many such days lie before it, and a draw needs two sums over the
rows, one for G and one for what is weighted by it.
"""

from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt

from models.evaluation.censoring import DEFAULT_CAP, HorizonStatus, outcome_at_horizon
from models.evaluation.inputs import FloatArray, IntArray, ratio

ROWS_AT_ONCE = 1 << 17
Multiplicities = Callable[[slice], IntArray]


class RankedCensoring:
    """The weights of `CensoringWeighter` without strata; `y` has the outcomes, 0 where unknown."""

    def __init__(
        self,
        follow_up_days: npt.NDArray[np.float64],
        died: npt.ArrayLike,
        horizon_days: float,
        cap: float = DEFAULT_CAP,
    ) -> None:
        self.y, status = outcome_at_horizon(follow_up_days, died, horizon_days)
        self.rows = self.y.size
        self.cap = cap
        self._censored = status == HorizonStatus.CENSORED
        self._days = np.unique(follow_up_days[self._censored])
        self._place = np.empty(self.rows, dtype=np.int32)
        for rows in parts(self.rows):
            self._place[rows] = np.searchsorted(self._days, follow_up_days[rows], side="left")

    def inverse(self, counts: Multiplicities) -> FloatArray:
        """Return 1 / G of each place for rows that are taken `counts` times, at most the cap."""
        if not self._days.size:
            return np.ones(1)
        size = self._days.size
        known, lost = np.zeros(size + 1), np.zeros(size + 1)
        for rows in parts(self.rows):
            place, taken, censored = self._place[rows], counts(rows), self._censored[rows]
            known += np.bincount(place[~censored], taken[~censored], minlength=size + 1)
            lost += np.bincount(place[censored], taken[censored], minlength=size + 1)
        # who has the event on a day on which others are censored isn't at risk any more
        at_risk = (_at_least(lost) + _at_least(known) - known)[:-1]
        survival = np.cumprod(1.0 - ratio(lost[:-1], at_risk, otherwise=0.0))
        before = np.concatenate([[1.0], survival])
        return np.minimum(ratio(np.ones_like(before), before, otherwise=0.0), self.cap)

    def of(self, rows: slice, inverse: FloatArray) -> FloatArray:
        """Return the weights of some rows, each taken once."""
        return np.where(self._censored[rows], 0.0, inverse[self._place[rows]])


def parts(rows: int) -> Iterator[slice]:
    """Yield the rows in parts of so many that what a part takes doesn't count."""
    for start in range(0, rows, ROWS_AT_ONCE):
        yield slice(start, start + ROWS_AT_ONCE)


def _at_least(counted: FloatArray) -> FloatArray:
    """Return how many are at each place or a later one."""
    return np.asarray(np.cumsum(counted[::-1])[::-1])
