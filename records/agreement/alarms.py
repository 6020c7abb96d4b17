"""Alarms: what they say, noted by the runs that changed it, and what reviews made of them."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any, Final

from records import audit
from records.agreement.compared import Disagreement, digest, events
from records.decisions import ACKNOWLEDGE, ASSIGN, CLOSING, MUTE
from records.models import Alarm

MONITOR: Final = "auscult monitor"
WORDS: Final = "alarm.words"
REVIEWED, UNMUTED = "alarm.review", "alarm.unmuted"
TABLE: Final = "records_alarm"


def words_of(alarms: Iterable[Alarm]) -> dict[str, str]:
    """Return the digest of what each stored alarm says, by its key."""
    stored = Alarm.objects.filter(pk__in=[alarm.pk for alarm in alarms]).order_by("pk")
    return {str(row.pk): _digest(row) for row in stored}


def note_alarms(alarms: Iterable[Alarm], now: datetime, before: Mapping[str, str]) -> None:
    """Note what saved alarms say, in the transaction that saved them, where it is new.

    `before` is what `words_of` gave of them before. An alarm that then said something else than
    the chain isn't spoken for: it goes on disagreeing.
    """
    changed = {key: said for key, said in words_of(alarms).items() if before.get(key) != said}
    if changed and before:
        noted = _noted()
        changed = {
            key: said for key, said in changed.items() if before.get(key) == noted.get(int(key))
        }
    if changed:
        audit.note(WORDS, MONITOR, {"alarms": changed}, now)


def disagreements() -> Iterator[Disagreement]:
    """Yield alarms that say something else than was noted, or stand otherwise than reviewed."""
    said, reviewed, assigned = _noted(), _reviewed(), _assigned()
    rows = {row.pk: row for row in Alarm.objects.all()}
    for key in sorted(said.keys() | rows.keys()):
        if key not in rows:
            yield Disagreement(TABLE, f"alarm {key} was deleted")
        elif said.get(key) != _digest(rows[key]):
            yield Disagreement(TABLE, f"alarm {key} was changed or inserted")
        else:
            fault = _fault_of_state(rows[key], reviewed.get(key, {}), assigned.get(key, ""))
            if fault:
                yield Disagreement(TABLE, f"alarm {key} {fault}")


def _fault_of_state(alarm: Alarm, last: Mapping[str, Any], assigned_to: str) -> str | None:
    decision = last.get("decision")
    if (alarm.state == "closed") != (decision in CLOSING):
        return "was opened again" if decision in CLOSING else "is closed without a review"
    if alarm.assigned_to != assigned_to:
        return "is assigned otherwise than a review says"
    if alarm.state == "muted":
        mute = (str(alarm.muted_until or ""), alarm.muted_unless)
        if decision != MUTE or mute != (last["muted_until"], last.get("muted_unless", "")):
            return "is muted otherwise than a review says"
    if alarm.state == "acknowledged" and decision != ACKNOWLEDGE:
        return "is acknowledged without a review"
    if alarm.state == "assigned" and decision not in (ASSIGN, UNMUTED):
        return "is assigned without a review"
    if alarm.state == "open" and decision in (ACKNOWLEDGE, ASSIGN):
        return "was set back to open without a review"
    return None


def _noted() -> dict[int, str]:
    said: dict[int, str] = {}
    for event in events(WORDS):
        said |= {int(key): one for key, one in event.details["alarms"].items()}
    return said


def _reviewed() -> dict[int, dict[str, Any]]:
    """Return what was last decided on each alarm, or that a mute of it ended."""
    found = {}
    for event in events(REVIEWED, UNMUTED).order_by("recorded_at"):
        ended = {"decision": UNMUTED} if event.action == UNMUTED else {}
        found[event.details["alarm"]] = {**event.details, **ended}
    return found


def _assigned() -> dict[int, str]:
    """Return to whom each alarm was last assigned."""
    chosen = events(REVIEWED).filter(details__decision=ASSIGN).order_by("recorded_at")
    return {event.details["alarm"]: event.details["assigned_to"] for event in chosen}


def _digest(alarm: Alarm) -> str:
    """Return the digest of all that an alarm says; its state follows from its reviews.

    The empty text stands where an assignment, of which reviews tell now, was part of the words.
    """
    return digest(
        *(alarm.model, alarm.version, alarm.stream, alarm.kind, alarm.severity, alarm.summary),
        *(str(alarm.raised_on), str(alarm.since), "", alarm.details),
    )
