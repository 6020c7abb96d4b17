"""A normal distribution fitted to counts in bins, whose outermost ones are open.

Each stratum's cuts stand where its rows of before put them on the standard normal scale. The shift
and spread of later rows are those under which their counts are likeliest (an ordered probit with
known cuts, whose log likelihood is concave in 1 / spread and shift / spread: Burridge, JRSSB
1982;44:35), so that rows in an open bin are as far out as those inside make likely.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from monitoring.evidence.state import Counts, Floats

# a cut is known well enough with so many rows of before beyond it, or such a share of few
LEAST_BEYOND, LEAST_SHARE = 10, 0.02
_STEPS, _ENOUGH = 60, 1e-9
_NARROWEST, _WIDEST = 0.005, 50.0
# rows of neighbouring bins, or of two strata whose cuts differ by chance, are within so many SDs
_ONE_PLACE = 0.05


@dataclass(frozen=True, eq=False)
class Stratum:
    """Later rows between cuts on the normal scale, `rows` [cuts + 1], and how many were before."""

    cuts: Floats
    rows: Floats
    rows_before: float

    @property
    def cut_errors(self) -> Floats:
        """Return the covariance of the cuts, which the rows of before put where they are."""
        below, density = ndtr(self.cuts), _density(self.cuts)
        ranks = np.arange(self.cuts.size)
        first, last = np.minimum.outer(ranks, ranks), np.maximum.outer(ranks, ranks)
        shares = below[first] * (1 - below[last]) / self.rows_before
        return np.asarray(shares / np.outer(density, density), dtype=np.float64)

    def shares(self, narrow: float, place: float) -> Floats:
        """Return the share of each bin where rows are N(place / narrow, 1 / narrow^2)."""
        z = np.concatenate([[-np.inf], narrow * self.cuts - place, [np.inf]])
        low, high = z[:-1], z[1:]
        mass = np.where(low > 0, ndtr(-low) - ndtr(-high), ndtr(high) - ndtr(low))
        return np.asarray(np.maximum(mass, 1e-300), dtype=np.float64)

    def slopes(self, narrow: float, place: float) -> Floats:
        """Return how the log of each bin's share changes with both parameters, [bins, 2]."""
        density = _density(narrow * self.cuts - place)
        moved = np.stack([self.cuts * density, -density])
        change = np.diff(np.pad(moved, ((0, 0), (1, 1))), axis=1)
        return np.asarray((change / self.shares(narrow, place)).T, dtype=np.float64)


@dataclass(frozen=True)
class Beyond:
    """How many of all rows lie beyond a cut, where that is on the normal scale, and its error."""

    rows: float
    of: float
    cut: float
    error: float


@dataclass(frozen=True, eq=False)
class Grouped:
    """Later rows in the strata that have any."""

    strata: tuple[Stratum, ...]

    @cached_property
    def rows(self) -> float:
        """Return how many rows there are."""
        return float(sum(one.rows.sum() for one in self.strata))

    @cached_property
    def ends(self) -> tuple[float, float]:
        """Return between which places on the normal scale all rows lie."""
        low, high = zip(*(one for found in self.strata for one in _held(found)), strict=True)
        return min(low), max(high)

    @cached_property
    def is_in_one_place(self) -> bool:
        """Whether all rows might be of one value, as far as cuts are known."""
        low, high = zip(*(one for found in self.strata for one in _held(found)), strict=True)
        return bool(max(low) - min(high) <= _ONE_PLACE)

    @property
    def has_a_spread(self) -> bool:
        """Whether a spread can be told from a shift."""
        cuts = any(one.cuts.size > 1 for one in self.strata)
        return cuts and not self.is_in_one_place

    def beyond(self, *, above: bool) -> Beyond:
        """Return how many rows lie beyond the last cut.

        Of several strata it is the cut that is least far out.
        """
        at, way = (-1, 1) if above else (0, -1)
        nearest = min(self.strata, key=lambda one: way * one.cuts[at])
        rows = float(sum(one.rows[at] for one in self.strata))
        error = float(np.sqrt(nearest.cut_errors[at, at]))
        return Beyond(rows, self.rows, float(nearest.cuts[at]), error)


@dataclass(frozen=True)
class Fit:
    """How far rows are shifted, in SDs of before, and by which factor they are spread, as a log."""

    shift: float
    shift_error: float
    log_ratio: float
    log_ratio_error: float


def grouped(before: Counts, now: Counts) -> Grouped:
    """Place later rows among the cuts of before; counts are [strata, bins]."""
    return Grouped(
        tuple(_stratum(old, new) for old, new in zip(before, now, strict=True) if new.any())
    )


