"""The JSON protocol: models, predictions, outcomes."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from models.definition import Status
from models.errors import MalformedInput
from serving.answer import (
    BandAnswer,
    ModelAnswer,
    PredictionAnswer,
    contributions,
    describe_horizon,
    describe_model,
    missing_features,
)
from serving.contract import Aware, PatientIdentifier, Request, check_time, read_json
from serving.message import Answer
from serving.operation import Call, Operation
from serving.past import PastPrediction, find_own, find_prediction, find_standing, past_answer
from serving.prediction import Ask, Prediction, predict, prediction_time, record
from serving.premises import Served
from serving.recording import outcome_row

PROTOCOL = "json"


class ModelList(msgspec.Struct, frozen=True):
    """The models that are served."""

    models: list[ModelAnswer]


class OutcomeReport(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What became of a patient: of one prediction, or by model and patient.

    `known_at` is the time of the event, or of the end of follow-up where none happened.
    """

    happened: bool
    known_at: Aware
    prediction_id: UUID | None = None
    model: str | None = None
    patient: PatientIdentifier | None = None


class OutcomeAnswer(msgspec.Struct, frozen=True):
    """What was recorded."""

    model: str
    happened: bool
    known_at: datetime
    reported_at: datetime


async def list_models(call: Call) -> Answer:
    """List the models that are served."""
    served = call.premises.models.values()
    return _json(ModelList([describe_model(one.model) for one in served]))


async def describe(call: Call) -> Answer:
    """Describe one model, with the form of its requests as JSON Schema."""
    served = call.premises.served(call.path("name"))
    return Answer(msgspec.json.encode(_description(served)))


async def predict_one(call: Call) -> Answer:
    """Predict one patient's risk; the answer follows once its record is on disk."""
    served = call.premises.served(call.path("name"))
    if call.scope["query_string"]:
        raise MalformedInput(
            "the address has a query, which isn't read; send all of the request in the body",
            field="query",
            reason="unknown_parameter",
        )
    body = await call.unchecked_body()

    explained = "explain" in call.caller.scopes
    if explained:
        call.premises.limits.check_explanations(call.caller.key_id, call.now)

    def read() -> Ask:
        return ask_of(call, served.contract.read(body))

    prediction = await predict(call, served.model, PROTOCOL, read)
    return Answer(served.form.write(prediction, explained=explained))


async def read_prediction(call: Call) -> Answer:
    """Read a past prediction of this client."""
    found = await find_own(call)
    served = call.premises.models.get(found.model)
    standing = await find_standing(found)
    explained = "explain" in call.caller.scopes
    model = served.model if served else None
    return _json(past_answer(found, standing, model, explained=explained))


async def report_outcome(call: Call) -> Answer:
    """Record what became of a patient."""
    report = read_json(await call.body(), OutcomeReport)
    check_time(report.known_at, "known_at", call.now)
    model, patient = await _subject(call, report)
    row = outcome_row(
        prediction=report.prediction_id,
        model=model,
        patient=patient,
        happened=report.happened,
        known_at=report.known_at,
        client=call.caller,
        reported_at=call.now,
    )
    await record(call.premises, row)
    answer = OutcomeAnswer(model, report.happened, report.known_at, call.now)
    return Answer(msgspec.json.encode(answer), 201)


async def _subject(call: Call, report: OutcomeReport) -> tuple[str, str]:
    """Return the model and the patient's pseudonym that an outcome is about."""
    if report.prediction_id is not None:
        if report.model is not None or report.patient is not None:
            raise _two_subjects()
        found = await find_prediction(report.prediction_id, call.caller)
        if report.known_at < found.predicted_at:
            raise MalformedInput(
                f"known_at {report.known_at.isoformat()} is before the prediction",
                field="known_at",
                reason="before_prediction",
            )
        return found.model, found.patient
    if report.model is None or report.patient is None:
        raise _two_subjects()
    model = call.premises.served(report.model).model.definition.name
    patient = call.premises.pseudonymiser.pseudonym(report.patient.system, report.patient.value)
    return model, patient


def _two_subjects() -> MalformedInput:
    return MalformedInput(
        "name either the prediction_id, or the model and the patient",
        field="prediction_id",
        reason="ambiguous_subject",
    )


def ask_of(call: Call, request: Request) -> Ask:
    """Return what a JSON request asks; raise NotAllowed for another time without the scope."""
    patient = request.patient
    return Ask(
        request.values,
        prediction_time(call, request.predicted_at),
        patient=(patient.system, patient.value) if patient else None,
        site=request.site,
    )


def answer_of(prediction: Prediction, *, explained: bool) -> PredictionAnswer:
    """Return the answer to a prediction; a silent model's shows no risk."""
    model, risk = prediction.model, prediction.risk
    shown = model.definition.status is not Status.SILENT
    explained = explained and shown
    band = BandAnswer(risk.band.name, risk.band.title, risk.band.action)
    return PredictionAnswer(
        prediction_id=str(prediction.id),
        model=describe_model(model),
        predicted_at=prediction.predicted_at,
        recorded_at=prediction.recorded_at,
        horizon=describe_horizon(model.definition),
        missing=missing_features(prediction.findings),
        findings=list(prediction.findings),
        risk=risk.explanation.risk if shown else msgspec.UNSET,
        band=band if shown else msgspec.UNSET,
        base=risk.explanation.base if explained else msgspec.UNSET,
        contributions=contributions(model.definition, risk) if explained else msgspec.UNSET,
    )


def _description(served: Served) -> dict[str, Any]:
    definition = served.model.definition
    return {
        **msgspec.to_builtins(describe_model(served.model)),
        "owner": definition.owner,
        "review_by": definition.review_by.isoformat(),
        "intended_use": definition.intended_use.model_dump(),
        "outcome": definition.outcome.model_dump(),
        "bands": [band.model_dump() for band in definition.bands],
        "input": served.contract.schema,
    }


def _json(value: msgspec.Struct) -> Answer:
    return Answer(msgspec.json.encode(value))


def operations(models: Mapping[str, Served]) -> list[Operation]:
    """Return the operations of the JSON protocol, the busiest first."""
    requests = [served.contract.type for served in models.values()]
    return [
        Operation(
            "POST",
            "/v1/models/{name}/predict",
            predict_one,
            scopes=("predict",),
            summary="Predict one patient's risk, explained and recorded",
            wants_score=True,
            request=requests,
            answer=PredictionAnswer,
        ),
        Operation(
            "POST",
            "/v1/outcomes",
            report_outcome,
            scopes=("outcome",),
            summary="Report what became of a patient",
            request=[OutcomeReport],
            answer=OutcomeAnswer,
            status=201,
        ),
        Operation(
            "GET",
            "/v1/predictions/{id}",
            read_prediction,
            scopes=("read",),
            summary="Read a past prediction of this client",
            answer=PastPrediction,
        ),
        Operation(
            "GET",
            "/v1/models",
            list_models,
            scopes=("predict", "read"),
            summary="List the models that are served",
            answer=ModelList,
        ),
        Operation(
            "GET",
            "/v1/models/{name}",
            describe,
            scopes=("predict", "read"),
            summary="Describe a model and the form of its requests",
        ),
    ]
