"""Source results that were corrected or entered in error, and the predictions that used them.

Such a prediction isn't right any more: listing it withdraws it, and it stays open until somebody
acknowledges it.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import fields
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
from records.rows import AmendmentRow, sql_time
from records.sources import Sources, Use

MONITORING: Final = "monitoring"
ROWS_AT_ONCE = 20_000
PREDICTIONS_AT_ONCE = SOURCES_AT_ONCE = 500
_RESOURCE: Final = " resource"  # no feature is called so


def report(model: str, corrections: Iterable[Correction], *, by: str, now: datetime) -> int:
    """Record reports that aren't known yet, and note them; return how many those are.

    One whose predictions are listed already says more: those since may have used the source too.
    """
    given = list(dict.fromkeys(corrections))
    with transaction.atomic():
        known = _waiting(model, list({one.source for one in given}))
        # of a resource either all is known or all is new: a feature may have gone from it
        resources: dict[str, set[Correction]] = {one.source: set() for one in given if one.whole}
        for one in given:
            if one.source in resources:
                resources[one.source].add(one)
        new = [
            one
            for one in given
            if not resources.get(one.source, {one}) <= known.get(one.source, set())
        ]
        SourceCorrection.objects.bulk_create(
            SourceCorrection(model=model, reported_at=now, by=by, **vars(one)) for one in new
        )
        if new:
            details = {"model": model, "corrections": [noted(one) for one in new]}
            audit.note("sources.corrected", by, details, now)
    return len(new)


def noted(report: Correction) -> dict[str, Any]:
    """Return a report as the audit chain notes it."""
    said = vars(report)
    if not report.whole:
        said = {name: said[name] for name in ("source", "status", "feature", "value")}
        if report.taken_at is None:
            return said
    return said | {"taken_at": None if report.taken_at is None else sql_time(report.taken_at)}


def holding(
    reports: Iterable[SourceCorrection], *, whose: bool = False
) -> dict[str, list[SourceCorrection]]:
    """Return by source which of its reports hold, from all of them, the oldest first.

    One of another status takes the place of all before it, and so does a later one that is the
    whole resource or says no value; else the last holds of each feature. With `whose`, a whole
    resource of which a later report says another value only comes first: its patient and its time
    are still known from it.
    """
    found: dict[str, dict[str, SourceCorrection]] = {}
    for one in reports:
        before = found.setdefault(one.source, {})
        last = next(reversed(before.values()), one)
        is_later = one.reported_at != last.reported_at
        if one.status != last.status or (is_later and (one.whole or not one.feature)):
            before.clear()
        superseded = [before.pop("", None) if is_later else None, before.pop(one.feature, None)]
        resource = next((old for old in superseded if old is not None and old.whole), None)
        if whose and resource is not None and not one.whole:
            before[_RESOURCE] = resource
        before[one.feature] = one
    return {source: list(held.values()) for source, held in found.items()}


def reported(model: str) -> list[SourceCorrection]:
    """Return all reports on a model's sources, the oldest first."""
    return list(SourceCorrection.objects.filter(model=model).order_by("pk"))


def unlisted(model: str) -> list[SourceCorrection]:
    """Return the reports whose predictions aren't listed yet, the oldest first."""
    return list(SourceCorrection.objects.filter(model=model, listed_at=None).order_by("pk"))


def looked_through(
    reports: Iterable[SourceCorrection], said: Sequence[SourceCorrection]
) -> dict[int, datetime | None]:
    """Return by when predictions were recorded of which a report's repetition says nothing new.

    That is when it was listed before, if it held still; None where it says something new. By key;
    `said` are all reports, the oldest first.
    """
    of_source: dict[str, list[SourceCorrection]] = {}
    for one in said:
        of_source.setdefault(one.source, []).append(one)
    found: dict[int, datetime | None] = {}
    for report in reports:
        told = of_source[report.source]
        at_once = [report]
        if report.whole:  # of a resource either all is known or all is new
            at_once = [one for one in told if one.reported_at == report.reported_at]
        before = [one for one in told if one.pk < at_once[0].pk]
        held = {_said(one): one.listed_at for one in holding(before).get(report.source, ())}
        repeated = {_said(one) for one in at_once} <= set(held)
        found[report.pk] = held[_said(report)] if repeated else None
    return found


def users_of(model: str, sources: Iterable[str]) -> dict[str, list[UUID]]:
    """Return which predictions were given each source, or may have been, test clients' left out.

    One that was left out of a prediction may count in it once it's corrected.

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
    """Return in what predictions each source is, or None where `go_on` ended the search early."""
    found = {source: Use() for source in sources}
    for part in _uses(model, Sources(found)):
        for _, used in part:
            for source, server in used.items():
                found[source].add(source, server)
        if not go_on():
            return None
    return found


def _uses(model: str, wanted: Sources) -> Iterator[list[tuple[UUID, dict[str, str]]]]:
    """Yield the predictions that got a wanted source, each with that and the server it names.

    All are looked for in one pass over the model's predictions, so that no index has to be kept
    with each of them.
    """
    rows = (
        Prediction.objects.filter(model=model, is_test=False)
        .exclude(sources=[], unused=[])
        .values_list("pk", Cast("sources", TextField()), Cast("unused", TextField()))
    )
    for chunk in raw_rows(rows, ROWS_AT_ONCE):
        part = []
        for key, *named in chunk:
            if used := wanted.in_json(*named):
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


def _waiting(model: str, sources: Sequence[str]) -> dict[str, set[Correction]]:
    """Return the reports on each source that hold and are still to be listed, in few statements."""
    known: dict[str, set[Correction]] = {}
    for first in range(0, len(sources), SOURCES_AT_ONCE):
        chosen = sources[first : first + SOURCES_AT_ONCE]
        rows = SourceCorrection.objects.filter(model=model, source__in=chosen).order_by("pk")
        for source, reports in holding(rows).items():
            known[source] = {_said(one) for one in reports if one.listed_at is None}
    return known


def _said(report: SourceCorrection) -> Correction:
    return Correction(**{one.name: getattr(report, one.name) for one in fields(Correction)})


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
