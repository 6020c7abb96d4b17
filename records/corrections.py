"""Source results that were corrected or entered in error, and the predictions that used them.

Such a prediction isn't right any more: listing it withdraws it, and it stays open until somebody
acknowledges it.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from django.db import transaction
from django.db.models import F, QuerySet, TextField
from django.db.models.functions import Cast

from models.corrections import IN_ERROR, Correction
from models.errors import RecordError
from records import audit, chain
from records.agreement.corrections import affected_digest
from records.answers import raw_rows
from records.models import AffectedPrediction, Amendment, Prediction, SourceCorrection
from records.rows import AmendmentRow
from records.sources import Sources, Use

MONITORING: Final = "monitoring"
ROWS_AT_ONCE = 20_000
PREDICTIONS_AT_ONCE = SOURCES_AT_ONCE = 500


def report(model: str, corrections: Iterable[Correction], *, by: str, now: datetime) -> int:
    """Record reports that aren't known yet, and note them; return how many those are."""
    given = list(dict.fromkeys(corrections))
    with transaction.atomic():
        last = _last_reports(model, list({one.source for one in given}))
        new = [
            one for one in given if last.get((one.source, one.feature)) != (one.status, one.value)
        ]
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


def users_of(model: str, sources: Iterable[str]) -> dict[str, list[UUID]]:
    """Return which predictions used each source, or may have, test clients' left out.

    A source without a version stands for all of its versions, and one that doesn't state its
    server for those of every server, as in a prediction.
    """
    found: dict[str, list[UUID]] = {source: [] for source in sources}
    for part in _uses(model, Sources(found)):
        for key, used in part:
            for source in used:
                found[source].append(key)
    return found


def count_uses(
    model: str, sources: Iterable[str], go_on: Callable[[], bool]
) -> dict[str, Use] | None:
    """Return how each source was used, or None where `go_on` ended the search before its end."""
    found = {source: Use() for source in sources}
    for part in _uses(model, Sources(found)):
        for _, used in part:
            for source, server in used.items():
                found[source].add(source, server)
        if not go_on():
            return None
    return found


def _uses(model: str, wanted: Sources) -> Iterator[list[tuple[UUID, dict[str, str]]]]:
    """Yield the predictions that used a wanted source, each with that and the server it names.

    All are looked for in one pass over the model's predictions, so that no index has to be kept
    with each of them.
    """
    rows = (
        Prediction.objects.filter(model=model, is_test=False)
        .exclude(sources=[])
        .values_list("pk", Cast("sources", TextField()))
    )
    for chunk in raw_rows(rows, ROWS_AT_ONCE):
        part = []
        for key, named in chunk:
            if used := wanted.in_json(named):
                part.append((key if isinstance(key, UUID) else UUID(key), used))
        yield part


def predictions(keys: Sequence[UUID]) -> Iterator[Prediction]:
    """Yield predictions in the order of their keys."""
    for first in range(0, len(keys), PREDICTIONS_AT_ONCE):
        chosen = keys[first : first + PREDICTIONS_AT_ONCE]
        found = Prediction.objects.in_bulk(chosen)
        yield from (found[key] for key in chosen)


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


def _last_reports(model: str, sources: Sequence[str]) -> dict[tuple[str, str], tuple[str, Any]]:
    """Return what the last report on each source and feature says, in a few statements."""
    last: dict[tuple[str, str], tuple[str, Any]] = {}
    for first in range(0, len(sources), SOURCES_AT_ONCE):
        chosen = sources[first : first + SOURCES_AT_ONCE]
        rows = SourceCorrection.objects.filter(model=model, source__in=chosen).order_by("pk")
        for source, feature, status, value in rows.values_list(
            "source", "feature", "status", "value"
        ):
            last[source, feature] = (status, value)
    return last


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
