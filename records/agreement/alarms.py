"""Alarms: what they say, noted by the runs that changed it, and what reviews made of them."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from records import audit
from records.agreement.compared import Disagreement, digest, events
from records.decisions import ASSIGNED, CLOSED, MUTE, MUTED, OPEN, state_after
from records.models import Alarm, AuditEvent

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
    said, standings = _noted(), _standings()
    rows = {row.pk: row for row in Alarm.objects.all()}
    for key in sorted(said.keys() | rows.keys()):
        if key not in rows:
            yield Disagreement(TABLE, f"alarm {key} was deleted")
        elif said.get(key) != _digest(rows[key]):
            yield Disagreement(TABLE, f"alarm {key} was changed or inserted")
        else:
            fault = _fault_of_state(rows[key], standings.get(key, Standing()))
            if fault:
                yield Disagreement(TABLE, f"alarm {key} {fault}")


@dataclass(frozen=True)
class Standing:
    """How an alarm stands by what was signed of it, and by the ends of its mutes.

    A mute of before their ends were noted (`may_be_over`) ended without a trace on its day.
    """

    state: str = OPEN
    muted_until: str = ""
    muted_unless: str = ""
    assigned_to: str = ""
    may_be_over: bool = False

    def after(self, event: AuditEvent) -> "Standing":
        """Return how it stands after a review, or after a mute's end."""
        said: Mapping[str, Any] = event.details
        if event.action == UNMUTED:
            return Standing(ASSIGNED if self.assigned_to else OPEN, assigned_to=self.assigned_to)
        return Standing(
            state_after(said["decision"]),
            said["muted_until"],
            said.get("muted_unless", ""),
            said.get("assigned_to") or self.assigned_to,
            said["decision"] == MUTE and "muted_unless" not in said,
        )


def _fault_of_state(alarm: Alarm, by_reviews: Standing) -> str | None:
    until, unless = str(alarm.muted_until or ""), alarm.muted_unless
    found = Standing(alarm.state, until, unless, alarm.assigned_to, by_reviews.may_be_over)
    if by_reviews.may_be_over and found.state == OPEN:
        by_reviews = replace(by_reviews, state=OPEN, muted_until="")
    if found == by_reviews:
        return None
    if found.assigned_to != by_reviews.assigned_to:
        return "is assigned otherwise than a review says"
    if CLOSED in (found.state, by_reviews.state) and found.state != by_reviews.state:
        return "is closed without a review" if found.state == CLOSED else "was opened again"
    if found.state in (MUTED, by_reviews.state):
        return "is muted otherwise than a review says"
    if found.state == OPEN:
        return f"was set back to open without a review, which says {by_reviews.state}"
    return f"is {found.state} without a review, by which it is {by_reviews.state}"


def _standings() -> dict[int, Standing]:
    """Return how each alarm stands by what was decided; one chain holds that, in its order."""
    found: dict[int, Standing] = {}
    for event in events(REVIEWED, UNMUTED):
        key = event.details["alarm"]
        found[key] = found.get(key, Standing()).after(event)
    return found


def _noted() -> dict[int, str]:
    said: dict[int, str] = {}
    for event in events(WORDS):
        said |= {int(key): one for key, one in event.details["alarms"].items()}
    return said


def _digest(alarm: Alarm) -> str:
    """Return the digest of all that an alarm says; its state follows from its reviews.

    The empty text stands where an assignment, of which reviews tell now, was part of the words.
    """
    return digest(
        *(alarm.model, alarm.version, alarm.stream, alarm.kind, alarm.severity, alarm.summary),
        *(str(alarm.raised_on), str(alarm.since), "", alarm.details),
    )
