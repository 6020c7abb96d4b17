"""Inverse-probability-of-censoring weights for an outcome by a horizon.

Whoever is followed to the horizon, or had the event before it, is weighted by 1 / G, where G is the
chance of not having been censored by then; whoever was censored earlier gets 0 (Graf et al., Stat
Med 1999;18:2529). G is the Kaplan-Meier estimate within each stratum, with deaths at a time coming
before censorings at that time, so it is evaluated just before the event or the horizon.
"""

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
import numpy.typing as npt

from models.errors import StatisticsError
from models.evaluation.inputs import (
    FloatArray,
    check_labels,
    check_length,
    check_numbers,
    check_outcomes,
    check_weights,
)

DEFAULT_CAP = 20.0


class HorizonStatus(IntEnum):
    """What is known of a person at the horizon."""

    EVENT_FREE = 0
    EVENT = 1
    CENSORED = 2


@dataclass(frozen=True, slots=True)
class CensoringWeights:
    """A weight per row, and what the weighting cost."""

    weights: FloatArray
    capped: int
    effective_n: float
    censored_before_horizon: int


@dataclass(frozen=True, slots=True)
class CensoringSurvival:
    """Kaplan-Meier estimate of not being censored: a step function falling at `days`."""

    days: FloatArray
    survival: FloatArray

    def before(self, days: npt.ArrayLike) -> FloatArray:
        """Return the chance of not having been censored before each time: G(t-)."""
        position = np.searchsorted(self.days, np.asarray(days, dtype=np.float64), side="left")
        return np.asarray(np.r_[1.0, self.survival][position])

    def at(self, days: npt.ArrayLike) -> FloatArray:
        """Return the chance of not having been censored by each time: G(t)."""
        position = np.searchsorted(self.days, np.asarray(days, dtype=np.float64), side="right")
        return np.asarray(np.r_[1.0, self.survival][position])


@dataclass(frozen=True, slots=True)
class _Stratum:
    rows: npt.NDArray[np.intp]
    starts: npt.NDArray[np.intp]
    group: npt.NDArray[np.intp]
    days: FloatArray
    censored: FloatArray
    died: FloatArray


def outcome_at_horizon(
    follow_up_days: npt.ArrayLike, died: npt.ArrayLike, horizon_days: float
) -> tuple[npt.NDArray[np.int8], npt.NDArray[np.int8]]:
    """Return outcomes (0 where unknown) and the HorizonStatus of each row.

    Follow-up that ends alive exactly at the horizon is known to be event-free.
    """
    days, deaths = _check_follow_up(follow_up_days, died, horizon_days)
    event = (deaths == 1) & (days <= horizon_days)
    censored = (deaths == 0) & (days < horizon_days)
    status = np.full(days.size, HorizonStatus.EVENT_FREE, dtype=np.int8)
    status[event] = HorizonStatus.EVENT
    status[censored] = HorizonStatus.CENSORED
    return event.astype(np.int8), status


def censoring_survival(
    follow_up_days: npt.ArrayLike, died: npt.ArrayLike, counts: npt.ArrayLike | None = None
) -> CensoringSurvival:
    """Return the Kaplan-Meier estimate of not being censored, each row taken `counts` times."""
    days, deaths = _check_follow_up(follow_up_days, died, 1.0)
    stratum = _stratum(np.arange(days.size), days, deaths)
    factors = _survival_factors(stratum, check_weights(counts, days.size)[:1, stratum.rows])
    return CensoringSurvival(stratum.days, np.cumprod(factors, axis=1)[0])


