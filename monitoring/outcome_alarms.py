"""The alarms that rest on outcomes: raised unless one is open, but where it turns."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from functools import partial, reduce
from typing import Any

import numpy as np
from django.db import transaction
from numpy.typing import NDArray

from models.definition import Definition
from models.event_dates import EventDates
from monitoring import calibration, chapters, discrimination
from monitoring.alarms import OPEN_STATES, RANK, Severity
from monitoring.calibration import CALIBRATION, days_of_risks
from monitoring.closing import Job
from monitoring.discrimination import DISCRIMINATION, days_of_pairs
from monitoring.evidence.detector import Budget
from monitoring.followed import Followed, FollowedMonths
from monitoring.independence import Outcomes
from monitoring.outcome_bets import (
    DayOfOutcomes,
    OutcomeBets,
    Raised,
    Shares,
    Standing,
    course,
    first_alarm,
    shares,
)
from records.agreement.alarms import note_alarms, words_of
from records.follow_up import LARGEST_UNREPORTED
from records.models import Alarm

# observed events half more or half fewer than expected are critical, and so is half the advantage
# over a coin lost
HALF, COIN = 0.5, 0.5
BY_OUTCOMES = (CALIBRATION, DISCRIMINATION)

# of so many days, up to the last prediction that is due, it's said what is weighed
LATELY_DAYS = 90

Days = Callable[[Iterable[Outcomes], int, date | None], Iterator[DayOfOutcomes]]


@dataclass(frozen=True)
class Look:
    """One of these alarms: its bets, what a day shows, and its words."""

    stream: str
    bets: OutcomeBets
    days: Days
    sentence: Callable[[str, Shares, Shares | None], str]
    severity: Callable[[Shares], Severity]


def _of_calibration(seen: Shares) -> Severity:
    return "critical" if abs(seen.observed / seen.expected - 1) >= HALF else "warning"


def _of_discrimination(seen: Shares) -> Severity:
    far = seen.observed - COIN <= HALF * (seen.expected - COIN)
    return "critical" if far else "warning"


LOOKS = (
    Look(CALIBRATION, calibration.BETS, days_of_risks, calibration.sentence, _of_calibration),
    Look(
        DISCRIMINATION,
        discrimination.BETS,
        days_of_pairs,
        discrimination.sentence,
        _of_discrimination,
    ),
)


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


def watch_outcomes(
    job: Job, followed: FollowedMonths, watched_through: date
) -> tuple[list[Alarm], Weighed]:
    """Raise the alarms on calibration and on discrimination, and say what they rest on.

    Predictions after the last watched day aren't weighed. An alarm that is open isn't raised again,
    but says what the days after its own show, and is as severe as these at their worst, until they
    turn to the opposite, which is an alarm of its own (see `outcome_bets.first_alarm`).
    """
    last = min(job.definition.outcome.closed_through(job.now.date()), watched_through)
    due = DueOutcomes(job.definition, followed, last)
    raised: list[Alarm] = []
    told: list[Alarm] = []
    for look in LOOKS:
        new, changed = _watch(job, look, due)
        raised += new
        told += changed
    with transaction.atomic():
        before = words_of(told)
        for alarm in raised:
            alarm.save()
        for alarm in told:
            alarm.save(update_fields=["severity", "summary", "details"])
        note_alarms([*raised, *told], job.now, before)
    return raised, due.weighed()


def _watch(job: Job, look: Look, due: "DueOutcomes") -> tuple[list[Alarm], list[Alarm]]:
    """Return the alarms that due outcomes raise, and those before that say something new."""
    earlier = Alarm.objects.filter(model=job.model, version=job.version, stream=look.stream)
    first = last = earlier.order_by("-pk").first()
    said = (first.severity, dict(first.details)) if first is not None else None
    raised: list[Alarm] = []
    describe = partial(_tell_later, job, look, due)
    horizon_days = job.definition.outcome.horizon_days
    while found := find(look, due, job.budget, horizon_days, _standing(last)):
        alarm = _alarm(job, look, found)
        if last is not None and last.state in OPEN_STATES:
            chapters.end(last, alarm, describe)
        raised.append(alarm)
        last = alarm
    if first is None or first.state not in OPEN_STATES:
        return raised, []
    if first is last:
        describe(first)
    return raised, [first] if (first.severity, first.details) != said else []


def find(
    look: Look,
    parts: Iterable[Outcomes],
    budget: Budget,
    horizon_days: int,
    standing: Standing | None = None,
) -> Raised | None:
    """Return the first alarm over days of prediction after those of one before, if there was."""
    after = standing.through if standing else None
    return first_alarm(look.bets, look.days(parts, horizon_days, after), budget, standing)


def _standing(last: Alarm | None) -> Standing | None:
    """Return what the latest alarm says, of days without an end while it's open."""
    if last is None:
        return None
    said, later = last.details, last.details.get("later")
    told = date.fromisoformat(later["last"] if later else said["through"])
    speaks_for = date.max if last.state in OPEN_STATES else told
    return Standing(said["direction"], date.fromisoformat(said["through"]), speaks_for)


def _tell_later(job: Job, look: Look, due: Iterable[Outcomes], alarm: Alarm) -> None:
    """Say in an open alarm what the days after its own show, up to its turn; let it be as grave."""
    through = date.fromisoformat(alarm.details["through"])
    last = chapters.last_day(alarm, date.max)
    days = look.days(due, job.definition.outcome.horizon_days, through)
    after = tuple(one for one in days if one.day <= last)
    seen, later = _seen(alarm), shares(after)
    alarm.severity = max(alarm.severity, gravest(look, seen, after), key=RANK.__getitem__)
    alarm.summary = look.sentence(alarm.details["direction"], seen, later)
    alarm.details = {**alarm.details, "later": _plain(later)}


def gravest(look: Look, seen: Shares, after: Iterable[DayOfOutcomes]) -> Severity:
    """Return how severe an alarm is by its days and those after them, at their worst."""
    return max((look.severity(one) for one in course(seen, after)), key=RANK.__getitem__)


def _plain(found: Shares | None) -> dict[str, Any] | None:
    if found is None:
        return None
    return {**asdict(found), "first": found.first.isoformat(), "last": found.last.isoformat()}


def _seen(alarm: Alarm) -> Shares:
    said = alarm.details
    first, last = (date.fromisoformat(said[name]) for name in ("onset", "through"))
    observed, low, high, expected = (
        said["size"][name] for name in ("now", "low", "high", "before")
    )
    return Shares(first, last, said["rows"], observed, low, high, expected)


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


def _alarm(job: Job, look: Look, found: Raised) -> Alarm:
    seen = found.seen
    size = {"scale": "share", "now": seen.observed, "before": seen.expected}
    return Alarm(
        model=job.model,
        version=job.version,
        stream=look.stream,
        kind=look.stream,
        severity=gravest(look, seen, found.after),
        raised_on=job.now.date(),
        recorded_at=job.now,
        since=seen.first,
        summary=look.sentence(found.direction, seen, found.later),
        details={
            "onset": seen.first.isoformat(),
            "through": seen.last.isoformat(),
            "direction": found.direction,
            "size": {**size, "low": seen.low, "high": seen.high},
            "rows": seen.rows,
            "later": _plain(found.later),
            "settled": True,
        },
    )
