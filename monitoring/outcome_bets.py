"""The bets of alarms that rest on outcomes: what they share, whatever each of them weighs."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import date
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from models.scoring.calibration import LARGEST_RISK, SMALLEST_RISK
from monitoring.evidence.bets import Bet
from monitoring.evidence.detector import Budget, advance
from monitoring.evidence.state import Floats, opened
from monitoring.wilson import wilson


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
    """A day's rows: each bet's log E of them, [bets], and what an alarm would say of them.

    `sums` are [4]: rows that tell something, what these weigh, and, as they weigh, what was
    observed of them, and what was expected.
    """

    day: date
    rows: int
    log_evidence: Floats
    sums: Floats


@dataclass(frozen=True)
class Shares:
    """Of the rows of some days, the share observed, with its 95 % interval, and that expected.

    Shares are of what the rows weigh, `weight` together. `left_out` says which predictions of these
    days aren't among the rows, empty where all are.
    """

    first: date
    last: date
    rows: int
    observed: float
    low: float
    high: float
    expected: float
    weight: float
    left_out: str = ""

    @property
    def days(self) -> str:
        """Say which days these are, and what is left out of them."""
        rest = f" ({self.left_out})" if self.left_out else ""
        if self.first == self.last:
            return f"of {self.first}{rest}"
        return f"from {self.first} to {self.last}{rest}"

    @property
    def interval(self) -> str:
        """Word the observed share and its interval."""
        low, high = 100 * self.low, 100 * self.high
        return f"{100 * self.observed:.1f} % ({low:.1f} to {high:.1f} %)"


@dataclass(frozen=True)
class Raised:
    """The first alarm: which way, what its days show, and the days after it.

    Its days begin with the change's first by estimate, and end with the one that alarmed.
    """

    direction: str
    seen: Shares
    after: tuple[DayOfOutcomes, ...]

    @cached_property
    def later(self) -> Shares | None:
        """Return what the days after it show, if there are any."""
        return shares(self.after)


@dataclass(frozen=True)
class Standing:
    """An alarm before: which way, the last day that raised it, and the last that it speaks for.

    Until that one (`date.max` while it's open), more of the same says nothing new.
    """

    direction: str
    through: date
    speaks_for: date


def first_alarm(
    bets: OutcomeBets,
    days: Iterable[DayOfOutcomes],
    budget: Budget,
    standing: Standing | None = None,
) -> Raised | None:
    """Weigh days in their order; return the first alarm, and what came after it, or None.

    The days are those after a standing alarm's; on those that it speaks for, its direction's bets
    are left out. The others have mean 1 at most where risks hold, and less where they are still
    off as that alarm said, so what passes the limit is a turn. One detector a stream runs, begun
    anew with each alarm, whose weights sum to 1 at most: the budget holds.
    """
    said = standing.direction if standing else None
    same = np.array([bet.direction == said for bet in bets.bets])
    state = opened(np.array([1]), len(bets.bets))
    before: list[DayOfOutcomes] = []
    coming = iter(days)
    for one in coming:
        before.append(one)
        left_out = same & (standing is not None and one.day <= standing.speaks_for)
        evidence = np.where(left_out, -np.inf, one.log_evidence)
        closing = advance(bets, state.observe([one.rows]), one.day, budget, evidence)
        if closing.alarm and closing.leading is not None and closing.onset is not None:
            seen = shares([day for day in before if day.day >= closing.onset])
            if seen is not None:
                return Raised(closing.leading.direction, seen, tuple(coming))
        state = replace(closing.state, today=np.zeros_like(state.today))
    return None


def shares(days: Iterable[DayOfOutcomes]) -> Shares | None:
    """Return what some days show together; None where no outcome of them tells anything."""
    sums, first, last = np.zeros(4), None, None
    for one in days:
        sums, first, last = sums + one.sums, first or one.day, one.day
    rows, weight, events, expected = sums.tolist()
    if first is None or last is None or not weight:
        return None
    return Shares(first, last, int(rows), *wilson(events, weight), expected / weight, weight)


def weighted(log_ratios: Floats, weights: Floats) -> Floats:
    """Return log(1 + w (R - 1)), [n, bets], of log R and each row's weight w, 0 to 1.

    Where R has mean 1 and w is a row's chance of being seen, over what it is for all rows, so has
    this; it is R itself where w is 1.
    """
    part = weights[:, None]
    return np.where(part == 1.0, log_ratios, np.log1p(part * np.expm1(log_ratios)))


def sums_of(observed: NDArray[np.bool_] | Floats, expected: Floats, weights: Floats) -> Floats:
    """Return a day's sums, [4], of what was observed and expected of each row that tells."""
    return np.array([weights.size, weights.sum(), observed @ weights, expected @ weights])


def course(
    seen: Shares, after: Iterable[DayOfOutcomes], own: Floats | None = None
) -> Iterator[Shares]:
    """Yield what an alarm's days show, those with each day after them, and those after them alone.

    The last once they are as many rows as its own: before, chance would say more than they do.
    What went the other way is left out. Intervals are those of the alarm's days. `own`, [4], are
    the sums of these by what is reported now, where that isn't what raised it.
    """
    yield seen
    if own is None:
        own = np.array([seen.rows, *(seen.weight * np.array([1, seen.observed, seen.expected]))])
    later = np.zeros(4)
    for day in after:
        later = later + day.sums
        for rows, weight, events, expected in (own + later, later):
            if rows < seen.rows or not weight:
                continue
            share = replace(seen, observed=events / weight, expected=expected / weight)
            if (share.observed - share.expected) * (seen.observed - seen.expected) > 0:
                yield share


def log_odds(risk: Floats) -> Floats:
    """Return the log-odds of risks, those of 0 and 1 as of the nearest that can be served."""
    inside = np.clip(risk, SMALLEST_RISK, LARGEST_RISK)
    return np.asarray(np.log(inside) - np.log1p(-inside))
