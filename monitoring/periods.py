"""Calendar windows of prediction dates: months, quarters and years, and which of them to judge by.

A window closes with its last day's horizon and reporting delay, whatever has been reported.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Literal

from models.definition import Definition

WindowLength = Literal["month", "quarter", "year"]
MONTHS: dict[WindowLength, int] = {"month": 1, "quarter": 3, "year": 12}
DAYS: dict[WindowLength, int] = {"month": 31, "quarter": 92, "year": 366}
LEAST_OUTCOMES = 100


@dataclass(frozen=True)
class Period:
    """A calendar month, quarter or year, by its first day."""

    length: WindowLength
    first: date

    @property
    def last(self) -> date:
        """Return the last day."""
        month = self.first.month + MONTHS[self.length]
        following = date(self.first.year + month // 13, (month - 1) % 12 + 1, 1)
        return following - timedelta(days=1)

    @property
    def label(self) -> str:
        """Return its name: 2024, 2024 Q2 or 2024-05."""
        if self.length == "year":
            return f"{self.first.year}"
        if self.length == "quarter":
            return f"{self.first.year} Q{(self.first.month + 2) // 3}"
        return f"{self.first:%Y-%m}"


@dataclass(frozen=True)
class Tally:
    """How many predictions of some days are known to be events, and how many to be none."""

    events: int
    non_events: int


@dataclass(frozen=True)
class Choice:
    """The windows' length, and why it's this one."""

    length: WindowLength
    because: str


def period_of(day: date, length: WindowLength) -> Period:
    """Return the window that a day lies in."""
    months = MONTHS[length]
    return Period(length, date(day.year, (day.month - 1) // months * months + 1, 1))


def periods(months: Sequence[date], length: WindowLength) -> dict[Period, list[date]]:
    """Return the windows that some months lie in, in order, each with its months."""
    found: dict[Period, list[date]] = {}
    for month in sorted(months):
        found.setdefault(period_of(month, length), []).append(month)
    return found


def choose(definition: Definition, months: Mapping[date, Tally], today: date) -> Choice:
    """Choose the windows' length: what the definition asks, or else by horizon and volume.

    That is the shortest length, no shorter than the horizon, of which most closed windows have
    enough events and non-events; a year where none has.
    """
    asked = definition.monitoring.performance_window
    if asked is not None:
        return Choice(asked, "the definition asks for it")
    outcome, group = definition.outcome, definition.smallest_group
    events, others = max(LEAST_OUTCOMES, group.events), max(LEAST_OUTCOMES, group.non_events)
    enough = f"{events} events and {others} non-events"
    for length in MONTHS:
        if length == "year" or DAYS[length] < outcome.horizon_days:
            continue
        closed = [
            Tally(
                sum(months[month].events for month in within),
                sum(months[month].non_events for month in within),
            )
            for period, within in periods(list(months), length).items()
            if outcome.closes_on(period.last) < today
        ]
        full = [one.events >= events and one.non_events >= others for one in closed]
        if 2 * sum(full) > len(full):
            return Choice(
                length,
                f"the shortest, no shorter than the horizon, of which most closed windows have "
                f"{enough}",
            )
    return Choice("year", f"most shorter windows lack {enough}, or are shorter than the horizon")
