"""Feedback on cards: what a clinician did, as the EHR tells it afterwards (CDS-13, CDS-14)."""

from typing import Any
from uuid import UUID

import msgspec

from models.errors import MalformedInput
from serving.cds_hooks.cards import suggestion_id
from serving.contract import Aware, read_json
from serving.feedback import Outcome, Report
from serving.problems import BadHookRequest, NotJson

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
    accepted_suggestions: tuple[Accepted, ...] = ()
    override_reason: OverrideReason | None = None
    extension: dict[str, Any] | None = None


class Feedback(msgspec.Struct, frozen=True):
    """What an EHR reports, of one card or more."""

    feedback: tuple[Item, ...]


def read_reports(body: bytes) -> list[Report]:
    """Read the reports; raise BadHookRequest that names the member."""
    try:
        items = read_json(body, Feedback).feedback
    except NotJson:
        raise
    except MalformedInput as error:
        raise BadHookRequest(str(error), field=error.field, reason=error.reason) from error
    if not 0 < len(items) <= MAX_REPORTS:
        raise _bad(f"report 1 to {MAX_REPORTS} cards at a time", "feedback", "count")
    return [_report(item, f"feedback[{index}]") for index, item in enumerate(items)]


def _report(item: Item, place: str) -> Report:
    given = item.override_reason
    if item.outcome == "accepted":
        taken = {one.id for one in item.accepted_suggestions}
        if taken != {suggestion_id(item.card)}:
            where = f"{place}.acceptedSuggestions"
            raise _bad(f"{where}: name the suggestions of the card", where, "unknown_suggestion")
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
