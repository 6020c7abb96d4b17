"""Tell whether recent values look like earlier ones in another unit."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import brentq

from models.errors import StatisticsError

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

LEAST_ROWS = 20
CLEAR_GAIN = 6.9  # log 1000: a thousand times likelier than no change of unit
_GRID = 512
_STRAY, _STRAY_WIDTH = 1e-3, 5.0
_HALF_CHI2_95 = 1.92
_TIE = 2.0
_CLEARLY_BETTER = 5.4  # half of chi-squared's 99.9 % point with one degree of freedom


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
class _Density:
    """A smoothed density of the reference, in logarithms where all values are positive."""

    positive: bool
    centre: float
    spread: float
    grid: Floats
    height: Floats

    def log_at(self, values: Floats) -> Floats:
        """Return the log density at each value; a stray part keeps far values possible."""
        usable = values > 0 if self.positive else np.ones(values.shape, dtype=bool)
        safe = np.where(usable, values, 1.0)
        place = np.log(safe) if self.positive else safe
        z = (place - self.centre) / (_STRAY_WIDTH * self.spread)
        stray = np.exp(-0.5 * z**2) / (_STRAY_WIDTH * self.spread * np.sqrt(2 * np.pi))
        body = np.interp(place, self.grid, self.height, left=0.0, right=0.0)
        density = np.maximum((1 - _STRAY) * body + _STRAY * stray, 1e-300)
        log_density = np.log(density) - (np.log(safe) if self.positive else 0.0)
        return np.where(usable, log_density, -690.0)


def _fit_density(reference: Floats, positive: bool) -> _Density:
    place = np.log(reference) if positive else reference
    q1, median, q3 = np.quantile(place, [0.25, 0.5, 0.75])
    deviation = float(place.std())
    if deviation == 0:
        raise StatisticsError("the reference values are all equal: no unit can be told from them")
    spread = min(deviation, (q3 - q1) / 1.349) if q3 > q1 else deviation
    bandwidth = 0.9 * spread * place.size**-0.2
    grid = np.linspace(place.min() - 4 * bandwidth, place.max() + 4 * bandwidth, _GRID)
    step = grid[1] - grid[0]
    share = np.bincount(((place - grid[0]) / step).round().astype(int), minlength=_GRID)
    reach = int(np.ceil(4 * bandwidth / step))
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) * step / bandwidth) ** 2)
    height = np.convolve(share / place.size, kernel / kernel.sum(), mode="full")
    height = height[reach : reach + _GRID] / step
    return _Density(positive, float(median), float(max(spread, deviation / 10)), grid, height)


def _log_likelihood(share: float, ratio: Floats) -> float:
    """Return the gain of a mixture: sum log(1 - share + share * ratio)."""
    return float(np.log1p(share * np.expm1(np.minimum(ratio, 600.0))).sum())


def _best_share(ratio: Floats) -> float:
    """Return the share of the mixture that fits best; its log likelihood is concave."""
    excess = np.expm1(np.minimum(ratio, 600.0))

    def slope(share: float) -> float:
        return float((excess / (1 + share * excess)).sum())

    if slope(0.0) <= 0:
        return 0.0
    last = 1 - 1e-9
    return last if slope(last) >= 0 else float(brentq(slope, 0.0, last, xtol=1e-10))


def _share_interval(share: float, ratio: Floats) -> tuple[float, float]:
    floor = _log_likelihood(share, ratio) - _HALF_CHI2_95

    def above(candidate: float) -> float:
        return _log_likelihood(candidate, ratio) - floor

    last = 1 - 1e-9
    low = 0.0 if above(0.0) >= 0 else float(brentq(above, 0.0, share))
    high = 1.0 if above(last) >= 0 else float(brentq(above, share, last))
    return low, high


def recognise_unit(
    reference: ArrayLike, recent: ArrayLike, candidates: Sequence[UnitChange]
) -> UnitFinding | None:
    """Return the conversion that explains the recent values, or None if none clearly does.

    Each candidate is fitted as a mixture: a share of the recent values follows the reference's
    distribution after the conversion, the rest before it. It must be a thousand times likelier
    than no change, and not clearly less likely than one free factor common to all values (an assay
    that drifts).
    """
    before, now = _finite(reference, "reference"), _finite(recent, "recent")
    density = _density_of(before)
    base = density.log_at(now)
    fits = []
    for change in candidates:
        if change.factor <= 0 or (change.factor, change.offset) == (1.0, 0.0):
            raise StatisticsError(f"unit change {change.name}: its factor {change.factor} is none")
        ratio = _undone(density, now, change) - base
        share = _best_share(ratio)
        fits.append((_log_likelihood(share, ratio), share, change, ratio))
    fits.sort(key=lambda fit: -fit[0])
    drift = _drift_gain(density, base, before, now)
    if not fits or fits[0][0] < max(CLEAR_GAIN, drift - _CLEARLY_BETTER):
        return None
    gain, share, change, ratio = fits[0]
    low, high = _share_interval(share, ratio)
    rivals = tuple(fit[2].name for fit in fits[1:] if fit[0] > gain - _TIE)
    return UnitFinding(change, share, low, high, gain, rivals)


def looks_like(reference: ArrayLike, change: UnitChange) -> Callable[[Floats], Bools]:
    """Return what says which values are likelier after a conversion than as they are.

    That is by the reference's distribution, as `recognise_unit` has it. NaN is neither.
    """
    density = _density_of(_finite(reference, "reference"))

    def looks(values: Floats) -> Bools:
        known = np.isfinite(values)
        some = values[known]
        found = np.zeros(values.shape, dtype=np.bool_)
        found[known] = _undone(density, some, change) > density.log_at(some)
        return found

    return looks


def _undone(density: _Density, values: Floats, change: UnitChange) -> Floats:
    """Return the log density of values that are what a conversion made of right ones."""
    right = (values - change.offset) / change.factor
    return np.asarray(density.log_at(right) - np.log(change.factor), dtype=np.float64)


def _density_of(reference: Floats) -> _Density:
    return _fit_density(reference, bool((reference > 0).all()))


def _drift_gain(density: _Density, base: Floats, before: Floats, now: Floats) -> float:
    """Return the log likelihood that one common factor gains, if all values are positive."""
    if not density.positive or (now <= 0).any():
        return 0.0
    factor = float(np.exp(np.median(np.log(now)) - np.median(np.log(before))))
    return float((density.log_at(now / factor) - np.log(factor) - base).sum())


def _finite(values: ArrayLike, name: str) -> Floats:
    array = np.asarray(values, dtype=np.float64).ravel()
    array = array[np.isfinite(array)]
    if array.size < LEAST_ROWS:
        raise StatisticsError(
            f"{array.size} usable {name} values: {LEAST_ROWS} are needed to recognise a unit"
        )
    return array
