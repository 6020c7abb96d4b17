"""Whether the tables that people are shown say what the audit chain says.

Promotions, suspensions, signed reviews and alarms stand in tables of their own, which commands and
console read. Each change to them is noted in the chain in the same transaction, so a row that was
changed, deleted or inserted otherwise disagrees with it.
"""

import json
from collections import Counter
from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any, Final

from django.db.models import QuerySet

from records import audit
from records.decisions import CLOSING
from records.models import Alarm, AuditEvent, Review, Suspension, Tenure

MONITOR: Final = "auscult monitor"
WORDS: Final = "alarm.words"


@dataclass(frozen=True, slots=True)
class Disagreement:
    """A table, and what is wrong there in words."""

    table: str
    words: str


def note_alarms(alarms: Iterable[Alarm], now: datetime) -> None:
    """Note what saved alarms say, in the transaction that saved them."""
    keys = [alarm.pk for alarm in alarms]
    said = {str(row.pk): _digest(row) for row in Alarm.objects.filter(pk__in=keys).order_by("pk")}
    if said:
        audit.note(WORDS, MONITOR, {"alarms": said}, now)


def disagreements() -> list[Disagreement]:
    """Return where a table and the chain disagree; what is being written meanwhile isn't taken."""
    first = list(_found())
    return [one for one in _found() if one in first] if first else []


def _found() -> Iterator[Disagreement]:
    yield from _compared("records_tenure", _moves(), _tenures(), "promotion or roll-back")
    yield from _compared("records_suspension", _suspension_events(), _suspensions(), "suspension")
    yield from _compared("records_review", _signed(), _reviews(), "signed decision")
    yield from _compared("records_review", _result_events(), _results(), "decision's result")
    yield from _alarms()


def _compared(
    table: str, chained: Iterable[Hashable], stored: Iterable[Hashable], what: str
) -> Iterator[Disagreement]:
    noted, rows = Counter(chained), Counter(stored)
    for one in noted - rows:
        yield Disagreement(table, f"a {what} was changed or deleted: {_named(one)}")
    for one in rows - noted:
        yield Disagreement(table, f"a {what} was changed or inserted: {_named(one)}")


def _named(one: Any) -> str:
    return ", ".join(str(part) for part in one[:4] if part not in (None, ""))


def _events(action: str) -> QuerySet[AuditEvent]:
    return AuditEvent.objects.filter(action=action)


def _moves() -> Iterator[Hashable]:
    for event in _events("alias.move"):
        said = event.details
        yield (
            *(said["model"], said["alias"], said["version"], event.by),
            *(said["because"], said["overridden"], _text(said["evidence"]), event.recorded_at),
        )


def _tenures() -> Iterator[Hashable]:
    for row in Tenure.objects.all():
        yield (
            *(row.model, row.alias, row.version, row.by),
            *(row.because, row.overridden, _text(row.evidence), row.since),
        )


def _suspension_events() -> Iterator[Hashable]:
    for action in ("model.suspend", "model.restore"):
        for event in _events(action):
            said = event.details
            yield action, said["model"], event.by, said["because"], event.recorded_at


def _suspensions() -> Iterator[Hashable]:
    for row in Suspension.objects.all():
        yield "model.suspend", row.model, row.by, row.because, row.since
        if row.ended_at is not None:
            yield "model.restore", row.model, row.ended_by, row.ended_because, row.ended_at


def _signed() -> Iterator[Hashable]:
    for action in ("alarm.review", "version.decision"):
        for event in _events(action):
            said = event.details
            yield (
                *(said["model"], said["version"], said["decision"], event.by),
                *(said["because"], said.get("alarm"), event.recorded_at),
            )


def _reviews() -> Iterator[Hashable]:
    for row in Review.objects.all():
        yield (
            *(row.model, row.version, row.decision, row.by),
            *(row.because, row.alarm_id, row.signed_at),
        )


def _result_events() -> Iterator[Hashable]:
    for event in _events("version.decision.result"):
        said = event.details
        yield said["model"], said["result"], said["review"], event.recorded_at


def _results() -> Iterator[Hashable]:
    for row in Review.objects.exclude(carried_out_at=None):
        yield row.model, row.result, row.pk, row.carried_out_at


def _alarms() -> Iterator[Disagreement]:
    said: dict[int, str] = {}
    for event in _events(WORDS).order_by("block", "position"):
        said |= {int(key): digest for key, digest in event.details["alarms"].items()}
    closed = {
        event.details["alarm"]
        for event in _events("alarm.review")
        if event.details["decision"] in CLOSING
    }
    rows = {row.pk: row for row in Alarm.objects.all()}
    for key in sorted(said.keys() | rows.keys()):
        if key not in rows:
            yield Disagreement("records_alarm", f"alarm {key} was deleted")
        elif said.get(key) != _digest(rows[key]):
            yield Disagreement("records_alarm", f"alarm {key} was changed or inserted")
        elif (rows[key].state == "closed") != (key in closed):
            words = "is closed without a review" if key not in closed else "was opened again"
            yield Disagreement("records_alarm", f"alarm {key} {words}")


def _digest(alarm: Alarm) -> str:
    """Return the digest of all that an alarm says; its state follows from its reviews."""
    said = (
        *(alarm.model, alarm.version, alarm.stream, alarm.kind, alarm.severity, alarm.summary),
        *(str(alarm.raised_on), str(alarm.since), alarm.assigned_to, alarm.details),
    )
    return sha256(_text(said).encode()).hexdigest()


def _text(value: Any) -> str:
    return json.dumps(_plain(value), sort_keys=True)


def _plain(value: Any) -> Any:
    """Write whole numbers in one way; databases and canonical JSON differ in 1.0 and -0.0."""
    if isinstance(value, dict):
        return {key: _plain(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value
