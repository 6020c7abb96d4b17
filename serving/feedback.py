"""What was done with an answer: which card or prediction it is about, and the row to keep."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Literal
from uuid import UUID

import msgspec
from anyio import to_thread

from models.errors import MalformedInput
from records.rows import FeedbackRow
from serving.contract import check_time
from serving.operation import Call
from serving.past import connected
from serving.problems import NotFound

if TYPE_CHECKING:
    from records.models import Client

NO_SCORE_CARD = "card.no_score"
SKEW = timedelta(seconds=60)
Outcome = Literal["accepted", "overridden"]


ReasonTold = Literal["offered", "other", "none"]


class Subject(msgspec.Struct, frozen=True):
    """What a report is about: a prediction, or a card that said there was no score."""

    prediction: UUID | None
    model: str
    made_at: datetime


class Report(msgspec.Struct, frozen=True):
    """What was done, in whatever protocol it was told."""

    card: UUID
    outcome: Outcome
    happened_at: datetime
    reason_system: str = ""
    reason_code: str = ""
    has_comment: bool = False


async def feedback_row(
    call: Call, report: Report, *, protocol: str, time_field: str
) -> FeedbackRow:
    """Return the row of a report; raise NotFound for a card that this client never got.

    Raises MalformedInput, which names `time_field`, for a time before the prediction's or later
    than now, each by more than clocks differ.
    """
    check_time(report.happened_at, time_field, call.now + SKEW)
    subject = await to_thread.run_sync(_subject, report.card, call.caller)
    if report.happened_at < subject.made_at - SKEW:
        raise MalformedInput(
            f"{time_field} {report.happened_at.isoformat()} is before the prediction",
            field=time_field,
            reason="before_prediction",
        )
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


def reason_told(call: Call, row: FeedbackRow) -> ReasonTold:
    """Say whether a report's reason is one that the model's cards offer."""
    if not row.reason_code and not row.reason_system:
        return "none"
    served = call.premises.models.get(row.model)
    about = served.model.definition.cds_hooks if served else None
    offered = about.offered(row.reason_system, row.reason_code) if about else None
    return "other" if offered is None else "offered"


def count_feedback(call: Call, row: FeedbackRow) -> None:
    """Count a report that was kept, so that a reason which nobody offered is seen."""
    told = reason_told(call, row)
    call.premises.counters.feedback(row.model, row.protocol, row.outcome, told).inc()


def _subject(card: UUID, client: Client) -> Subject:
    # here, since Django's models can only be imported once Django is set up
    from records.clients import keys_of
    from records.models import AuditEvent, Prediction

    with connected():
        keys = keys_of(client)
        made = Prediction.objects.filter(id=card, client__in=keys)
        prediction = made.only("model", "predicted_at").first()
        if prediction is not None:
            return Subject(card, prediction.model, prediction.predicted_at)
        event = AuditEvent.objects.filter(id=card, action=NO_SCORE_CARD, by__in=keys).first()
    if event is None:
        raise NotFound("this client has no such card or prediction")
    return Subject(None, event.details["model"], event.recorded_at)
