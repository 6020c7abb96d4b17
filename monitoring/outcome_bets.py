"""The bets of alarms that rest on outcomes: what they share, whatever each of them weighs."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date
from functools import cached_property

import numpy as np

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


@dataclass(frozen=True, eq=False)
class DayOfOutcomes:
    """A day's rows: each bet's log E of them, [bets], and sums of what an alarm would say."""

    day: date
    rows: int
    log_evidence: Floats
    sums: Floats


@dataclass(frozen=True, eq=False)
class Raised:
    """The first alarm: the change's first day by estimate, the day that alarmed, and which way.

    `sums` are those of all days from the one to the other.
    """

    onset: date
    day: date
    direction: str
    sums: Floats


def first_alarm(bets: OutcomeBets, days: Iterable[DayOfOutcomes], budget: Budget) -> Raised | None:
    """Weigh days in their order; return the first alarm or None."""
    state = opened(np.array([1]), len(bets.bets))
    sums: dict[date, Floats] = {}
    for one in days:
        sums[one.day] = one.sums
        closing = advance(bets, state.observe([one.rows]), one.day, budget, one.log_evidence)
        if closing.alarm and closing.leading is not None and closing.onset is not None:
            since = [found for day, found in sums.items() if day >= closing.onset]
            return Raised(closing.onset, one.day, closing.leading.direction, np.sum(since, axis=0))
        state = replace(closing.state, today=np.zeros_like(state.today))
    return None


def log_odds(risk: Floats) -> Floats:
    """Return the log-odds of risks, those of 0 and 1 as of the nearest that can be served."""
    inside = np.clip(risk, SMALLEST_RISK, LARGEST_RISK)
    return np.asarray(np.log(inside) - np.log1p(-inside))
