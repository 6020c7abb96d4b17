"""Listing the predictions that used a corrected source, scored again with what it should say."""

import csv
import math
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from models.corrections import CORRECTED, Correction, check_correction, contradictions
from models.definition import Definition
from models.encoding import complete_columns, encode_columns, row_faults
from models.errors import MalformedInput, RecordError
from models.risk_model import RiskModel
from records import corrections
from records.models import AffectedPrediction, Prediction, SourceCorrection

COLUMNS = ("source", "status", "feature", "value", "unit")
MOST_FAULTS = 20
# values that are the same but for what converting their unit leaves
CLOSE = 1e-9


@dataclass(frozen=True)
class Listed:
    """What one run listed: reports, predictions that used their sources, and band changes."""

    reports: int
    predictions: int
    band_changes: int


def read_file(path: Path, definition: Definition) -> list[Correction]:
    """Read a CSV of corrections whole; raise RecordError that names the faulty rows.

    Columns: `source` as predictions name it (`Observation/123`), `status` (`corrected` or
    `entered-in-error`), and optionally `feature` with its right `value`
    and that one's `unit`.
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
            found.append(_correction(row, definition))
        except MalformedInput as error:
            faults.append(f"row {number}: {error}")
    if not faults:
        faults += [f"row {place + 1}: {error}" for place, error in contradictions(found)]
    if faults:
        raise RecordError(f"{path.name}: nothing was recorded: {'; '.join(faults[:MOST_FAULTS])}")
    return found


def list_affected(model: RiskModel, now: datetime) -> Listed:
    """List what is affected by every report that isn't listed yet, and withdraw it.

    Predictions of other versions than the model's are listed without a score.
    """
    name = model.definition.name
    reports, total, changes = corrections.unlisted(name), 0, 0
    users = corrections.users_of(name, {report.source for report in reports}) if reports else {}
    for report in reports:
        affected = _affected(model, report, corrections.predictions(users[report.source]))
        corrections.list_affected(report, affected, now)
        total += len(affected)
        changes += sum(one.band_changed for one in affected)
    return Listed(len(reports), total, changes)


def _correction(row: dict[str, Any], definition: Definition) -> Correction:
    cells = {name: (row.get(name) or "").strip() for name in COLUMNS}
    value: float | str | None = cells["value"] or None
    feature = definition.by_name.get(cells["feature"])
    if value is not None and feature is not None and feature.kind == "numeric":
        with suppress(ValueError):
            value = float(value)
    found = Correction(cells["source"], cells["status"], cells["feature"], value)
    return check_correction(found, definition, cells["unit"] or None)


def _affected(
    model: RiskModel, report: SourceCorrection, used: Iterable[Prediction]
) -> list[AffectedPrediction]:
    return [_scored_again(model, report, one) for one in used if not _is_right(report, one)]


def _is_right(report: SourceCorrection, one: Prediction) -> bool:
    """Say whether a prediction used the corrected value already."""
    if report.status != CORRECTED or not report.feature:
        return False
    used, right = one.features.get(report.feature), report.value
    if isinstance(used, float | int) and isinstance(right, float | int):
        return math.isclose(used, right, rel_tol=CLOSE)
    return bool(used == right)


def _scored_again(
    model: RiskModel, report: SourceCorrection, one: Prediction
) -> AffectedPrediction:
    """Return what a prediction would have been; another feature than the report's stays."""
    found = AffectedPrediction(correction=report, prediction=one)
    if one.version != model.version:
        found.no_score = f"made by version {one.version}, {model.version} is in use"
    elif not report.feature:
        found.no_score = "the report names no feature"
    else:
        _score(model, found, {**one.features, report.feature: report.value})
    return found


def _score(model: RiskModel, found: AffectedPrediction, features: dict[str, Any]) -> None:
    definition = model.definition
    columns = {
        feature.name: np.array(
            [np.nan if features[feature.name] is None else features[feature.name]]
            if feature.kind == "numeric"
            else [features[feature.name]],
            dtype=np.float64 if feature.kind == "numeric" else object,
        )
        for feature in definition.features
    }
    table = complete_columns(definition, columns)
    fault = next(row_faults(definition, table), None)
    if fault is not None:
        found.no_score = fault.words[:300]
        found.band_changed = True
        return
    risk = float(model.scorer.explain_batch(encode_columns(definition, table)).risk[0])
    found.corrected_risk = risk
    found.corrected_band = definition.band(risk).name
    found.band_changed = found.corrected_band != found.prediction.band