class CensoringWeighter:
    """Follow-up ranked once, so that the weights of a bootstrap draw cost one pass.

    `strata`, such as the sample year, splits the rows into groups with a G of their own. No weight
    exceeds `cap`, since a few people with a tiny G would otherwise carry the estimate.
    """

    def __init__(
        self,
        follow_up_days: npt.ArrayLike,
        died: npt.ArrayLike,
        horizon_days: float,
        *,
        strata: npt.ArrayLike | None = None,
        cap: float = DEFAULT_CAP,
    ) -> None:
        days, deaths = _check_follow_up(follow_up_days, died, horizon_days)
        if not np.isfinite(cap) or cap < 1:
            raise StatisticsError(f"cap must be at least 1, not {cap:g}")
        self.y, self.status = outcome_at_horizon(days, deaths, horizon_days)
        self.rows = days.size
        self.cap = cap
        self._known = (self.status != HorizonStatus.CENSORED).astype(np.float64)
        # nobody followed to the horizon counts as censored, so G stays what it is there
        left_known = np.where(days >= horizon_days, 1.0, deaths)
        labels = np.zeros(self.rows) if strata is None else strata
        codes = check_labels(labels, self.rows, "strata")
        self._strata = tuple(
            _stratum(np.flatnonzero(codes == code), days, left_known)
            for code in range(int(codes.max()) + 1)
        )

    def weights(self, counts: npt.ArrayLike | None = None) -> CensoringWeights:
        """Return the weights of one sample, in which row i occurs `counts[i]` times."""
        taken = check_weights(counts, self.rows)[:1]
        uncapped = taken * self._inverse(taken)
        weights = np.minimum(uncapped, taken * self.cap)[0]
        capped = uncapped[0] > weights
        return CensoringWeights(
            weights=weights,
            capped=int(taken[0][capped].sum()),
            effective_n=effective_size(weights),
            censored_before_horizon=int(taken[0][self._known == 0].sum()),
        )

    def reweight(self, counts: npt.ArrayLike) -> FloatArray:
        """Return case weights (draws, rows) for multiplicities (draws, rows), G estimated anew."""
        taken = check_weights(counts, self.rows)
        return taken * np.minimum(self._inverse(taken), self.cap)

    def _inverse(self, taken: FloatArray) -> FloatArray:
        """Return 1 / G(t-) of each row, 0 where the outcome isn't known or the row isn't taken."""
        inverse = np.zeros_like(taken)
        for stratum in self._strata:
            survival = np.cumprod(_survival_factors(stratum, taken[:, stratum.rows]), axis=1)
            before = np.ones_like(survival)
            before[:, 1:] = survival[:, :-1]
            reciprocal = np.divide(1.0, before, out=np.zeros_like(before), where=before > 0)
            inverse[:, stratum.rows] = reciprocal[:, stratum.group]
        inverse *= self._known
        inverse[taken == 0] = 0.0
        return inverse


def effective_size(weights: FloatArray) -> float:
    """Return the effective sample size (sum w)^2 / sum w^2 (Kish 1965), 0 without any weight."""
    squares = float(weights @ weights)
    return float(weights.sum()) ** 2 / squares if squares > 0 else 0.0


def _stratum(rows: npt.NDArray[np.intp], days: FloatArray, died: FloatArray) -> _Stratum:
    ordered = rows[np.argsort(days[rows], kind="stable")]
    ranked = days[ordered]
    begins = np.r_[True, ranked[1:] != ranked[:-1]]
    starts, group = np.flatnonzero(begins), np.cumsum(begins) - 1
    return _Stratum(ordered, starts, group, ranked[starts], 1.0 - died[ordered], died[ordered])


def _survival_factors(stratum: _Stratum, ranked: FloatArray) -> FloatArray:
    """Return 1 - c / (n - d) at each distinct time, for multiplicities (draws, stratum.rows)."""
    censored = np.add.reduceat(ranked * stratum.censored, stratum.starts, axis=1)
    died = np.add.reduceat(ranked * stratum.died, stratum.starts, axis=1)
    leaving = censored + died
    at_risk = np.cumsum(leaving[:, ::-1], axis=1)[:, ::-1] - died
    share = np.divide(censored, at_risk, out=np.zeros_like(censored), where=at_risk > 0)
    return np.asarray(1.0 - share)


def _check_follow_up(
    follow_up_days: npt.ArrayLike, died: npt.ArrayLike, horizon_days: float
) -> tuple[FloatArray, FloatArray]:
    days = check_numbers(follow_up_days, "follow_up_days")
    deaths = check_outcomes(died, "died")
    check_length(deaths, days.size, "died")
    if (days < 0).any():
        raise StatisticsError(
            f"follow_up_days must not be negative: {int((days < 0).sum())} of {days.size} are"
        )
    if not np.isfinite(horizon_days) or horizon_days <= 0:
        raise StatisticsError(f"horizon_days must be positive, not {horizon_days:g}")
    return days, deaths
