"""From readings to a recorded prediction: the same way for every protocol."""

import asyncio
from collections.abc import Callable
from datetime import datetime
from uuid import UUID

import msgspec

from models.basis import Basis, written
from models.errors import (
    AuscultError,
    ExplanationMismatch,
    InputError,
    ModelSuspended,
)
from models.features import FeatureSet
from models.fhir_subject import patient_named
from models.other_readings import not_yet_true
from models.readings import Finding, Readings
from models.risk_model import ExplainedRisk, RiskModel
from records.identifiers import ordered_id
from records.rows import PredictionRow, RefusalRow, Row
from serving.contract import check_time
from serving.operation import Call
from serving.premises import Premises
from serving.problems import NotAllowed
from serving.recording import prediction_row, refusal_row

# for these a request gets no score, and a record that it got none
NO_SCORE = (InputError, ModelSuspended, ExplanationMismatch)


class Ask(msgspec.Struct, frozen=True):
    """What is asked of a model, in whatever protocol it came."""

    readings: Readings
    predicted_at: datetime
    patient: tuple[str, str] | None = None  # system and value; they go no further than the door
    site: str = ""
    ward: str = ""
    findings: tuple[Finding, ...] = ()
    subject: str = ""  # the patient's own reference, in FHIR


class Prediction(msgspec.Struct, frozen=True):
    """A prediction that is on disk and may be answered."""

    id: UUID
    model: RiskModel
    risk: ExplainedRisk
    findings: tuple[Finding, ...]
    predicted_at: datetime
    recorded_at: datetime


def prediction_time(call: Call, given: datetime | None) -> datetime:
    """Return the time to predict at: now, or with the scope `replay` one that isn't later."""
    if given is None:
        return call.now
    if "replay" not in call.caller.scopes:
        raise NotAllowed("another prediction time than now needs the scope replay")
    check_time(given, "predicted_at", call.now)
    return given


async def predict(
    call: Call, model: RiskModel, protocol: str, read: Callable[[], Ask]
) -> Prediction:
    """Read what is asked, score it, and return once the record is on disk.

    A refusal is recorded as well, before it is raised.
    """
    predicted_at = call.now
    try:
        call.premises.suspensions.check(model.definition.name)
        ask = read()
        predicted_at = ask.predicted_at
        prediction, row = score(call, model, protocol, ask)
    except NO_SCORE as error:
        refused = refusal(call, model, protocol, predicted_at, error)
        await record(call.premises, refused)
        count_refusal(call, refused)
        raise
    await record(call.premises, row)
    count_prediction(call, row)
    return prediction


def score(
    call: Call, model: RiskModel, protocol: str, ask: Ask
) -> tuple[Prediction, PredictionRow]:
    """Score what is asked; the prediction may be answered once its row is on disk."""
    patient = call.premises.pseudonymiser.pseudonym(*ask.patient) if ask.patient else ""
    risk = model.assess(ask.readings, ask.predicted_at)
    features = risk.features
    not_yet = not_yet_true(model.definition, ask.readings, features.values, call.now)
    prediction = Prediction(
        id=ordered_id(call.now),
        model=model,
        risk=risk,
        findings=(*features.findings, *not_yet, *ask.findings),
        predicted_at=ask.predicted_at,
        recorded_at=call.now,
    )
    row = prediction_row(
        prediction,
        ask.readings,
        patient=patient,
        site=ask.site,
        ward=ask.ward,
        client=call.caller,
        protocol=protocol,
        basis=_basis(call, features, ask.subject),
    )
    return prediction, row


def _basis(call: Call, features: FeatureSet, subject: str) -> str:
    """Return what the record keeps of the readings, so that a source of them can be corrected."""
    if not features.given:
        return ""
    patient = patient_named(subject)
    pseudonym = call.premises.pseudonymiser.pseudonym("", patient) if patient else ""
    return written(Basis(features.given, pseudonym))


def refusal(
    call: Call, model: RiskModel, protocol: str, predicted_at: datetime, error: AuscultError
) -> RefusalRow:
    """Return the row of a request that got no score."""
    field, reason = "model", "suspended"
    if isinstance(error, InputError):
        field, reason = error.field, error.reason
    elif isinstance(error, ExplanationMismatch):
        field, reason = "explanation", "explanation_mismatch"
    return refusal_row(
        model,
        field=field,
        reason=reason,
        client=call.caller,
        protocol=protocol,
        predicted_at=predicted_at,
        recorded_at=call.now,
    )


def count_prediction(call: Call, row: PredictionRow) -> None:
    """Count a prediction that is on disk."""
    call.premises.counters.predictions(row.model, row.version, row.protocol, row.band).inc()


def count_refusal(call: Call, row: RefusalRow) -> None:
    """Count a refusal that is on disk."""
    call.premises.counters.refusals(row.model, row.version, row.protocol, row.reason).inc()


async def record(premises: Premises, *rows: Row) -> None:
    """Return once the rows are on disk; raise DeadlinePassed if that takes too long."""
    loop = asyncio.get_running_loop()
    written = premises.writer.submit_async(rows, loop)
    premises.deadlines.watch(written, loop)
    await written
