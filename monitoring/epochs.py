"""Epochs of streams' references: when each began, which days were left out for it, and why.

Every stream begins in epoch 0. The next begins where rows are kept out of its reference for an
alarm, or leave it for a fault, and where an accepted change becomes what is normal.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from monitoring import chapters
from monitoring.alarms import OPEN_STATES
from monitoring.stays import ONE_DAY
from monitoring.streams import TWIN
from records.decisions import ACCEPT, CLOSING, FALSE, FAULT
from records.models import Alarm, DayCount, Review, Stream

WORDS = {
    "open": "its alarm is open",
    FAULT: "closed as a fault",
    ACCEPT: "closed as a change that is accepted: the reference begins anew with it",
    FALSE: "closed as a false alarm: its days have joined the reference",
}


@dataclass(frozen=True)
class LeftOut:
    """The days that an alarm keeps out of its stream's reference, and why.

    Without a first day, it's all up to the last; without a last, all until it's decided; without
    either, none.
    """

    alarm: Alarm
    because: str
    first: date | None
    last: date | None

    @property
    def words(self) -> str:
        """Return the days, the alarm and the reason in words."""
        if self.first and self.last:
            only = self.first == self.last
            days = f"{self.first}" if only else f"{self.first} to {self.last}"
        elif self.first:
            days = f"{self.first} and all days since"
        else:
            days = f"all days up to {self.last}" if self.last else "none"
        return f"{days} (alarm {self.alarm.pk}, {self.because})"


@dataclass(frozen=True)
class Epoch:
    """In which epoch a stream's reference is, since when, and what was left out of it."""

    stream: str
    number: int
    since: date | None
    left_out: tuple[LeftOut, ...]


def epochs(model: str, version: str) -> list[Epoch]:
    """Return the epochs of a version's streams that aren't in their first, by the stream's key."""
    rows = Stream.objects.filter(model=model, version=version, epoch__gt=0)
    begun = rows.exclude(name__startswith=TWIN).order_by("name").values_list("name", "epoch")
    alarms: dict[str, list[Alarm]] = {}
    for alarm in Alarm.objects.filter(model=model, version=version).order_by("pk"):
        alarms.setdefault(alarm.stream, []).append(alarm)
    return [_epoch(name, number, alarms.get(name, [])) for name, number in begun]


def left_out(alarm: Alarm) -> LeftOut | None:
    """Return the days that an alarm keeps out of its stream's reference; None before it is settled.

    What is signed takes effect with the next run of monitoring that closes a day.
    """
    if alarm.state in OPEN_STATES:
        last = chapters.last_day(alarm, date.max)
        known = last if chapters.is_ended(alarm) else None
        return LeftOut(alarm, WORDS["open"], chapters.held_from(alarm), known)
    closing = Review.objects.filter(alarm=alarm, decision__in=CLOSING).order_by("-pk").first()
    if closing is None or not alarm.details.get("settled"):
        return None
    first = alarm.since or alarm.raised_on
    if closing.decision == ACCEPT:
        return LeftOut(alarm, WORDS[ACCEPT], None, first - ONE_DAY)
    if closing.decision == FALSE:
        return LeftOut(alarm, WORDS[FALSE], None, None)
    if "late" in alarm.details:  # its late rows never joined; those in time stay
        first = chapters.held_from(alarm)
    last = _decided_through(alarm) or alarm.raised_on
    return LeftOut(alarm, WORDS[FAULT], first, chapters.last_day(alarm, last))


def _epoch(stream: str, number: int, alarms: Sequence[Alarm]) -> Epoch:
    found = tuple(one for alarm in alarms if (one := left_out(alarm)))
    since: date | None = None
    until: date | None = None
    for one in found:
        start = chapters.held_from(one.alarm)
        if one.first is None and one.last is not None:
            since = one.last + ONE_DAY
        elif since is None or until is None or _joined_between(one.alarm, until, start):
            since = start
        until = _decided_through(one.alarm)
    return Epoch(stream, number, since, found)


def _decided_through(alarm: Alarm) -> date | None:
    """Return the last day before days could join the reference again, the last of all while open.

    Of one that was settled before it was said through which day, it's the last it speaks of.
    """
    if alarm.state in OPEN_STATES:
        return date.max
    through = alarm.details.get("settled_through") or alarm.details.get("through")
    return date.fromisoformat(through) if through else None


def _joined_between(alarm: Alarm, until: date, start: date) -> bool:
    """Say whether rows of a stream joined its reference between two alarms; else no epoch began."""
    days = DayCount.objects.filter(model=alarm.model, version=alarm.version, stream=alarm.stream)
    return days.filter(day__gt=until, day__lt=start, total__gt=0).exists()
