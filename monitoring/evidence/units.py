"""Tell whether recent values look like earlier ones in another unit."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import brentq, minimize, minimize_scalar

from models.errors import StatisticsError
from monitoring.evidence.density import Density, density_of
from monitoring.evidence.state import Floats

Bools = NDArray[np.bool_]

LEAST_ROWS = 20
CLEAR_GAIN = 6.9  # log 1000: a thousand times likelier than no change of unit
_HALF_CHI2_95 = 1.92
_TIE = 2.0
_CLEARLY_BETTER = 5.4  # half of chi-squared's 99.9 % point with one degree of freedom
# by how much wider all values are looked at, and some of them
_RATIOS = np.exp(np.linspace(-1.4, 1.4, 15))
_WIDER = (1.5, 2.0, 3.0, 5.0, 8.0)
# more distinct values are gathered to within a hundredth of the reference's spread
_MOST_DISTINCT, _ALIKE = 10_000, 0.01
# a common shift this near to a conversion's, in spreads, is that conversion and a drift
_ALIKE_SHIFT = 0.3


@dataclass(frozen=True)
class UnitChange:
    """A conversion that could have been missed: the wrong value is factor * right + offset."""

    name: str
    factor: float
    offset: float = 0.0


@dataclass(frozen=True)
class UnitFinding:
    """The conversion that fits, the share of values it touches (95 % profile interval).

    `gain` is the log likelihood gained over no change; `also_fits` names rivals within 2 of it.
    `first_days` is of how many days the values are, where the change was there for longer.
    """

    change: UnitChange
    share: float
    share_low: float
    share_high: float
    gain: float
    also_fits: tuple[str, ...]
    first_days: int | None = None


@dataclass(frozen=True, eq=False)
class _Recent:
    """Recent values, each of them once and ascending, with how many rows have it.

    `chance` is by how much more than by itself a gain may be chance, as the reference is a sample.
    """

    density: Density
    values: Floats
    rows: Floats
    chance: float

    @cached_property
    def base(self) -> Floats:
        """Return each value's log density where nothing changed."""
        return self.density.log_at(self.values)

    def total(self, logs: Floats) -> float:
        """Return the sum over all rows of what each value counts."""
        return float((self.rows * logs).sum())

    def gain(self, shift: float = 0.0, ratio: float = 1.0) -> float:
        """Return the log likelihood that another place and spread of all values gain."""
        return self.total(self.density.log_at(self.values, shift, ratio) - self.base)


@dataclass(frozen=True, eq=False)
class _Fit:
    """A conversion of a share of values, at the spread that fits it best."""

    change: UnitChange
    share: float
    ratio: Floats
    gain: float


def _gain(share: float, ratio: Floats, rows: Floats) -> float:
    """Return the gain of a mixture: sum log(1 - share + share * ratio)."""
    return float((rows * np.log1p(share * np.expm1(np.minimum(ratio, 600.0)))).sum())


def _best_share(ratio: Floats, rows: Floats) -> float:
    """Return the share of the mixture that fits best; its log likelihood is concave."""
    excess = np.expm1(np.minimum(ratio, 600.0))

    def slope(share: float) -> float:
        return float((rows * excess / (1 + share * excess)).sum())

    if slope(0.0) <= 0:
        return 0.0
    last = 1 - 1e-9
    return last if slope(last) >= 0 else float(brentq(slope, 0.0, last, xtol=1e-10))


def _share_interval(fit: _Fit, rows: Floats) -> tuple[float, float]:
    floor = _gain(fit.share, fit.ratio, rows) - _HALF_CHI2_95

    def above(candidate: float) -> float:
        return _gain(candidate, fit.ratio, rows) - floor

    last = 1 - 1e-9
    low = 0.0 if above(0.0) >= 0 else float(brentq(above, 0.0, fit.share))
    high = 1.0 if above(last) >= 0 else float(brentq(above, fit.share, last))
    return low, high


def recognise_unit(
    reference: ArrayLike, recent: ArrayLike, candidates: Sequence[UnitChange]
) -> UnitFinding | None:
    """Return the conversion that explains the recent values, or None if none clearly does.

    Each candidate is fitted as a mixture: a share of the recent values follows the reference's
    distribution after the conversion, the rest before it, both as much wider as fits best. It must
    be a thousand times likelier than no change of unit, at any spread, and not clearly less likely
    than a shift and a spread common to all values (an assay that drifts), or than some values being
    spread more to both sides.
    """
    before, now = _finite(reference, "reference"), _finite(recent, "recent")
    rows = _recent(density_of(before), before, now)
    fits = []
    for change in candidates:
        if change.factor <= 0 or (change.factor, change.offset) == (1.0, 0.0):
            raise StatisticsError(f"unit change {change.name}: its factor {change.factor} is none")
        fit = _fit(rows, change, 1.0)
        if fit.gain >= CLEAR_GAIN:
            fits.append(_at_best_spread(rows, change, fit))
    fits.sort(key=lambda fit: -fit.gain)
    if not fits or not _is_believed(fits[0], rows):
        return None
    best = fits[0]
    low, high = _share_interval(best, rows.rows)
    rivals = tuple(fit.change.name for fit in fits[1:] if fit.gain > best.gain - _TIE)
    return UnitFinding(best.change, best.share, low, high, best.gain, rivals)


