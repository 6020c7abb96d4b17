"""Requests to retrain a model: opened by monitoring, signed by a reviewer, taken up by training.

A request moves nothing: a retrained version is promoted like any other, by somebody who signs.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Final

from django.db import transaction

from models.errors import RecordError
from records import audit
from records.models import RetrainingRequest

RETRAIN: Final = "retrain"
DECLINE: Final = "decline"


@dataclass(frozen=True)
class Cause:
    """Why a model may need retraining: a key by which it is known again, and words."""

    key: str
    words: str


def open_request(
    model: str, version: str, causes: Sequence[Cause], now: datetime
) -> RetrainingRequest | None:
    """Open a request, or add to the open one, for causes that no request names yet.

    Returns it if something was new. What was decided on once isn't asked again.
    """
    with transaction.atomic():
        requests = RetrainingRequest.objects.select_for_update().filter(model=model)
        known = {cause["key"] for request in requests for cause in request.causes}
        new = [asdict(cause) for cause in causes if cause.key not in known]
        if not new:
            return None
        found = next((one for one in requests if not one.decision), None)
        request = found or RetrainingRequest(model=model, opened_at=now)
        request.version, request.causes = version, [*request.causes, *new]
        request.save()
        details = {"request": request.pk, "model": model, "version": version, "causes": new}
        audit.note("retraining.request", "monitoring", details, now)
    return request


def sign(
    request_id: int,
    decision: str,
    *,
    by: str,
    statement: str,
    treatment: Mapping[str, Any],
    now: datetime,
) -> RetrainingRequest:
    """Record what a reviewer decided, with the statement on treatment feedback; both or neither.

    Raises RecordError for another decision than the two, and for a request that isn't open.
    """
    if decision not in (RETRAIN, DECLINE):
        raise RecordError(f"decision {decision!r} on a retraining: take {RETRAIN} or {DECLINE}")
    if not statement.strip():
        raise RecordError("say how treatment feedback was considered")
    with transaction.atomic():
        signed = RetrainingRequest.objects.filter(pk=request_id, decision="").update(
            decision=decision,
            by=by,
            statement=statement,
            treatment=dict(treatment),
            signed_at=now,
        )
        if not signed:
            raise RecordError(f"retraining request {request_id} isn't open")
        request = RetrainingRequest.objects.get(pk=request_id)
        details = {
            "request": request.pk,
            "model": request.model,
            "version": request.version,
            "decision": decision,
            "causes": request.causes,
            "treatment": dict(treatment),
            "statement": statement,
        }
        audit.note("retraining.decision", by, details, now)
    return request


def waiting(model: str) -> RetrainingRequest | None:
    """Return the oldest signed request that no retraining has taken up, if there is one."""
    found = RetrainingRequest.objects.filter(model=model, decision=RETRAIN, taken_up_at=None)
    return found.order_by("pk").first()


def take_up(request: RetrainingRequest, result: str, *, now: datetime) -> None:
    """Write what came of a signed request, once; raise RecordError if that was written already."""
    with transaction.atomic():
        written = RetrainingRequest.objects.filter(
            pk=request.pk, decision=RETRAIN, taken_up_at=None
        ).update(taken_up_at=now, result=result)
        if not written:
            raise RecordError(f"retraining request {request.pk} of {request.model} doesn't wait")
        details = {"request": request.pk, "model": request.model, "result": result}
        audit.note("retraining.result", request.by, details, now)


def history(model: str) -> list[RetrainingRequest]:
    """Return a model's requests, the newest first."""
    return list(RetrainingRequest.objects.filter(model=model).order_by("-pk"))
