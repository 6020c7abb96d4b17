"""The JSON protocol beyond single predictions: batches, replays, feedback."""

import asyncio
from collections.abc import Sequence
from typing import Literal
from uuid import UUID

import msgspec

from models.errors import AuscultError, InputError, MalformedInput, ModelSuspended
from records.rows import PredictionRow, RefusalRow, Row
from serving.answer import PredictionAnswer
from serving.contract import Aware, read_json
from serving.feedback import ReasonTold, Report, count_feedback, feedback_row, reason_told
from serving.json_api import PROTOCOL, answer_of, ask_of
from serving.message import Answer
from serving.no_body import Nothing, check_no_body
from serving.operation import Call, Operation
from serving.past import find_own, find_standing
from serving.prediction import (
    NO_SCORE,
    Prediction,
    count_prediction,
    count_refusal,
    record,
    refusal,
    score,
)
from serving.premises import Served
from serving.problems import NO_SCORE as NO_SCORE_NOTICE
from serving.problems import BatchTooLarge, kind_of
from serving.replay import ReplayAnswer, replay

MAX_BATCH = 1_000
YIELD_EVERY = 20


class Batch(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Requests as they'd be sent alone."""

    requests: list[msgspec.Raw]


class Refused(msgspec.Struct, frozen=True):
    """Why one request of a batch got no score."""

    problem: str
    detail: str
    notice: str = NO_SCORE_NOTICE
    field: str = ""
    reason: str = ""


class BatchItem(msgspec.Struct, frozen=True, omit_defaults=True):
    """The answer to one request of a batch: a prediction, or why there is none."""

    index: int
    prediction: PredictionAnswer | None = None
    refused: Refused | None = None


class BatchAnswer(msgspec.Struct, frozen=True):
    """The answers in the requests' order."""

    answers: list[BatchItem]


class Feedback(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What was done with a prediction; a comment's text belongs elsewhere."""

    prediction_id: UUID
    outcome: Literal["accepted", "overridden"]
    happened_at: Aware | None = None
    reason_system: str = ""
    reason_code: str = ""


class FeedbackAnswer(msgspec.Struct, frozen=True):
    """What was kept; `reason` says whether the reason is one that the model's cards offer."""

    prediction_id: UUID
    model: str
    outcome: str
    reason: ReasonTold


async def predict_batch(call: Call) -> Answer:
    """Predict up to 1,000 risks of one model, each recorded and each as if it were sent alone."""
    served = call.premises.served(call.path("name"))
    requests = read_json(await call.body(), Batch).requests
    if len(requests) > MAX_BATCH:
        raise BatchTooLarge(f"send {MAX_BATCH} requests at a time at most")
    if not requests:
        raise MalformedInput(
            "requests: give at least one", field="requests", reason="missing_field"
        )
    await _check_in_use(call, served, len(requests))
    explained = "explain" in call.caller.scopes
    if explained:
        call.premises.limits.take_explanations(call.caller, call.now, len(requests))
    predicted = 0
    try:
        scored = await _recorded(call, served, requests)
        predicted = sum(isinstance(one, Prediction) for one in scored)
    finally:
        if explained:
            call.premises.limits.give_back(call.caller, call.now, len(requests) - predicted)
    items = [_item(index, one, explained=explained) for index, one in enumerate(scored)]
    return Answer(msgspec.json.encode(BatchAnswer(items)))


async def _check_in_use(call: Call, served: Served, count: int) -> None:
    """Raise ModelSuspended once a refusal of each request is recorded, as if it were sent alone."""
    try:
        call.premises.suspensions.check(served.model.definition.name)
    except ModelSuspended as error:
        refused = refusal(call, served.model, PROTOCOL, call.now, error)
        await record(call.premises, *[refused] * count)
        for _ in range(count):
            count_refusal(call, refused)
        raise


async def replay_prediction(call: Call) -> Answer:
    """Recompute a past prediction of this client, and say whether it's the same bit for bit."""
    await check_no_body(call, Nothing)
    found = await find_own(call)
    standing = await find_standing(found)
    return Answer(msgspec.json.encode(await replay(found, standing, call.premises)))


async def report_feedback(call: Call) -> Answer:
    """Keep what was done with a prediction of this client."""
    given = read_json(await call.body(), Feedback)
    report = Report(
        card=given.prediction_id,
        outcome=given.outcome,
        happened_at=given.happened_at or call.now,
        reason_system=given.reason_system[:200],
        reason_code=given.reason_code[:64],
    )
    row = await feedback_row(call, report, protocol=PROTOCOL, time_field="happened_at")
    await record(call.premises, row)
    count_feedback(call, row)
    answer = FeedbackAnswer(given.prediction_id, row.model, row.outcome, reason_told(call, row))
    return Answer(msgspec.json.encode(answer), 201)


async def _recorded(
    call: Call, served: Served, requests: Sequence[msgspec.Raw]
) -> list[Prediction | AuscultError]:
    """Return the prediction or the refusal of each request, once all are on disk."""
    scored: list[Prediction | AuscultError] = []
    rows: list[Row] = []
    for index, raw in enumerate(requests):
        outcome, row = _score(call, served, bytes(raw))
        scored.append(outcome)
        rows.append(row)
        if index % YIELD_EVERY == 0:
            # other calls go on between
            await asyncio.sleep(0)
    await record(call.premises, *rows)
    for row in rows:
        _count(call, row)
    return scored


def _score(call: Call, served: Served, raw: bytes) -> tuple[Prediction | AuscultError, Row]:
    predicted_at = call.now
    try:
        ask = ask_of(call, served.contract.read(raw))
        predicted_at = ask.predicted_at
        return score(call, served.model, PROTOCOL, ask)
    except NO_SCORE as error:
        return error, refusal(call, served.model, PROTOCOL, predicted_at, error)


def _count(call: Call, row: Row) -> None:
    if isinstance(row, PredictionRow):
        count_prediction(call, row)
    elif isinstance(row, RefusalRow):
        count_refusal(call, row)


def _item(index: int, one: Prediction | AuscultError, *, explained: bool) -> BatchItem:
    if isinstance(one, Prediction):
        return BatchItem(index, answer_of(one, explained=explained))
    refused = Refused(kind_of(one).slug, str(one))
    if isinstance(one, InputError):
        refused = Refused(kind_of(one).slug, str(one), field=one.field, reason=one.reason)
    return BatchItem(index, refused=refused)


def operations() -> list[Operation]:
    """Return the operations."""
    return [
        Operation(
            "POST",
            "/v1/models/{name}/predict-batch",
            predict_batch,
            scopes=("bulk",),
            summary=f"Predict up to {MAX_BATCH} risks",
            wants_score=True,
            request=[Batch],
            answer=BatchAnswer,
        ),
        Operation(
            "POST",
            "/v1/predictions/{id}/replay",
            replay_prediction,
            scopes=("replay",),
            summary="Recompute a past prediction bit for bit",
            answer=ReplayAnswer,
        ),
        Operation(
            "POST",
            "/v1/feedback",
            report_feedback,
            scopes=("feedback",),
            summary="Report what was done with a prediction",
            request=[Feedback],
            answer=FeedbackAnswer,
            status=201,
        ),
    ]
