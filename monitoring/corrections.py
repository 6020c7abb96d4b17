"""Listing the predictions that used a corrected source, scored again with what it should say."""

import csv
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from django.db.models import Count, Q

from models.amounts import counted
from models.basis import read_basis
from models.corrections import Correction, check_correction, contradictions
from models.definition import Definition
from models.errors import InputError, MalformedInput, RecordError
from models.features import assemble
from models.fhir_time import moment
from models.readings import Readings
from models.risk_model import RiskModel
from monitoring.corrected_readings import corrected_readings, recorded_readings
from records import corrections
from records.models import AffectedPrediction, Prediction, SourceCorrection
from records.sources import Sources

COLUMNS = ("source", "status", "feature", "value", "unit", "time")
MOST_FAULTS = 20
LONGEST_REASON = 300


@dataclass(frozen=True)
class Listed:
    """What one run listed: reports, predictions that they affect, and band changes.

    A prediction that several reports affect is one. Of `unscored` predictions it isn't known what
    the risk would be, or there would be none.
    """

    reports: int
    predictions: int
    band_changes: int
    unscored: int = 0

    @property
    def words(self) -> str:
        """Say how many were withdrawn, and of how many the risk would be in another band."""
        were = "was" if self.predictions == 1 else "were"
        return (
            f"{counted(self.predictions, 'prediction')} used results that were corrected or "
            f"entered in error, and {were} withdrawn: {self.band_changes:,} with another band, "
            f"{self.unscored:,} without a new risk"
        )


