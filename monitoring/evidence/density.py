"""A smoothed density of a stream's earlier values, from which recent ones are told apart."""

from dataclasses import dataclass

import numpy as np

from models.errors import StatisticsError
from monitoring.evidence.state import Floats

_GRID = 512
_STRAY, _STRAY_WIDTH = 1e-3, 5.0


@dataclass(frozen=True, eq=False)
class Density:
    """A smoothed density of the reference, in logarithms where all values are positive."""

    positive: bool
    centre: float
    spread: float
    grid: Floats
    height: Floats

    def log_at(self, values: Floats, shift: float = 0.0, ratio: float = 1.0) -> Floats:
        """Return the log density at each value; a stray part keeps far values possible.

        The reference is taken to be shifted, and `ratio` times as wide about its median, in
        logarithms where it's in logarithms.
        """
        usable = values > 0 if self.positive else np.ones(values.shape, dtype=bool)
        safe = np.where(usable, values, 1.0)
        place = self.place(safe) if shift == 0 and ratio == 1 else self._back(safe, shift, ratio)
        z = (place - self.centre) / (_STRAY_WIDTH * self.spread)
        stray = np.exp(-0.5 * z**2) / (_STRAY_WIDTH * self.spread * np.sqrt(2 * np.pi))
        body = np.interp(place, self.grid, self.height, left=0.0, right=0.0)
        density = np.maximum((1 - _STRAY) * body + _STRAY * stray, 1e-300)
        log_density = np.log(density) - (np.log(safe) if self.positive else 0.0) - np.log(ratio)
        return np.where(usable, log_density, -690.0)

    def place(self, values: Floats) -> Floats:
        """Return where values lie on the density's scale."""
        return np.log(values) if self.positive else values

    def _back(self, values: Floats, shift: float, ratio: float) -> Floats:
        return self.centre + (self.place(values) - shift - self.centre) / ratio


def density_of(reference: Floats) -> Density:
    """Smooth finite values; raise StatisticsError where they are all equal."""
    positive = bool((reference > 0).all())
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
    return Density(positive, float(median), float(max(spread, deviation / 10)), grid, height)
