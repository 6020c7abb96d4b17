"""Outcomes that must be known by now: which are weighed, which are left out, and why."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from functools import reduce
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.definition import Definition
from models.event_dates import EventDates
from monitoring.followed import Followed, FollowedMonths
from monitoring.independence import Outcomes
from monitoring.outcome_bets import Shares
from records.follow_up import LARGEST_UNREPORTED

# of so many days, up to the last prediction that is due, it's said what is weighed
LATELY_DAYS = 90


@dataclass(frozen=True)
class Weighed:
    """How many of the latest due predictions lack their outcome, and how many are weighed at all.

    `due` are those of the 90 days up to the last prediction whose outcome must be known by now;
    `doubts` say of their events that they seem dated by when they became known.
    """

    due: int
    unreported: int
    weighed: int
    doubts: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return plain values that JSON can hold."""
        counts = {"due": self.due, "unreported": self.unreported, "weighed": self.weighed}
        return {**counts, "doubts": list(self.doubts)} if self.doubts else {**counts}


@dataclass(frozen=True, eq=False)
class DueOutcomes:
    """The outcomes that are weighed of those of predictions up to a day, month by month.

    Left out are the months of a site in which more than 5 % of them are unreported: a feed that
    reports next to none is no sign of health, nor of disease, and says nothing of other sites.
    """

    definition: Definition
    followed: FollowedMonths
    last: date

    def __iter__(self) -> Iterator[Outcomes]:
        """Read each month's outcomes anew."""
        for rows in self._due():
            events, known = self._known(rows)
            weighed = _reported(rows, known)
            outcomes = Outcomes(rows.predicted_on, rows.patients, rows.risk, events, known)
            yield outcomes if weighed.all() else outcomes.part(weighed)

    def weighed(self) -> Weighed:
        """Count what the last days' outcomes are, up to the last prediction that is due."""
        counted: dict[date, tuple[int, ...]] = {}
        dated: dict[date, EventDates] = {}
        outcome = self.definition.outcome
        for rows in self._due():
            _, known = self._known(rows)
            weighed = _reported(rows, known)
            for day in np.unique(rows.predicted_on):
                own = rows.predicted_on == day
                kinds = (own, own & ~known, own & weighed)
                counted[day.astype(object)] = tuple(int(chosen.sum()) for chosen in kinds)
                dated[day.astype(object)] = EventDates.of(
                    outcome, rows.days[own], rows.happened[own]
                )
        if not counted:
            return Weighed(0, 0, 0)
        since = max(counted) - timedelta(days=LATELY_DAYS)
        lately = [day for day in counted if day > since]
        dates = reduce(EventDates.joined, (dated[day] for day in lately))
        counts = [sum(counted[day][place] for day in lately) for place in range(3)]
        return Weighed(counts[0], counts[1], counts[2], dates.suspicions)

    def left_out(self, found: Shares, *, of_pairs: bool = False) -> str:
        """Say how many predictions of the days of some shares aren't among their rows, and why.

        Of pairs, it says which can't be in any.
        """
        first, last = np.datetime64(found.first), np.datetime64(found.last)
        made = unknown = thin = 0
        for rows in self._due():
            own = (rows.predicted_on >= first) & (rows.predicted_on <= last)
            if not own.any():
                continue
            _, known = self._known(rows)
            made += int(own.sum())
            unknown += int((own & ~known).sum())
            thin += int((own & known & ~_reported(rows, known)).sum())
        again = 0 if of_pairs else max(0, made - unknown - thin - found.rows)
        return _left_out(unknown, thin, again, "predictions" if of_pairs else "others")

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

    def _known(self, rows: Followed) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        horizon = self.definition.outcome.horizon_days
        return rows.events(horizon), rows.settled(horizon)


def _reported(rows: Followed, known: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Say which rows of a month are of a site whose outcomes are reported."""
    _, group = np.unique(rows.sites, return_inverse=True)
    unknown = np.bincount(group, weights=~known) / np.bincount(group)
    return np.asarray((unknown <= LARGEST_UNREPORTED)[group], dtype=np.bool_)


def _left_out(unknown: int, thin: int, again: int, what: str) -> str:
    """Word how many predictions were left out, nothing where none was.

    >>> _left_out(294, 379, 0, "others")
    "673 others left out: 294 without a known outcome, 379 of a site's month in which more than \
5 % are without"
    """
    reasons = {
        "without a known outcome": unknown,
        f"of a site's month in which more than {100 * LARGEST_UNREPORTED:g} % are without": thin,
        "of patients who count already": again,
    }
    said = [f"{count:,} {why}" for why, count in reasons.items() if count]
    return f"{unknown + thin + again:,} {what} left out: {', '.join(said)}" if said else ""
