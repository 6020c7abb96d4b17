"""The bets of alarms that rest on outcomes: what they share, whatever each of them weighs."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from models.scoring.calibration import LARGEST_RISK, SMALLEST_RISK
from monitoring.evidence.bets import Bet
from monitoring.evidence.detector import Budget, advance
from monitoring.evidence.state import Floats, opened


@dataclass(frozen=True)
class OutcomeBets:
    """Bets whose evidence is computed from outcomes; their stream counts rows in one bin."""

    name: str
    bets: tuple[Bet, ...]
    bins: int = 1
    grows: bool = False

    @cached_property
    def log_weights(self) -> Floats:
        """Return the log of each bet's weight."""
        return np.log([bet.weight for bet in self.bets])

    @cached_property
    def sizes(self) -> Floats:
        """Return each bet's size."""
        return np.array([bet.size for bet in self.bets])


@dataclass(frozen=True)
class Raised:
    """The first alarm: the change's first day by estimate, the day that alarmed, and which way."""

    onset: date
    day: date
    direction: str


def first_alarm(
    bets: OutcomeBets,
    days: NDArray[np.datetime64],
    evidence: Callable[[NDArray[np.bool_]], Floats],
    budget: Budget,
) -> Raised | None:
    """Weigh rows day by day, `days` being theirs, (n,); return the first alarm or None.

    `evidence` returns each bet's log E, [bets], of the rows that it's shown.
    """
    state = opened(np.array([1]), len(bets.bets))
    for day in np.unique(days).astype(object):
        rows = days == np.datetime64(day)
        closing = advance(bets, state.observe([int(rows.sum())]), day, budget, evidence(rows))
        if closing.alarm and closing.leading is not None and closing.onset is not None:
            return Raised(closing.onset, day, closing.leading.direction)
        state = replace(closing.state, today=np.zeros_like(state.today))
    return None


def log_odds(risk: Floats) -> Floats:
    """Return the log-odds of risks, those of 0 and 1 as of the nearest that can be served."""
    inside = np.clip(risk, SMALLEST_RISK, LARGEST_RISK)
    return np.asarray(np.log(inside) - np.log1p(-inside))
