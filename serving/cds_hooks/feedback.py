"""Feedback on cards: what a clinician did, as the EHR tells it afterwards (CDS-13, CDS-14)."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import msgspec

from models.errors import AuscultError, InputError, MalformedInput
from records.rows import FeedbackRow
from serving.cds_hooks.cards import suggestion_id
from serving.contract import Aware, read_json
from serving.feedback import Outcome, Report, feedback_row
from serving.operation import Call
from serving.problems import BadHookRequest, NotFound, NotJson

MAX_REPORTS = 100


class Reason(msgspec.Struct, frozen=True):
    """A reason that was picked from the card's list."""

    code: str = msgspec.field(default="")
    system: str = msgspec.field(default="")


class OverrideReason(msgspec.Struct, frozen=True, rename="camel"):
    """Why a card was overridden; a comment's text isn't kept, since it may name the patient."""

    reason: Reason | None = None
    user_comment: str | None = None


class Accepted(msgspec.Struct, frozen=True):
    """A suggestion that was taken."""

    id: UUID


class Item(msgspec.Struct, frozen=True, rename="camel"):
    """What became of one card."""

    card: UUID
    outcome: Outcome
    outcome_timestamp: Aware
    accepted_suggestions: tuple[Accepted, ...] | None = None
    override_reason: OverrideReason | None = None
    extension: dict[str, Any] | None = None


class Feedback(msgspec.Struct, frozen=True):
    """What an EHR reports, of one card or more."""

    feedback: tuple[Item, ...]


class Sent(msgspec.Struct, frozen=True):
    """The same with its reports not yet read, since each is kept or refused by itself."""

    feedback: tuple[msgspec.Raw, ...]


def read_reports(body: bytes) -> list[Report | BadHookRequest]:
    """Read the reports, each one or why it can't be kept.

    Raises BadHookRequest that names the member where the whole isn't of the agreed form.
    """
    try:
        sent = read_json(body, Sent).feedback
    except NotJson:
        raise
    except MalformedInput as error:
        raise BadHookRequest(str(error), field=error.field, reason=error.reason) from error
    if not 0 < len(sent) <= MAX_REPORTS:
        raise _bad(f"report 1 to {MAX_REPORTS} cards at a time", "feedback", "count")
    return [_read(bytes(raw), f"feedback[{index}]") for index, raw in enumerate(sent)]


async def rows_of(
    call: Call, reports: Sequence[Report | BadHookRequest], *, protocol: str, model: str
) -> tuple[list[FeedbackRow], AuscultError | None]:
    """Return the rows of the reports that can be kept, and why the first of the others can't."""
    rows: list[FeedbackRow] = []
    faults: dict[int, AuscultError] = {}
    for index, report in enumerate(reports):
        try:
            if isinstance(report, BadHookRequest):
                raise report
            row = await feedback_row(call, report, protocol=protocol, time_field="outcomeTimestamp")
            if row.model != model:
                raise NotFound("this client has no such card of this service")
            rows.append(row)
        except (NotFound, BadHookRequest) as error:
            faults[index] = error
        except MalformedInput as error:
            place = f"feedback[{index}]"
            faults[index] = _bad(f"{place}.{error}", f"{place}.{error.field}", error.reason)
    if len(reports) == 1 or not faults:
        return rows, next(iter(faults.values()), None)
    return rows, _told(faults, kept=len(rows))


def _told(faults: Mapping[int, AuscultError], *, kept: int) -> AuscultError:
    """Return the first fault, in words that say which reports were kept and which weren't."""
    first = next(iter(faults.values()))
    places = ", ".join(f"feedback[{one}]" for one in faults)
    words = (
        f"{kept} of {kept + len(faults)} reports were kept, and not {places}; the first: {first}"
    )
    if isinstance(first, InputError):
        return BadHookRequest(words, field=first.field, reason=first.reason)
    return NotFound(words)


def _read(raw: bytes, place: str) -> Report | BadHookRequest:
    try:
        return _report(read_json(raw, Item), place)
    except MalformedInput as error:
        words = str(error).removeprefix(f"{error.field}: ")
        where = place if error.field == "body" else f"{place}.{error.field}"
        return _bad(f"{where}: {words}", where, error.reason)


def _report(item: Item, place: str) -> Report | BadHookRequest:
    given = item.override_reason
    if item.outcome == "accepted":
        taken = {one.id for one in item.accepted_suggestions or ()}
        if taken != {suggestion_id(item.card)}:
            where = f"{place}.acceptedSuggestions"
            return _bad(f"{where}: name the suggestions of the card", where, "unknown_suggestion")
    reason = (given.reason if given else None) or Reason()
    return Report(
        card=item.card,
        outcome=item.outcome,
        happened_at=item.outcome_timestamp,
        reason_system=reason.system[:200],
        reason_code=reason.code[:64],
        has_comment=bool(given and given.user_comment),
    )


def _bad(words: str, field: str, reason: str) -> BadHookRequest:
    return BadHookRequest(words, field=field, reason=reason)
