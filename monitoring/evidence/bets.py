"""The bets that a stream places against "today's rows are like the earlier ones"."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from models.errors import StatisticsError

Floats = NDArray[np.float64]
Family = Literal["location", "scale", "tail", "rate"]

LOCATION_SHIFTS = (0.1, 0.2, 0.35, 0.6, 1.0)
SCALE_RATIOS = (0.7, 0.83, 1.2, 1.45)
TAIL_GAINS = ((0.005, 4.0), (0.02, 2.5), (0.02, 6.0), (0.1, 1.5), (0.1, 2.5))
ODDS = (0.2, 0.4, 0.6, 0.8, 1.25, 1.5, 2.0, 3.0, 5.0)
LOCATION_WEIGHT, SCALE_WEIGHT, TAIL_WEIGHT = 0.5, 0.15, 0.35
LARGEST_TAU = 1.0
_SCORE_STEP, _SCORE_LIMIT = 0.1, 3.2


@dataclass(frozen=True)
class Bet:
    """One alternative, in clinical words; `size` is SDs, a ratio of SDs, or a factor of mass."""

    family: Family
    direction: str
    size: float
    weight: float
    tail_mass: float | None = None


@dataclass(frozen=True, eq=False)
class NumericBank:
    """Bets as tables over bins of the standard normal score.

    `ranks` are the bins' inner boundaries as probabilities (Z - 1); `log_bet` is [Z, K];
    `zone` is [V, Z, K], each bet's mean in a bin after a shift at the indifference zone's bounds.
    """

    tau: float
    bets: tuple[Bet, ...]
    log_weights: Floats
    ranks: Floats
    log_bet: Floats
    zone: Floats


def checked_tau(tau: float) -> float:
    """Return the indifference zone's half width in SDs if it can be one."""
    if not 0.0 <= tau <= LARGEST_TAU:
        raise StatisticsError(f"tau is {tau}: give the smallest shift that matters, 0-1 SD")
    return float(tau)


def _score_edges() -> Floats:
    grid = np.arange(-_SCORE_LIMIT, _SCORE_LIMIT + _SCORE_STEP / 2, _SCORE_STEP).round(3)
    tails = ndtri([q for q, _ in TAIL_GAINS])
    return np.concatenate([[-np.inf], np.unique(np.concatenate([grid, tails, -tails])), [np.inf]])


def _masses(edges: Floats, shift: float = 0.0, ratio: float = 1.0) -> Floats:
    """Return the mass of N(shift, ratio^2) in each bin, from the nearer tail to lose no digits."""
    z = (edges - shift) / ratio
    lower, upper = z[:-1], z[1:]
    mass = np.where(lower > 0, ndtr(-lower) - ndtr(-upper), ndtr(upper) - ndtr(lower))
    return np.asarray(mass, dtype=np.float64)


def _tail_density(edges: Floats, mass: float, gain: float, upper: bool) -> Floats:
    inside = edges[:-1] >= -ndtri(mass) - 1e-12
    density = np.where(inside, gain, (1 - gain * mass) / (1 - mass))
    return density if upper else density[::-1]


def _alternatives(edges: Floats) -> tuple[tuple[Bet, ...], list[Floats]]:
    null = _masses(edges)
    bets, densities = [], []
    for size in LOCATION_SHIFTS:
        for sign, direction in ((1.0, "higher"), (-1.0, "lower")):
            weight = LOCATION_WEIGHT / (2 * len(LOCATION_SHIFTS))
            bets.append(Bet("location", direction, size, weight))
            densities.append(_masses(edges, shift=sign * size) / null)
    for ratio in SCALE_RATIOS:
        direction = "more spread" if ratio > 1 else "less spread"
        bets.append(Bet("scale", direction, ratio, SCALE_WEIGHT / len(SCALE_RATIOS)))
        densities.append(_masses(edges, ratio=ratio) / null)
    for mass, gain in TAIL_GAINS:
        for upper, direction in ((True, "upper tail"), (False, "lower tail")):
            bets.append(Bet("tail", direction, gain, TAIL_WEIGHT / (2 * len(TAIL_GAINS)), mass))
            densities.append(_tail_density(edges, mass, gain, upper))
    return tuple(bets), densities


def _moved(edges: Floats, shift: float) -> Floats:
    """Return [Z, Z]: the chance that a score of one bin lies in another once it is shifted."""
    source = edges - shift
    low = np.maximum(edges[:-1, None], source[None, :-1])
    high = np.minimum(edges[1:, None], source[None, 1:])
    mass = np.where(low > 0, ndtr(-low) - ndtr(-high), ndtr(high) - ndtr(low))
    return np.asarray(np.maximum(mass, 0.0) / _masses(edges)[:, None], dtype=np.float64)


def _zone(edges: Floats, density: Floats, tau: float) -> Floats:
    """Return each bet's mean in a bin after a shift of -tau, 0 and tau SD, [V, Z, K].

    Spread needs no zone of its own: the bet on a ratio of 1.2 gains only beyond 1.09.
    """
    shifts = (-tau, 0.0, tau) if tau else (0.0,)
    return np.stack([_moved(edges, shift) @ density for shift in shifts])


@lru_cache(maxsize=16)
def numeric_bank(tau: float = 0.0) -> NumericBank:
    """Build the 24 bets on location, spread and both tails, indifferent to shifts within tau SD."""
    tau = checked_tau(tau)
    edges = _score_edges()
    bets, densities = _alternatives(edges)
    density = np.stack(densities, axis=1)
    tables = (
        np.log([bet.weight for bet in bets]),
        ndtr(edges[1:-1]),
        np.log(density),
        _zone(edges, density, tau),
    )
    for table in tables:
        table.flags.writeable = False
    return NumericBank(tau, bets, *tables)


def rate_bets(more: str, less: str, share: float = 1.0) -> tuple[Bet, ...]:
    """Return the nine bets that the odds of an event changed, with weights that sum to `share`."""
    weight = share / len(ODDS)
    return tuple(Bet("rate", more if odds > 1 else less, odds, weight) for odds in ODDS)


def shifted_rate(rate: Floats, tau: float) -> Floats:
    """Return a rate moved by tau SDs of the normal score behind it: Phi(Phi^-1(rate) + tau)."""
    return np.asarray(ndtr(ndtri(rate) + tau), dtype=np.float64)
