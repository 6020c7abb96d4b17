"""Source results that were corrected or entered in error, and the predictions that used them.

Such a prediction isn't right any more: listing it withdraws it, and it stays open until somebody
acknowledges it.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.db import transaction
from django.db.models import F, Q, QuerySet, TextField
from django.db.models.functions import Cast

from models.errors import RecordError
from records import audit, chain
from records.agreement.corrections import affected_digest
from records.models import AffectedPrediction, Amendment, Prediction, SourceCorrection
from records.rows import AmendmentRow

CORRECTED: Final = "corrected"
IN_ERROR: Final = "entered-in-error"
STATUSES: Final = (CORRECTED, IN_ERROR)
MONITORING: Final = "monitoring"


@dataclass(frozen=True)
class Correction:
    """What a report says of a source; `value` is in the definition's unit, None where none is."""

    source: str
    status: str
    feature: str = ""
    value: float | str | None = None


def report(model: str, corrections: Iterable[Correction], *, by: str, now: datetime) -> int:
    """Record reports that aren't known yet, and note them; return how many those are."""
    with transaction.atomic():
        new = [one for one in dict.fromkeys(corrections) if not _is_known(model, one)]
        SourceCorrection.objects.bulk_create(
            SourceCorrection(model=model, reported_at=now, by=by, **vars(one)) for one in new
        )
        if new:
            details = {"model": model, "corrections": [vars(one) for one in new]}
            audit.note("sources.corrected", by, details, now)
    return len(new)


def unlisted(model: str) -> list[SourceCorrection]:
    """Return the reports whose predictions aren't listed yet, the oldest first."""
    return list(SourceCorrection.objects.filter(model=model, listed_at=None).order_by("pk"))


def users_of(correction: SourceCorrection) -> list[Prediction]:
    """Return the predictions that used the source of a report, test clients' left out."""
    text = Prediction.objects.annotate(named=Cast("sources", TextField()))
    # the writer stores letters beyond ASCII as they are, Django's own JSON escapes them
    plain, escaped = (json.dumps(correction.source, ensure_ascii=one) for one in (False, True))
    found = text.filter(
        Q(named__contains=plain) | Q(named__contains=escaped),
        model=correction.model,
        is_test=False,
    ).order_by("predicted_at", "pk")
    return [one for one in found.iterator() if correction.source in one.sources]


def list_affected(
    correction: SourceCorrection, affected: Sequence[AffectedPrediction], now: datetime
) -> None:
    """Record what a report affects and withdraw those predictions, all or nothing."""
    with transaction.atomic():
        AffectedPrediction.objects.bulk_create(affected, batch_size=500)
        withdrawn = [_withdrawal(one, correction, now) for one in _standing(affected)]
        if withdrawn:
            chain.append(withdrawn, now)
        SourceCorrection.objects.filter(pk=correction.pk).update(listed_at=now)
        details = {
            "correction": correction.pk,
            "model": correction.model,
            "source": correction.source,
            "status": correction.status,
            "predictions": len(affected),
            "band_changes": sum(one.band_changed for one in affected),
            "withdrawn": len(withdrawn),
            "found": {str(one.prediction_id): affected_digest(one) for one in affected},
        }
        audit.note("sources.affected", MONITORING, details, now)


def affected_first(model: str) -> QuerySet[AffectedPrediction]:
    """Return what is affected: open before acknowledged, band changes first, then the newest."""
    found = AffectedPrediction.objects.filter(correction__model=model)
    return found.select_related("correction", "prediction").order_by(
        F("acknowledged_at").asc(nulls_first=True),
        "-band_changed",
        "-prediction__predicted_at",
        "pk",
    )


def open_of(model: str) -> QuerySet[AffectedPrediction]:
    """Return what nobody has acknowledged yet."""
    return AffectedPrediction.objects.filter(correction__model=model, acknowledged_at=None)


def acknowledge(model: str, chosen: Sequence[int], *, by: str, because: str, now: datetime) -> int:
    """Note that somebody has seen to affected predictions; return how many were still open.

    Raises RecordError without a reason, and where none of them is open.
    """
    if not because.strip():
        raise RecordError("say what was done about the affected predictions")
    with transaction.atomic():
        still_open = open_of(model).select_for_update(of=("self",)).filter(pk__in=list(chosen))
        found = dict(still_open.order_by("pk").values_list("pk", "prediction_id"))
        if not found:
            raise RecordError("none of these predictions is open any more")
        open_of(model).filter(pk__in=list(found)).update(acknowledged_by=by, acknowledged_at=now)
        details = {
            "model": model,
            "affected": list(found),
            "predictions": [str(one) for one in found.values()],
            "because": because,
        }
        audit.note("sources.acknowledged", by, details, now)
    return len(found)


def _is_known(model: str, one: Correction) -> bool:
    """Say whether the last report on a source and feature says the same."""
    last = (
        SourceCorrection.objects.filter(model=model, source=one.source, feature=one.feature)
        .order_by("-pk")
        .first()
    )
    return last is not None and (last.status, last.value) == (one.status, one.value)


def _standing(affected: Sequence[AffectedPrediction]) -> Iterator[AffectedPrediction]:
    """Yield those whose prediction isn't amended or withdrawn already."""
    keys = [one.prediction_id for one in affected]
    gone = set(
        Amendment.objects.filter(prediction__in=keys).values_list("prediction_id", flat=True)
    )
    yield from (one for one in affected if one.prediction_id not in gone)


def _withdrawal(
    one: AffectedPrediction, correction: SourceCorrection, now: datetime
) -> AmendmentRow:
    return AmendmentRow(
        prediction=one.prediction_id,
        status=IN_ERROR,
        replacement=None,
        source=correction.source,
        recorded_at=now,
        client=MONITORING,
        is_test=False,
    )
