"""Decisions on a model's version that a person signed: what waits, and what came of it.

The console writes them. `auscult work` carries out those that change which version is in use; an
approval for clinical use takes effect by being there.
"""

from datetime import datetime
from typing import Final

from django.db import transaction

from models.errors import RecordError
from records import audit
from records.models import Review

# how an alarm stands
OPEN, ACKNOWLEDGED, ASSIGNED = "open", "acknowledged", "assigned"
MUTED, CLOSED = "muted", "closed"
# what doesn't close an alarm
ACKNOWLEDGE, ASSIGN, MUTE = "acknowledge", "assign", "mute"
# what ends a mute before its date: a severity above the one that follows, a stream that is as it
# was, another version in use than the one that follows
GRAVER_THAN, BACK, OTHER_THAN = "graver than ", "as before", "other version than "
# how an alarm may be closed, which decides what becomes of its days
ACCEPT, FAULT, FALSE = "accept", "fault", "false"
CLOSING: Final = (FAULT, ACCEPT, FALSE)

APPROVE: Final = "approve"
PROMOTE: Final = "promote"
ROLL_BACK: Final = "roll back"
DECISIONS: Final = (APPROVE, PROMOTE, ROLL_BACK)
CARRIED_OUT: Final = (PROMOTE, ROLL_BACK)


def state_after(decision: str) -> str:
    """Return how an alarm stands after a decision on it."""
    return {ACKNOWLEDGE: ACKNOWLEDGED, ASSIGN: ASSIGNED, MUTE: MUTED}.get(decision, CLOSED)


def sign(
    model: str, version: str, decision: str, *, by: str, because: str, now: datetime
) -> Review:
    """Record a decision on a version, and note it in the audit chain, both or neither."""
    if decision not in DECISIONS:
        raise RecordError(f"decision {decision!r} on {model}: take one of {', '.join(DECISIONS)}")
    if not version.strip() and decision != ROLL_BACK:
        raise RecordError(f"decision {decision!r} on {model}: name the version")
    details = {"model": model, "version": version, "decision": decision, "because": because}
    with transaction.atomic():
        audit.note("version.decision", by, details, now)
        return Review.objects.create(
            model=model,
            version=version,
            decision=decision,
            by=by,
            because=because,
            signed_at=now,
        )


def history(model: str) -> list[Review]:
    """Return the decisions on a model's versions, the newest first."""
    return list(
        Review.objects.filter(model=model, alarm=None, decision__in=DECISIONS).order_by("-pk")
    )


def approval(model: str, version: str) -> Review | None:
    """Return the safety officer's approval of a version for clinical use, if there is one."""
    found = Review.objects.filter(model=model, version=version, alarm=None, decision=APPROVE)
    return found.order_by("-pk").first()


def waiting() -> list[Review]:
    """Return the decisions that are to be carried out, the oldest first."""
    return list(
        Review.objects.filter(alarm=None, decision__in=CARRIED_OUT, carried_out_at=None).order_by(
            "pk"
        )
    )


def finish(review: Review, result: str, *, now: datetime) -> None:
    """Write what came of a decision, once; raise RecordError if that was written already."""
    details = {"review": review.pk, "model": review.model, "result": result}
    with transaction.atomic():
        written = Review.objects.filter(pk=review.pk, carried_out_at=None).update(
            carried_out_at=now, result=result
        )
        if not written:
            raise RecordError(f"decision {review.pk} on {review.model} was carried out already")
        audit.note("version.decision.result", review.by, details, now)
