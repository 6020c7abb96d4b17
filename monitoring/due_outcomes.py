"""Outcomes that must be known by now: which are weighed, which are left out, and why."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from functools import reduce
from typing import Any

import numpy as np

from models.definition import Definition
from models.event_dates import EventDates
from monitoring.followed import Followed, FollowedMonths
from monitoring.independence import Outcomes
from monitoring.outcome_bets import Shares
from monitoring.weighing import Weighing, weigh
from records.follow_up import LARGEST_UNREPORTED

# of so many days, up to the last prediction that is due, it's said what is weighed
LATELY_DAYS = 90
# why a prediction isn't among an alarm's rows
REASONS = (
    "without a known outcome",
    f"of a site's month in which more than {100 * LARGEST_UNREPORTED:g} % are without",
    "of a site's month with too few followed to the horizon to weight for those lost before it",
    "lost before the horizon, and weighted for",
)
AGAIN = "of patients who count already"


@dataclass(frozen=True)
class Weighed:
    """How many of the latest due predictions lack their outcome, and how many are weighed at all.

    `due` are those of the 90 days up to the last prediction whose outcome must be known by now. Of
    the `unreported` ones nothing is known, of the `censored` ones that follow-up ended before the
    horizon. `doubts` say of their events that they seem dated by when they became known.
    """

    due: int
    unreported: int
    censored: int
    weighed: int
    doubts: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return plain values that JSON can hold."""
        counts = {name: value for name, value in vars(self).items() if name != "doubts"}
        return {**counts, "doubts": list(self.doubts)} if self.doubts else counts


@dataclass(frozen=True, eq=False)
class DueOutcomes:
    """The outcomes that are weighed of those of predictions up to a day, month by month.

    Left out are the months of a site in which more than 5 % of them are unreported: a feed that
    reports next to none is no sign of health, nor of disease, and says nothing of other sites. Who
    is lost before the horizon is reported, and weighted for (see `weighing`).
    """

    definition: Definition
    followed: FollowedMonths
    last: date

    def __iter__(self) -> Iterator[Outcomes]:
        """Read each month's outcomes anew."""
        for rows, found in self._weighed():
            outcomes = Outcomes(
                rows.predicted_on,
                rows.patients,
                rows.risk,
                found.events,
                found.settled,
                found.weights,
            )
            yield outcomes if found.counts.all() else outcomes.part(found.counts)

    def weighed(self) -> Weighed:
        """Count what the last days' outcomes are, up to the last prediction that is due."""
        counted: dict[date, tuple[int, ...]] = {}
        dated: dict[date, EventDates] = {}
        outcome = self.definition.outcome
        for rows, found in self._weighed():
            for day in np.unique(rows.predicted_on):
                own = rows.predicted_on == day
                kinds = (own, own & ~rows.known, own & found.censored, own & found.counts)
                counted[day.astype(object)] = tuple(int(chosen.sum()) for chosen in kinds)
                dated[day.astype(object)] = EventDates.of(
                    outcome, rows.days[own], rows.happened[own]
                )
        if not counted:
            return Weighed(0, 0, 0, 0)
        since = max(counted) - timedelta(days=LATELY_DAYS)
        lately = [day for day in counted if day > since]
        dates = reduce(EventDates.joined, (dated[day] for day in lately))
        due, unreported, censored, weighed = np.sum(
            [counted[day] for day in lately], axis=0
        ).tolist()
        return Weighed(due, unreported, censored, weighed, dates.suspicions)

    def left_out(self, found: Shares, *, of_pairs: bool = False) -> str:
        """Say how many predictions of the days of some shares aren't among their rows, and why.

        Of pairs, it says which can't be in any.
        """
        first, last = np.datetime64(found.first), np.datetime64(found.last)
        reasons = dict.fromkeys(REASONS, 0)
        made = 0
        for rows, kinds in self._weighed():
            own = (rows.predicted_on >= first) & (rows.predicted_on <= last)
            made += int(own.sum())
            left = (
                ~rows.known,
                rows.known & kinds.thin,
                rows.known & kinds.few,
                kinds.censored & kinds.counts,
            )
            for why, chosen in zip(REASONS, left, strict=True):
                reasons[why] += int((own & chosen).sum())
        if not of_pairs:
            reasons[AGAIN] = max(0, made - sum(reasons.values()) - found.rows)
        return _left_out(reasons, "predictions" if of_pairs else "others")

    def _due(self) -> Iterator[Followed]:
        """Read the predictions up to the last day, by month."""
        last = np.datetime64(self.last)
        for month in self.followed.months:
            if np.datetime64(month) > last:
                return
            rows = self.followed.of([month])
            due = rows.predicted_on <= last
            if due.any():
                yield rows if due.all() else rows.part(due)

    def _weighed(self) -> Iterator[tuple[Followed, Weighing]]:
        """Read the same, each month with what its rows weigh."""
        horizon = self.definition.outcome.horizon_days
        return ((rows, weigh(rows, horizon)) for rows in self._due())


def _left_out(reasons: Mapping[str, int], what: str) -> str:
    """Word how many predictions were left out and why, nothing where none was.

    >>> _left_out({REASONS[0]: 294, REASONS[1]: 379, AGAIN: 0}, "others")
    "673 others left out: 294 without a known outcome, 379 of a site's month in which more than \
5 % are without"
    """
    said = [f"{count:,} {why}" for why, count in reasons.items() if count]
    return f"{sum(reasons.values()):,} {what} left out: {', '.join(said)}" if said else ""