def _stratum(before: Counts, now: Counts) -> Stratum:
    rows, later = float(before.sum()), float(now.sum())
    below, now_below = np.cumsum(before)[:-1], np.cumsum(now)[:-1]
    least = min(max(LEAST_SHARE * rows, 1), LEAST_BEYOND)
    known = (below >= least) & (rows - below >= least)
    # what most rows lie beyond says more, however few were there before
    known |= ((below < least) & (2 * now_below > later)) | (
        (rows - below < least) & (2 * now_below < later)
    )
    if not known.any():  # nearly all rows lie where those of before did, in one bin
        known[:] = True
    at = np.flatnonzero(known)
    # bins without rows of before are one with that below them
    at = at[np.diff(below[at], prepend=-1) > 0]
    held = np.diff(np.concatenate([[0], now_below[at], [later]]))
    ranks = np.clip(below[at] / max(rows, 1), 0.5 / (rows + 1), (rows + 0.5) / (rows + 1))
    return Stratum(ndtri(ranks), np.asarray(held, dtype=np.float64), max(rows, 1.0))


def _held(found: Stratum) -> Sequence[tuple[float, float]]:
    """Return both ends of each bin that has rows."""
    cuts = (-np.inf, *found.cuts.tolist(), np.inf)
    return [ends for ends, rows in zip(pairwise(cuts), found.rows, strict=True) if rows]


def _density(z: Floats) -> Floats:
    return np.asarray(np.exp(-0.5 * z**2) / np.sqrt(2 * np.pi), dtype=np.float64)


def fit(found: Grouped, start: tuple[float, float]) -> Fit:
    """Return the likeliest shift and spread; `start` is a guess of both.

    Where no spread can be told, it's taken to be as before. The errors are those of both
    samples, the later one's without taking it to be normal (White, Econometrica 1982;50:1).
    """
    free = np.array([found.has_a_spread, True])
    # too wide a start is left at once, from too narrow a one there's no slope
    ratio = float(np.clip(start[1], 0.5, 20)) if free[0] else 1.0
    at = np.array([1 / ratio, start[0] / ratio])
    likely = _log_likelihood(found, at)
    for _ in range(_STEPS):
        slope, known, _ = _information(found, at)
        step = np.zeros(2)
        step[free] = np.linalg.solve(known[np.ix_(free, free)], slope[free])
        moved, gained = _climbed(found, at, step, likely)
        if gained - likely <= _ENOUGH:
            break
        at, likely = moved, gained
    return _with_errors(found, at, free)


def _climbed(found: Grouped, at: Floats, step: Floats, likely: float) -> tuple[Floats, float]:
    """Return the first of ever shorter steps that is likelier, or where one was."""
    for _ in range(30):
        moved = at + step
        moved[0] = np.clip(moved[0], 1 / _WIDEST, 1 / _NARROWEST)
        gained = _log_likelihood(found, moved)
        if gained > likely:
            return moved, gained
        step = step / 2
    return at, likely


def _log_likelihood(found: Grouped, at: Floats) -> float:
    return float(sum((one.rows * np.log(one.shares(*at))).sum() for one in found.strata))


def _information(found: Grouped, at: Floats) -> tuple[Floats, Floats, Floats]:
    """Return the slope of the log likelihood, its expected curvature, and its squares' sum."""
    slope, known, squares = np.zeros(2), np.zeros((2, 2)), np.zeros((2, 2))
    for one in found.strata:
        slopes, shares = one.slopes(*at), one.shares(*at)
        slope += one.rows @ slopes
        known += one.rows.sum() * (slopes.T * shares) @ slopes
        squares += (slopes.T * one.rows) @ slopes
    return slope, known, squares


def _with_errors(found: Grouped, at: Floats, free: NDArray[np.bool_]) -> Fit:
    _, known, squares = _information(found, at)
    inverse = np.zeros((2, 2))
    inverse[np.ix_(free, free)] = np.linalg.inv(known[np.ix_(free, free)])
    for one in found.strata:
        # how the slopes would change, were a cut elsewhere
        apart = -np.diff(one.slopes(*at), axis=0).T * at[0] * _density(at[0] * one.cuts - at[1])
        squares += one.rows.sum() ** 2 * apart @ one.cut_errors @ apart.T
    covariance = inverse @ squares @ inverse
    narrow, place = at
    of_shift = np.array([-place / narrow**2, 1 / narrow])
    return Fit(
        float(place / narrow),
        float(np.sqrt(of_shift @ covariance @ of_shift)),
        float(-np.log(narrow)),
        float(np.sqrt(covariance[0, 0]) / narrow),
    )