def read_file(path: Path, definition: Definition, now: datetime) -> list[Correction]:
    """Read a CSV of corrections whole; raise RecordError that names the faulty rows.

    Columns: `source` as predictions name it (`Observation/123`), `status` (`corrected` or
    `entered-in-error`), and optionally `feature` with its right `value`, and that one's `unit` and
    `time`, with an offset and not after `now`.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            table = csv.DictReader(file)
            unknown = set(table.fieldnames or ()) - set(COLUMNS)
            if unknown or not {"source", "status"} <= set(table.fieldnames or ()):
                raise RecordError(f"{path.name}: the columns must be {', '.join(COLUMNS)}")
            rows = list(table)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise RecordError(f"{path.name}: can't be read as CSV ({type(error).__name__})") from error
    found, faults = [], []
    for number, row in enumerate(rows, start=1):
        try:
            found.append(_correction(row, definition, now))
        except MalformedInput as error:
            faults.append(f"row {number}: {error}")
    if not faults:
        faults += [f"row {place + 1}: {error}" for place, error in contradictions(found)]
    if faults:
        raise RecordError(f"{path.name}: nothing was recorded: {'; '.join(faults[:MOST_FAULTS])}")
    return found


def list_affected(model: RiskModel, now: datetime) -> Listed:
    """List what is affected by every report that isn't listed yet, and withdraw it.

    Predictions of other versions than the model's are listed without a score. Of a report that
    only repeats one that holds, those are looked at that were recorded since that one was listed.
    """
    name = model.definition.name
    new = corrections.unlisted(name)
    if not new:
        return Listed(0, 0, 0)
    said = corrections.reported(name)
    sources = Sources({report.source for report in said})
    used: set[UUID] = set()
    changed: set[UUID] = set()
    unscored: set[UUID] = set()
    users = corrections.users_of(name, {report.source for report in new})
    seen = corrections.looked_through(new, said)
    for report in new:
        affected, until = [], seen[report.pk]
        for one in corrections.predictions(users[report.source]):
            if until is not None and one.recorded_at <= until:
                continue
            found = AffectedPrediction(correction=report, prediction=one)
            if not stays(model, found, _reports_on(one, said, sources)):
                affected.append(found)
        corrections.list_affected(report, affected, now)
        used.update(one.prediction_id for one in affected)
        changed.update(one.prediction_id for one in affected if one.band_changed)
        unscored.update(one.prediction_id for one in affected if one.corrected_risk is None)
    return Listed(len(new), len(used), len(changed), len(unscored))


def open_listings(model: str) -> list[tuple[datetime, Listed]]:
    """Return what was listed at each time, the oldest first, as far as not all is acknowledged.

    Only reports that affect a prediction count.
    """
    found = AffectedPrediction.objects.filter(correction__model=model)
    by_time = found.values("correction__listed_at").annotate(
        reports=Count("correction", distinct=True),
        predictions=Count("prediction", distinct=True),
        band_changes=Count("prediction", distinct=True, filter=Q(band_changed=True)),
        unscored=Count("prediction", distinct=True, filter=Q(corrected_risk=None)),
        still_open=Count("pk", filter=Q(acknowledged_at=None)),
    )
    return [
        (at, Listed(row["reports"], row["predictions"], row["band_changes"], row["unscored"]))
        for row in by_time.filter(still_open__gt=0).order_by("correction__listed_at")
        if (at := row["correction__listed_at"]) is not None
    ]


def _correction(row: dict[str, Any], definition: Definition, now: datetime) -> Correction:
    cells = {name: (row.get(name) or "").strip() for name in COLUMNS}
    value: float | str | None = cells["value"] or None
    feature = definition.by_name.get(cells["feature"])
    if value is not None and feature is not None and feature.kind == "numeric":
        with suppress(ValueError):
            value = float(value)
    taken_at = _time(cells["time"], now) if cells["time"] else None
    if taken_at is not None and value is None:
        raise _bad_time("needs a value that was true then")
    found = Correction(cells["source"], cells["status"], cells["feature"], value, taken_at=taken_at)
    return check_correction(found, definition, cells["unit"] or None)


def _time(text: str, now: datetime) -> datetime:
    taken_at = moment(text, "time")
    if taken_at is None:
        raise _bad_time("has no time of day; give one, such as 2026-01-05T10:15:00Z")
    if taken_at > now:
        raise _bad_time(f"{taken_at.isoformat()} is later than now")
    return taken_at


def _bad_time(words: str) -> MalformedInput:
    return MalformedInput(f"time {words}", field="time", reason="bad_time")


def _reports_on(
    one: Prediction, said: Sequence[SourceCorrection], sources: Sources
) -> dict[str, list[SourceCorrection]]:
    """Return by source the reports that hold of a prediction, as far as they came after it."""
    named = sources.among([*one.sources, *one.unused])
    said_of_it = (
        report
        for report in said
        if report.source in named
        and (report.listed_at is None or one.recorded_at <= report.listed_at)
    )
    return corrections.holding(said_of_it, whose=True)


def stays(
    model: RiskModel, found: AffectedPrediction, held: dict[str, list[SourceCorrection]]
) -> bool:
    """Say whether a prediction stays right; if not, note what it would have been, or why not."""
    one, definition = found.prediction, model.definition
    try:
        readings = _readings(model, one, held)
    except RecordError as error:
        found.no_score = f"{error}; a new prediction is needed"[:LONGEST_REASON]
        return False
    try:
        features = assemble(definition, readings, one.predicted_at)
    except InputError as error:
        found.no_score, found.band_changed = str(error)[:LONGEST_REASON], True
        return False
    if dict(features.values) == one.features:
        return True
    if one.version != model.version:
        found.no_score = f"made by version {one.version}, {model.version} is in use"
        return False
    risk = float(model.scorer.explain(features.vector).risk)
    found.corrected_risk = risk
    found.corrected_band = definition.band(risk).name
    found.band_changed = found.corrected_band != one.band
    return False


def _readings(
    model: RiskModel, one: Prediction, held: dict[str, list[SourceCorrection]]
) -> Readings:
    """Return a prediction's readings as reported now; raise RecordError where they aren't known."""
    definition, basis = model.definition, read_basis(one.basis)
    if basis is None:
        raise RecordError("its readings weren't recorded")
    if one.definition_digest != model.definition_digest:
        raise RecordError(f"made by version {one.version}, of another definition")
    recorded = recorded_readings(definition, basis, one.features)
    try:
        same = dict(assemble(definition, recorded, one.predicted_at).values) == one.features
    except InputError:
        same = False
    if not same:
        raise RecordError("its recorded readings don't give its values again")
    return corrected_readings(definition, basis, recorded, held)
