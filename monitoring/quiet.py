"""Quiet days: those on which no open alarm, and no confirmed fault, had changed a stream.

What a stream was like before an alarm is read from these alone: the days of a fault are not normal,
and they don't join the reference either. The days of an accepted change, or of a false alarm, are.
"""

from collections.abc import Iterable
from datetime import date

from django.db.models import Q

from monitoring import chapters
from monitoring.alarms import OPEN_STATES
from monitoring.stays import ONE_DAY
from monitoring.streams import AT
from records.decisions import CLOSED, FAULT
from records.models import Alarm

Span = tuple[date, date]


def unquiet_days(model: str, version: str, stream: str, first: date, last: date) -> set[date]:
    """Return on which days from first to last an alarm says that a stream had changed.

    So do alarms of all rows of which the stream counts a part, and those of its parts.
    """
    confirmed = Q(state__in=OPEN_STATES) | Q(state=CLOSED, review__decision=FAULT)
    found: set[date] = set()
    for alarm in Alarm.objects.filter(confirmed, model=model, version=version).distinct():
        if _holds(alarm.stream, stream) or _holds(stream, alarm.stream):
            for start, end in chapters.changed_spans(alarm, _seen_through(alarm, last)):
                found |= set(_days(max(start, first), min(end, last)))
    return found


def spans_of(days: Iterable[date]) -> list[Span]:
    """Return the first and last of days that follow each other, oldest first.

    >>> [(a.day, b.day) for a, b in spans_of(date(2026, 1, day) for day in (1, 2, 3, 7, 9, 10))]
    [(1, 3), (7, 7), (9, 10)]
    """
    found: list[Span] = []
    for day in sorted(days):
        if found and day == found[-1][1] + ONE_DAY:
            found[-1] = (found[-1][0], day)
        else:
            found.append((day, day))
    return found


def quiet_spans(first: date, last: date, unquiet: set[date]) -> list[Span]:
    """Return the days from first to last but some."""
    return spans_of(set(_days(first, last)) - unquiet)


def _holds(whole: str, part: str) -> bool:
    """Say whether a stream is another one, or counts the rows of all places where that counts."""
    return part == whole or part.startswith(f"{whole}{AT}")


def _seen_through(alarm: Alarm, last: date) -> date:
    """Return the last day that an alarm speaks of, no later than `last`."""
    known = alarm.details.get("through") if alarm.state == CLOSED else None
    return min(last, date.fromisoformat(known)) if known else last


def _days(first: date, last: date) -> list[date]:
    return [date.fromordinal(day) for day in range(first.toordinal(), last.toordinal() + 1)]
