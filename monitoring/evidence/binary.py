"""Streams of an event that a row has or hasn't: a missing value, an alert, a refusal."""

from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from models.errors import StatisticsError
from monitoring.evidence.bets import ODDS, Bet, Floats, checked_tau, rate_bets, shifted_rate
from monitoring.evidence.state import Counts

_LOG_ODDS = np.log(ODDS)


@dataclass(frozen=True)
class BinaryStream:
    """How often `event` happens; bins are (without, with), `tau` SDs of the score behind it."""

    name: str
    event: str
    tau: float = 0.0
    grows: bool = True
    ordered: ClassVar[bool] = True

    def __post_init__(self) -> None:
        checked_tau(self.tau)

    @property
    def bins(self) -> int:
        """Return two: rows without the event and rows with it."""
        return 2

    @cached_property
    def bets(self) -> tuple[Bet, ...]:
        """Return the nine bets on the odds."""
        return rate_bets(f"more {self.event}", f"less {self.event}")

    @cached_property
    def log_weights(self) -> Floats:
        """Return the log of each bet's weight."""
        return np.log([bet.weight for bet in self.bets])

    def count(self, events: NDArray[np.bool_]) -> Counts:
        """Return how many rows are without the event and with it."""
        array = np.asarray(events)
        if array.dtype != np.bool_:
            raise StatisticsError(f"{self.name}: events must be true or false, got {array.dtype}")
        told = np.count_nonzero(array)
        return np.array([array.size - told, told], dtype=np.int64)

    def log_evidence(self, bag: Floats, today: Floats) -> Floats:
        """Return log E, [..., bets]: log psi^x / (1 - r + r psi)^n, r the bag's rate."""
        rate = bag[..., 1:] / bag.sum(axis=-1, keepdims=True)
        evidence = log_odds_evidence(rate, today[..., 1:], today.sum(axis=-1), self.tau)
        return evidence[..., 0, :]


def log_odds_evidence(
    rates: Floats,
    events: Floats,
    rows: float | Floats,
    tau: float,
    log_odds: Floats = _LOG_ODDS,
) -> Floats:
    """Return log E, [..., rates, odds], of `events` among `rows`, each rate moved against the bet.

    `rates` and `events` are [..., rates], `rows` is [...].

    A rate within the indifference zone of tau SDs is no evidence: odds above one are judged
    against the zone's highest rate, odds below one against its lowest.
    """
    high, low = (shifted_rate(rates, tau), shifted_rate(rates, -tau)) if tau else (rates, rates)
    worst = np.where(log_odds > 0, high[..., None], low[..., None])
    expected = np.log1p(worst * np.expm1(log_odds))
    among = np.asarray(rows)[..., None, None]
    return np.asarray(events[..., None] * log_odds - among * expected, dtype=np.float64)
