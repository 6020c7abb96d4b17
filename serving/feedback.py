"""What was done with an answer: which card or prediction it is about, and the row to keep."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Literal
from uuid import UUID

import msgspec
from anyio import to_thread

from records.rows import FeedbackRow
from serving.contract import check_time
from serving.operation import Call
from serving.problems import NotFound

if TYPE_CHECKING:
    from records.models import Client

NO_SCORE_CARD = "card.no_score"
SKEW = timedelta(seconds=60)
Outcome = Literal["accepted", "overridden"]


class Subject(msgspec.Struct, frozen=True):
    """What a report is about: a prediction, or a card that said there was no score."""

    prediction: UUID | None
    model: str


class Report(msgspec.Struct, frozen=True):
    """What was done, in whatever protocol it was told."""

    card: UUID
    outcome: Outcome
    happened_at: datetime
    reason_system: str = ""
    reason_code: str = ""
    has_comment: bool = False


async def feedback_row(call: Call, report: Report, *, protocol: str) -> FeedbackRow:
    """Return the row of a report; raise NotFound for a card that this client never got."""
    check_time(report.happened_at, "outcomeTimestamp", call.now + SKEW)
    subject = await to_thread.run_sync(_subject, report.card, call.caller)
    return FeedbackRow(
        prediction=subject.prediction,
        card=report.card,
        model=subject.model,
        outcome=report.outcome,
        reason_system=report.reason_system,
        reason_code=report.reason_code,
        has_comment=report.has_comment,
        happened_at=report.happened_at,
        recorded_at=call.now,
        protocol=protocol,
        client=call.caller.key_id,
        is_test=call.caller.is_test,
    )


def _subject(card: UUID, client: Client) -> Subject:
    # here, since Django's models can only be imported once Django is set up
    from django.db import close_old_connections

    from records.clients import keys_of
    from records.models import AuditEvent, Prediction

    close_old_connections()
    keys = keys_of(client)
    prediction = Prediction.objects.filter(id=card, client__in=keys).only("model").first()
    if prediction is not None:
        return Subject(card, prediction.model)
    event = AuditEvent.objects.filter(id=card, action=NO_SCORE_CARD, by__in=keys).first()
    if event is None:
        raise NotFound("this client has no such card or prediction")
    return Subject(None, event.details["model"])
