"""Bin edges of a numeric column, made from rows that are not counted afterwards."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from models.errors import EvidenceError, StatisticsError

LARGEST_BINS = 128
_TAILS = (0.0005, 0.002)
_BODY = LARGEST_BINS - 2 * len(_TAILS)
LEVELS = np.sort(
    np.concatenate([_TAILS, np.arange(1, _BODY) / _BODY, 1.0 - np.array(_TAILS)]),
)


@dataclass(frozen=True)
class Edges:
    """Cuts between bins; bin i holds cuts[i - 1] <= value < cuts[i]."""

    cuts: tuple[float, ...]

    def __post_init__(self) -> None:
        cuts = np.asarray(self.cuts, dtype=np.float64)
        if not 1 <= cuts.size < LARGEST_BINS:
            raise EvidenceError(f"{cuts.size} bin edges given: 1 to {LARGEST_BINS - 1} are needed")
        if not (np.isfinite(cuts).all() and (np.diff(cuts) > 0).all()):
            raise EvidenceError("bin edges must be finite and strictly increasing")

    @property
    def bins(self) -> int:
        """Return how many bins the cuts make."""
        return len(self.cuts) + 1

    @cached_property
    def are_values(self) -> bool:
        """Whether each bin was made for one value, which is its lower cut."""
        return len(self.cuts) > 1 and self.cuts[-1] == np.nextafter(self.cuts[-2], np.inf)

    def place(self, values: ArrayLike) -> NDArray[np.int64]:
        """Return each value's bin; a value that isn't finite is refused, as missing is counted."""
        return np.searchsorted(self._array, _finite(values), side="right").astype(np.int64)

    def count(self, values: ArrayLike) -> NDArray[np.int64]:
        """Return how many values each bin holds.

        Sorted values are cut once an edge; to look each value up takes several times as long.
        """
        ordered = np.sort(np.asarray(values, dtype=np.float64), axis=None)
        if ordered.size and not np.isfinite(ordered[[0, -1]]).all():  # NaN is sorted last
            _finite(ordered)
        below = np.empty(self.bins + 1, dtype=np.int64)
        below[0], below[-1] = 0, ordered.size
        below[1:-1] = ordered.searchsorted(self._array)
        return np.diff(below)

    @cached_property
    def _array(self) -> NDArray[np.float64]:
        return np.array(self.cuts)


def _finite(values: ArrayLike) -> NDArray[np.float64]:
    array = np.asarray(values, dtype=np.float64)
    if not np.isfinite(array).all():
        bad = int((~np.isfinite(array)).sum())
        raise StatisticsError(
            f"{bad} of {array.size} values are missing or not finite: "
            "count those in the missingness stream"
        )
    return array


def edges_from(values: ArrayLike) -> Edges:
    """Cut a column into at most 128 bins of about equal mass, with extra bins in both tails.

    A column of few distinct values gets a bin for each; a value that many rows share gets one
    to itself, so that ties are kept apart from the values just above them.
    """
    array = np.asarray(values, dtype=np.float64).ravel()
    array = array[np.isfinite(array)]
    if not array.size:
        raise StatisticsError("bin edges need at least one finite value, none was given")
    distinct, frequency = np.unique(array, return_counts=True)
    if distinct.size < LARGEST_BINS - 1:
        return Edges((*distinct.tolist(), float(np.nextafter(distinct[-1], np.inf))))
    cuts = np.unique(np.quantile(array, LEVELS, method="inverted_cdf"))
    room = LARGEST_BINS - 1 - cuts.size
    shared = np.flatnonzero(frequency * _BODY >= array.size)
    shared = shared[np.argsort(-frequency[shared], kind="stable")][:room]
    return Edges(tuple(np.unique([*cuts, *np.nextafter(distinct[shared], np.inf)]).tolist()))
