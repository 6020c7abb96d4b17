"""Rows that were recorded after their day was closed: weighed with the next day that closes.

Where they raise an alarm, what changed is what they show, on the days that they are of.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date

import numpy as np

from monitoring import strata
from monitoring.evidence.bets import Bet
from monitoring.evidence.spans import daily_evidence
from monitoring.evidence.state import Counts, Rows
from monitoring.evidence.stream import CountedStream

# rows that came late date an alarm to which they give so much of its log evidence, or more
MOST_OF_IT = 0.5


@dataclass(frozen=True)
class LateChange:
    """Since which day late rows show a change, the last day of any of them, and how many they are.

    `log_evidence` is what the days from the first on give to the bet that they speak for most.
    """

    first: date
    last: date
    rows: int
    log_evidence: float


@dataclass(frozen=True, eq=False)
class LateRows:
    """What closed days hold more than was counted of them: by stream, each day's counts, [bins]."""

    by_stream: dict[str, dict[date, Counts]] = field(default_factory=dict)

    def add(self, stream: str, day: date, counts: Counts) -> None:
        """Add late rows of a day, if they are any."""
        if counts.any():
            days = self.by_stream.setdefault(stream, {})
            days[day] = days[day] + counts if day in days else counts

    def rows(self, stream: str) -> Rows:
        """Return a stream's rows of all days, by stratum."""
        days = self.by_stream.get(stream, {})
        if not days:
            return {}
        bins = len(next(iter(days.values())))
        counts = strata.local(list(days.items()), bins)
        return {at: counts[at] for at in np.flatnonzero(counts.any(axis=1)).tolist()}

    def change(
        self,
        key: str,
        stream: CountedStream,
        bet: Bet,
        compared: Callable[[date], Counts],
        divisor: float,
    ) -> LateChange | None:
        """Date a change that a stream's late rows show, by a bet in any of its sizes.

        `compared` gives what a day's rows are compared with, [bins]; evidence is divided by the
        divisor. None where no rows came late.
        """
        found = sorted(self.by_stream.get(key, {}).items())
        if not found:
            return None
        days, rows = [day for day, _ in found], np.array([counts for _, counts in found])
        bags = np.array([compared(day) for day in days])
        total = np.cumsum(daily_evidence(stream, bet, bags, rows) / divisor, axis=0)
        before = np.vstack([np.zeros((1, total.shape[1])), total])[:-1]
        risen = total - np.minimum.accumulate(before, axis=0)
        last, size = np.unravel_index(int(risen.argmax()), risen.shape)
        first = int(before[: int(last) + 1, size].argmin())
        return LateChange(days[first], days[-1], int(rows.sum()), float(risen.max()))
