"""The alarms that rest on outcomes: raised unless one is open, but where it turns."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from datetime import date
from functools import partial
from itertools import takewhile
from typing import Any

import numpy as np
from django.db import transaction

from monitoring import calibration, chapters, discrimination
from monitoring.alarms import OPEN_STATES, RANK, Severity
from monitoring.calibration import CALIBRATION, days_of_risks
from monitoring.closing import Job
from monitoring.discrimination import DISCRIMINATION, days_of_pairs
from monitoring.due_outcomes import DueOutcomes, Weighed
from monitoring.evidence.detector import Budget
from monitoring.evidence.state import Floats
from monitoring.followed import FollowedMonths
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
from monitoring.restated import Restated, differs, still_shows
from records.agreement.alarms import note_alarms, words_of
from records.models import Alarm

# observed events half more or half fewer than expected are critical, and so is half the advantage
# over a coin lost
HALF, COIN = 0.5, 0.5
BY_OUTCOMES = (CALIBRATION, DISCRIMINATION)

Days = Callable[[Iterable[Outcomes], int, date | None], Iterator[DayOfOutcomes]]


@dataclass(frozen=True)
class Look:
    """One of these alarms: its bets, what a day shows, and its words."""

    stream: str
    bets: OutcomeBets
    days: Days
    sentence: Callable[[str, Shares, Shares | None, Restated | None], str]
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


def watch_outcomes(
    job: Job, followed: FollowedMonths, watched_through: date
) -> tuple[list[Alarm], Weighed]:
    """Raise the alarms on calibration and on discrimination, and say what they rest on.

    Predictions after the last watched day aren't weighed. An alarm that is open isn't raised again,
    but says what the days after its own show, and is as severe as these at their worst, until they
    turn to the opposite, which is an alarm of its own (see `outcome_bets.first_alarm`). Where its
    own days show anything else by what is reported now, it says both.
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


def _watch(job: Job, look: Look, due: DueOutcomes) -> tuple[list[Alarm], list[Alarm]]:
    """Return the alarms that due outcomes raise, and those before that say something new."""
    earlier = Alarm.objects.filter(model=job.model, version=job.version, stream=look.stream)
    first = last = earlier.order_by("-pk").first()
    said = (first.severity, dict(first.details)) if first is not None else None
    raised: list[Alarm] = []
    describe = partial(_tell_later, job, look, due)
    horizon_days = job.definition.outcome.horizon_days
    while found := find(look, due, job.budget, horizon_days, _standing(last)):
        alarm = _alarm(job, look, due, found)
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


def _tell_later(job: Job, look: Look, due: DueOutcomes, alarm: Alarm) -> None:
    """Say in an open alarm what the days after its own show, up to its turn; let it be as grave.

    Say too what its own show by what is reported now, where that isn't what raised it.
    """
    through = date.fromisoformat(alarm.details["through"])
    last = chapters.last_day(alarm, date.max)
    days = look.days(due, job.definition.outcome.horizon_days, through)
    after = tuple(one for one in days if one.day <= last)
    seen, later = _seen(alarm), _told(look, due, shares(after))
    restated, own = _as_reported_now(job, look, due, alarm, seen)
    worst = gravest(look, seen, after, own)
    alarm.severity = max(alarm.severity, worst, key=RANK.__getitem__)
    alarm.summary = look.sentence(alarm.details["direction"], seen, later, restated)
    kept = {name: what for name, what in alarm.details.items() if name != "restated"}
    alarm.details = {**kept, "later": _plain(later), **_plain_restated(restated)}


def _as_reported_now(
    job: Job, look: Look, due: DueOutcomes, alarm: Alarm, seen: Shares
) -> tuple[Restated | None, Floats | None]:
    """Return what an alarm's own days show now and its sums, [4]; None where that raised it."""
    # what a run raises rests on what is reported now
    if not alarm.pk:
        return None, None
    days = _own_days(job, look, due, alarm, seen)
    now = shares(days)
    if not differs(now, seen):
        return None, None
    sums = np.sum([np.zeros(4), *(one.sums for one in days)], axis=0)
    return _restated(look, due, seen, now), sums


def _own_days(
    job: Job, look: Look, due: DueOutcomes, alarm: Alarm, seen: Shares
) -> list[DayOfOutcomes]:
    """Return the days that raised an alarm as they are now, rows paired as they were then."""
    of_stream = Alarm.objects.filter(model=job.model, version=job.version, stream=look.stream)
    before = of_stream.filter(pk__lt=alarm.pk).order_by("-pk").first()
    after = date.fromisoformat(before.details["through"]) if before else None
    days = look.days(due, job.definition.outcome.horizon_days, after)
    through = takewhile(lambda one: one.day <= seen.last, days)
    return [one for one in through if one.day >= seen.first]


def _restated(look: Look, due: DueOutcomes, seen: Shares, now: Shares | None) -> Restated:
    """Say what an alarm's days show now, and what is left out of them."""
    if now is None:
        return Restated(None, False, due.left_out(replace(seen, rows=0), of_pairs=True))
    return Restated(_told(look, due, now), still_shows(now, seen))


def _plain_restated(found: Restated | None) -> dict[str, Any]:
    if found is None:
        return {}
    now = _plain(found.now) or {"rows": 0, "left_out": found.left_out}
    return {"restated": {**now, "holds": found.holds}}


def gravest(
    look: Look, seen: Shares, after: Iterable[DayOfOutcomes], own: Floats | None = None
) -> Severity:
    """Return how severe an alarm is by its days and those after them, at their worst.

    `own`, [4], are the sums of its days as reported now (see `outcome_bets.course`).
    """
    return max((look.severity(one) for one in course(seen, after, own)), key=RANK.__getitem__)


def _told(look: Look, due: DueOutcomes, found: Shares | None) -> Shares | None:
    """Return shares that say which predictions of their days are left out."""
    if found is None:
        return None
    return replace(found, left_out=due.left_out(found, of_pairs=look.stream == DISCRIMINATION))


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
    # alarms of before these were said don't have them
    weight, left_out = said.get("weight", said["rows"]), said.get("left_out", "")
    return Shares(first, last, said["rows"], observed, low, high, expected, weight, left_out)


def _alarm(job: Job, look: Look, due: DueOutcomes, found: Raised) -> Alarm:
    later = _told(look, due, found.later)
    seen = _told(look, due, found.seen) or found.seen
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
        summary=look.sentence(found.direction, seen, later, None),
        details={
            "onset": seen.first.isoformat(),
            "through": seen.last.isoformat(),
            "direction": found.direction,
            "size": {**size, "low": seen.low, "high": seen.high},
            "rows": seen.rows,
            "weight": seen.weight,
            "left_out": seen.left_out,
            "later": _plain(later),
            "settled": True,
        },
    )
