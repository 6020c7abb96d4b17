"""The alarms of one stream in sequence: when it turns while one is open, a new chapter begins.

An open alarm keeps its stream's days out of the reference, so the stream is still compared with
what was before it. What passes the limit again is mostly the same change, which says nothing new.
It is a turn, and an alarm of its own, where the change is of another form, and where the days
after the open alarm also alarm in another form when they are weighed against those of the alarm
itself, and against what was before it without its first days, which had joined that: the end of a
change is no change. A turn ends the chapter of the alarm before it, whose words stay with what it
saw.
"""

from collections.abc import Callable, Sequence
from datetime import date, timedelta

from monitoring.evidence.bets import Bet
from monitoring.evidence.categorical import CategoricalStream
from monitoring.evidence.detector import Budget, close_day, open_stream
from monitoring.evidence.state import Counts
from monitoring.evidence.stream import CountedStream, Stream
from monitoring.strata import by_kind, filled, kind, local
from records.models import Alarm

Days = Sequence[tuple[date, Counts]]


def may_turn(alarm: Alarm, stream: CountedStream, bet: Bet, onset: date) -> bool:
    """Say whether a bet that leads anew since `onset` can be a turn of what an alarm saw."""
    return onset > alarm.raised_on and not _is_form(alarm, stream, bet)


def turn_of(
    alarm: Alarm, stream: CountedStream, days: Days, budget: Budget
) -> tuple[date, Bet] | None:
    """Return since when the days after an alarm differ from those that raised it, and how.

    `days` begin with the alarm's onset; those until it was raised are what later ones, which join
    them one by one, are compared with.
    """
    raising = local([row for row in days if row[0] <= alarm.raised_on], stream.bins)
    after = [row for row in days if row[0] > alarm.raised_on]
    return _other_form(alarm, stream, raising, after, budget)


def is_beside(
    alarm: Alarm, stream: CountedStream, reference: Counts, days: Days, budget: Budget
) -> bool:
    """Say whether days alarm in another form than an alarm against a reference, [strata, bins]."""
    return _other_form(alarm, stream, reference, days, budget) is not None


def _other_form(
    alarm: Alarm, stream: CountedStream, reference: Counts, days: Days, budget: Budget
) -> tuple[date, Bet] | None:
    """Return since when and how days, which join the reference, alarm otherwise than an alarm."""
    state = open_stream(stream, filled(by_kind(reference)))
    for day, counts in days:
        closing = close_day(stream, state.observe(counts, kind(day)), day, budget)
        state = closing.state
        bet = closing.leading
        if closing.alarm and closing.onset and bet and not _is_form(alarm, stream, bet):
            return closing.onset, bet
    return None


def plain(stream: Stream, bet: Bet) -> Bet:
    """Return a bet in the form in which its change is told, of which it may have two."""
    return stream.plain(bet) if isinstance(stream, CategoricalStream) else bet


def _is_form(alarm: Alarm, stream: CountedStream, bet: Bet) -> bool:
    own, other = plain(stream, stream.bets[int(alarm.details["bet"])]), plain(stream, bet)
    return (own.family, own.direction) == (other.family, other.direction)


def held_from(alarm: Alarm) -> date:
    """Return the first day that an alarm kept out of the reference."""
    return _day(alarm, "held_from") or alarm.raised_on


def had_joined(alarm: Alarm, days: Days) -> Days:
    """Return which of an alarm's days had joined the reference before it was raised.

    None had whose rows came late, and raised it: what joined on those days came in time.
    """
    held = held_from(alarm)
    return [] if "late" in alarm.details else [row for row in days if row[0] < held]


def weighed_through(alarm: Alarm) -> date:
    """Return the last day whose rows raised an alarm, which may have come late."""
    came_late = alarm.details.get("late")
    return date.fromisoformat(came_late["through"]) if came_late else alarm.raised_on


def last_day(alarm: Alarm, through: date) -> date:
    """Return the last day of an alarm's chapter, no later than `through`."""
    until = _day(alarm, "until")
    return min(through, until - timedelta(days=1)) if until else through


def changed_spans(alarm: Alarm, through: date) -> list[tuple[date, date]]:
    """Return the first and last day of each span, through a day, in which its change was there.

    There is none where the change began later.
    """
    last = last_day(alarm, through)
    spans = alarm.details.get("spans") or [[(alarm.since or alarm.raised_on).isoformat(), None]]
    found = [
        (date.fromisoformat(first), min(last, date.fromisoformat(until)) if until else last)
        for first, until in spans
    ]
    return [one for one in found if one[0] <= last]


def changed_days(alarm: Alarm, through: date) -> list[tuple[date, date]]:
    """Return the spans of a change through a day, that day alone where it had none by then."""
    last = last_day(alarm, through)
    return changed_spans(alarm, through) or [(last, last)]


def changed_through(alarm: Alarm, through: date) -> date:
    """Return the last day, no later than `through`, on which an alarm's change was there."""
    return changed_days(alarm, through)[-1][1]


def is_ended(alarm: Alarm) -> bool:
    """Say whether another alarm of the same stream took over."""
    return "until" in alarm.details


def end(alarm: Alarm, turn: Alarm, describe: Callable[[Alarm], None]) -> None:
    """End an alarm's chapter where another begins, and say so in its words."""
    alarm.details = {**alarm.details, "until": turn.details["onset"]}
    describe(alarm)
    alarm.summary = (
        f"{alarm.summary.removesuffix('.')}, until it turned on {alarm.details['until']}."
    )


def rejoin(alarms: Sequence[Alarm], turn: Alarm) -> list[Alarm]:
    """Give the days of a turn that was found false back to the alarm before it."""
    before = [one for one in alarms if one.details.get("until") == turn.details["onset"]]
    for alarm in before:
        rest = {name: value for name, value in alarm.details.items() if name != "until"}
        until = {"until": turn.details["until"]} if is_ended(turn) else {}
        alarm.details = {**rest, **until}
    return before


def _day(alarm: Alarm, name: str) -> date | None:
    text = alarm.details.get(name)
    return date.fromisoformat(text) if text else None
