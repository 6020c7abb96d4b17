"""The JSON protocol: models, predictions, outcomes."""

from collections.abc import Mapping
from typing import Any

import msgspec

from models.definition import Status
from serving.answer import (
    BandAnswer,
    ModelAnswer,
    PredictionAnswer,
    contributions,
    describe_horizon,
    describe_model,
    missing_features,
)
from serving.contract import Request
from serving.earlier import definer_of
from serving.message import Answer
from serving.operation import Call, Operation
from serving.outcome_reports import OutcomeAnswer, OutcomeReport, record_report
from serving.past import (
    PastPrediction,
    find_own,
    find_standing,
    past_answer,
)
from serving.prediction import Ask, Prediction, predict, prediction_time
from serving.premises import Served

PROTOCOL = "json"


class ListedModel(ModelAnswer, frozen=True, kw_only=True, omit_defaults=True):
    """A model that is served; `suspended` says why it answers nothing now, if that is so."""

    suspended: str = ""


class ModelList(msgspec.Struct, frozen=True):
    """The models that are served."""

    models: list[ListedModel]


async def list_models(call: Call) -> Answer:
    """List the models that are served."""
    served = call.premises.models.values()
    return _json(ModelList([_listed(call, one) for one in served]))


async def describe(call: Call) -> Answer:
    """Describe one model, with the form of its requests as JSON Schema."""
    served = call.premises.served(call.path("name"))
    return Answer(msgspec.json.encode(_description(call, served)))


async def predict_one(call: Call) -> Answer:
    """Predict one patient's risk; the answer follows once its record is on disk."""
    served = call.premises.served(call.path("name"))
    body = await call.unchecked_body()

    explained = "explain" in call.caller.scopes

    def read() -> Ask:
        return ask_of(call, served.contract.read(body))

    with call.premises.limits.explaining(call.caller, call.now, wanted=explained):
        prediction = await predict(call, served.model, PROTOCOL, read)
    return Answer(served.form.write(prediction, explained=explained))


async def read_prediction(call: Call) -> Answer:
    """Read a past prediction of this client."""
    found = await find_own(call)
    standing = await find_standing(found)
    model = await definer_of(found, call.premises)
    explained = "explain" in call.caller.scopes
    answer = past_answer(found, standing, model, explained=explained)
    if answer.base is not msgspec.UNSET:
        call.premises.limits.take_explanations(call.caller, call.now)
    return _json(answer)


async def report_outcome(call: Call) -> Answer:
    """Record what became of a patient."""
    return await record_report(call)


def ask_of(call: Call, request: Request) -> Ask:
    """Return what a JSON request asks; raise NotAllowed for another time without the scope."""
    patient = request.patient
    return Ask(
        request.values,
        prediction_time(call, request.predicted_at),
        patient=(patient.system, patient.value) if patient else None,
        site=request.site,
        ward=request.ward,
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


def _listed(call: Call, served: Served) -> ListedModel:
    about = msgspec.structs.asdict(describe_model(served.model))
    because = call.premises.suspensions.reason(served.model.definition.name)
    return ListedModel(**about, suspended=because or "")


def _description(call: Call, served: Served) -> dict[str, Any]:
    definition = served.model.definition
    return {
        **msgspec.to_builtins(_listed(call, served)),
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
