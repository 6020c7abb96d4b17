"""What clients report became of patients: read, held against the prediction, and recorded."""

from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

import msgspec

from models.amounts import counted
from models.errors import MalformedInput
from serving.contract import Aware, PatientIdentifier, check_time, read_json
from serving.message import Answer
from serving.operation import Call
from serving.past import find_prediction, has_predicted, own_predictions
from serving.prediction import record
from serving.recording import outcome_row

_NONE_KNOWN = (
    "The outcome is kept, but this client has no prediction of this patient by that time; look "
    "whether system and value are those of the prediction."
)


class OutcomeReport(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What became of a patient: of one prediction, or by model and patient.

    `known_at` is the time of the event, or of the end of follow-up where none happened. Where the
    event became known later, `happened_at` is when it was, and counts.
    """

    happened: bool
    known_at: Aware
    happened_at: Aware | None = None
    prediction_id: UUID | None = None
    model: str | None = None
    patient: PatientIdentifier | None = None


class OutcomeAnswer(msgspec.Struct, frozen=True, omit_defaults=True):
    """What was recorded, and of how many predictions of this client it is.

    `notice` says so where it is of none, whether other clients have any isn't told; and where the
    event counts as none, since the horizon of all of them was over.
    """

    model: str
    happened: bool
    known_at: datetime
    reported_at: datetime
    own_predictions: int
    happened_at: datetime | None = None
    notice: str = ""


class _Subject(NamedTuple):
    """The model and the patient's pseudonym, and this client's predictions that it is about."""

    model: str
    patient: str
    predictions: int
    newest: datetime | None


async def record_report(call: Call) -> Answer:
    """Record what became of a patient."""
    report = read_json(await call.body(), OutcomeReport)
    at, field = _dated(report, call.now)
    subject = await _subject(call, report, at, field)
    row = outcome_row(
        prediction=report.prediction_id,
        model=subject.model,
        patient=subject.patient,
        happened=report.happened,
        known_at=at,
        client=call.caller,
        reported_at=call.now,
    )
    await record(call.premises, row)
    answer = OutcomeAnswer(
        model=subject.model,
        happened=report.happened,
        known_at=report.known_at,
        reported_at=call.now,
        own_predictions=subject.predictions,
        happened_at=report.happened_at,
        notice=_notice(call, report, subject, at),
    )
    return Answer(msgspec.json.encode(answer), 201)


def _dated(report: OutcomeReport, now: datetime) -> tuple[datetime, str]:
    """Return the time by which an outcome counts and the field that has it."""
    check_time(report.known_at, "known_at", now)
    if report.happened_at is None:
        return report.known_at, "known_at"
    check_time(report.happened_at, "happened_at", now)
    if not report.happened:
        raise MalformedInput(
            "happened_at is the time of an event, and happened is false: leave it out, and give "
            "the end of follow-up as known_at",
            field="happened_at",
            reason="no_event",
        )
    if report.happened_at > report.known_at:
        raise MalformedInput(
            f"happened_at {report.happened_at.isoformat()} is after known_at "
            f"{report.known_at.isoformat()}: an event can't be known before it happens",
            field="happened_at",
            reason="known_before",
        )
    return report.happened_at, "happened_at"


async def _subject(call: Call, report: OutcomeReport, at: datetime, field: str) -> _Subject:
    if report.prediction_id is not None:
        if report.model is not None or report.patient is not None:
            raise _two_subjects()
        found = await find_prediction(report.prediction_id, call.caller)
        if at < found.predicted_at:
            raise MalformedInput(
                f"{field} {at.isoformat()} is before the prediction",
                field=field,
                reason="before_prediction",
            )
        return _Subject(found.model, found.patient, 1, found.predicted_at)
    if report.model is None or report.patient is None:
        raise _two_subjects()
    model = report.model
    if model not in call.premises.models and not await has_predicted(model):
        # what a model predicted waits for its outcome for as long as the horizon is
        call.premises.served(model)
    patient = call.premises.pseudonymiser.pseudonym(report.patient.system, report.patient.value)
    return _Subject(model, patient, *await own_predictions(model, patient, at, call.caller))


def _notice(call: Call, report: OutcomeReport, subject: _Subject, at: datetime) -> str:
    if subject.newest is None:
        return _NONE_KNOWN
    served = call.premises.models.get(subject.model)
    if served is None or not report.happened:
        return ""
    days = served.model.definition.outcome.horizon_days
    if at <= subject.newest + timedelta(days=days):
        return ""
    notice = (
        f"The event is dated after the horizon, {counted(days, 'day')} from the prediction, and "
        "counts as none within it."
    )
    if report.happened_at is None:
        notice += " If known_at is when it became known, report it again with happened_at."
    return notice


def _two_subjects() -> MalformedInput:
    return MalformedInput(
        "name either the prediction_id, or the model and the patient",
        field="prediction_id",
        reason="ambiguous_subject",
    )