def _recent(density: Density, before: Floats, now: Floats) -> _Recent:
    """Gather equal values, and those that are as good as equal where many differ."""
    distinct, rows = np.unique(now, return_counts=True)
    if distinct.size > _MOST_DISTINCT and (not density.positive or distinct[0] > 0):
        step = density.spread * _ALIKE
        place, of = np.unique(np.round(density.place(distinct) / step), return_inverse=True)
        distinct = np.exp(place * step) if density.positive else place * step
        rows = np.bincount(of.ravel(), rows)
    chance = 1 + now.size / before.size
    return _Recent(density, distinct, np.asarray(rows, dtype=np.float64), chance)


def _fit(rows: _Recent, change: UnitChange, spread: float) -> _Fit:
    """Fit the share that a conversion touches, where all values are spread so much more."""
    usual = rows.density.log_at(rows.values, ratio=spread)
    ratio = _undone(rows.density, rows.values, change, spread) - usual
    share = _best_share(ratio, rows.rows)
    wider = rows.total(usual - rows.base)
    return _Fit(change, share, ratio, _gain(share, ratio, rows.rows) + wider)


def _at_best_spread(rows: _Recent, change: UnitChange, as_usual: _Fit) -> _Fit:
    """Fit a conversion at the spread that is likeliest with it, the usual one if that may be."""
    found = _fit(rows, change, _likeliest(lambda spread: _fit(rows, change, spread).gain))
    return found if found.gain > as_usual.gain + _CLEARLY_BETTER * rows.chance else as_usual


def _likeliest(gain: Callable[[float], float]) -> float:
    """Return the ratio of spreads with the largest gain: of a grid, and then near it."""
    gains = [gain(float(ratio)) for ratio in _RATIOS]
    at = int(np.argmax(gains))
    ends = _RATIOS[max(at - 1, 0)], _RATIOS[min(at + 1, _RATIOS.size - 1)]
    found = minimize_scalar(
        lambda log: -gain(float(np.exp(log))),
        bounds=np.log(ends),
        method="bounded",
        options={"xatol": 0.005},
    )
    return float(np.exp(found.x)) if -found.fun > gains[at] else float(_RATIOS[at])


def _is_believed(fit: _Fit, rows: _Recent) -> bool:
    """Say whether a change of unit is likelier than all that may be without one."""
    wider = rows.gain(ratio=_likeliest(lambda ratio: rows.gain(ratio=ratio)))
    least = max(wider + CLEAR_GAIN * rows.chance, *(_some_wider(rows, one) for one in _WIDER))
    drift, shift = _drift(rows)
    if abs(shift - _moved_by(fit.change, rows.density)) > _ALIKE_SHIFT:
        least = max(least, drift - _CLEARLY_BETTER * rows.chance)
    return fit.gain >= least


def _some_wider(rows: _Recent, ratio: float) -> float:
    """Return the log likelihood that a wider spread of the share that fits best gains."""
    wider = rows.density.log_at(rows.values, ratio=ratio) - rows.base
    return _gain(_best_share(wider, rows.rows), wider, rows.rows)


def _drift(rows: _Recent) -> tuple[float, float]:
    """Return the log likelihood that one shift and spread of all values gain, and the shift.

    The shift is in the reference's spreads; in logarithms, it is a common factor. There is none
    where values before were all positive and some aren't now.
    """
    density = rows.density
    if density.positive and rows.values[0] <= 0:
        return 0.0, 0.0
    middle = rows.values[np.searchsorted(np.cumsum(rows.rows), rows.rows.sum() / 2)]
    start = (float(density.place(middle)) - density.centre) / density.spread
    found = minimize(
        lambda at: -rows.gain(density.spread * at[0], float(np.exp(at[1]))),
        np.array([start, 0.0]),
        method="Nelder-Mead",
        options={
            "initial_simplex": np.array([[start, 0.0], [start + 0.5, 0.3], [start - 0.3, 0.5]]),
            "xatol": 0.005,
            "fatol": 0.05,
            "maxfev": 120,
        },
    )
    return float(-found.fun), float(found.x[0])


def _moved_by(change: UnitChange, density: Density) -> float:
    """Return by how many spreads a conversion moves the middle of the reference."""
    middle = np.exp(density.centre) if density.positive else density.centre
    wrong = np.array(change.factor * middle + change.offset)
    if density.positive and wrong <= 0:
        return -np.inf
    return (float(density.place(wrong)) - density.centre) / density.spread


def looks_like(reference: ArrayLike, change: UnitChange) -> Callable[[Floats], Bools]:
    """Return what says which values are likelier after a conversion than as they are.

    That is by the reference's distribution, as `recognise_unit` has it. NaN is neither.
    """
    density = density_of(_finite(reference, "reference"))

    def looks(values: Floats) -> Bools:
        known = np.isfinite(values)
        some = values[known]
        found = np.zeros(values.shape, dtype=np.bool_)
        found[known] = _undone(density, some, change) > density.log_at(some)
        return found

    return looks


def _undone(density: Density, values: Floats, change: UnitChange, spread: float = 1.0) -> Floats:
    """Return the log density of values that are what a conversion made of right ones."""
    right = (values - change.offset) / change.factor
    found = density.log_at(right, ratio=spread) - np.log(change.factor)
    return np.asarray(found, dtype=np.float64)


def _finite(values: ArrayLike, name: str) -> Floats:
    array = np.asarray(values, dtype=np.float64).ravel()
    array = array[np.isfinite(array)]
    if array.size < LEAST_ROWS:
        raise StatisticsError(
            f"{array.size} usable {name} values: {LEAST_ROWS} are needed to recognise a unit"
        )
    return array
