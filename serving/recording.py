"""From an answer to the row that the records keep of it."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

import msgspec
import numpy as np

from models.basis import unused_sources
from models.definition import Status
from models.readings import Readings
from models.risk_model import RiskModel
from records.merkle import digest_of
from records.rows import OutcomeRow, PredictionRow, RefusalRow

if TYPE_CHECKING:
    from records.models import Client
    from serving.prediction import Prediction

_encoder = msgspec.json.Encoder(order="deterministic")
_REAL = np.dtype("<f8")
_FIELD_LENGTH, _REASON_LENGTH = 120, 64


def prediction_row(
    prediction: Prediction,
    readings: Readings,
    *,
    patient: str,
    site: str,
    ward: str,
    client: Client,
    protocol: str,
    basis: str = "",
) -> PredictionRow:
    """Return a prediction's row; `patient` is a pseudonym, or empty."""
    model, features = prediction.model, prediction.risk.features
    explanation = prediction.risk.explanation
    return PredictionRow(
        id=prediction.id,
        model=model.definition.name,
        version=model.version,
        definition_digest=model.definition_digest,
        artefact_digest=model.artefact_digest,
        patient=patient,
        client=client.key_id,
        is_test=client.is_test,
        protocol=protocol,
        site=site,
        predicted_at=prediction.predicted_at,
        recorded_at=prediction.recorded_at,
        status="final",
        shown=model.definition.status is not Status.SILENT,
        features=dict(features.values),
        vector=np.asarray(features.vector, _REAL).tobytes(),
        contributions=np.asarray(explanation.contributions, _REAL).tobytes(),
        base=explanation.base,
        margin=explanation.margin,
        risk=explanation.risk,
        band=prediction.risk.band.name,
        findings=[
            {"feature": one.feature, "kind": one.kind, "reason": one.reason, "words": one.words}
            for one in prediction.findings
        ],
        sources=features.sources,
        input_digest=input_digest(readings),
        ward=ward,
        codes=features.codes,
        basis=basis,
        unused=unused_sources(features.given, features.sources) if features.given else (),
    )


def refusal_row(
    model: RiskModel,
    *,
    field: str,
    reason: str,
    client: Client,
    protocol: str,
    predicted_at: datetime,
    recorded_at: datetime,
) -> RefusalRow:
    """Return the row of a request that got no score: where and why, no value, no patient."""
    return RefusalRow(
        model=model.definition.name,
        version=model.version,
        client=client.key_id,
        is_test=client.is_test,
        protocol=protocol,
        predicted_at=predicted_at,
        recorded_at=recorded_at,
        field=field[:_FIELD_LENGTH],
        reason=reason[:_REASON_LENGTH],
    )


def outcome_row(
    *,
    prediction: UUID | None,
    model: str,
    patient: str,
    happened: bool,
    known_at: datetime,
    client: Client,
    reported_at: datetime,
) -> OutcomeRow:
    """Return the row of a report of what became of a patient."""
    return OutcomeRow(
        prediction=prediction,
        model=model,
        patient=patient,
        happened=happened,
        known_at=known_at,
        reported_at=reported_at,
        client=client.key_id,
        is_test=client.is_test,
    )


def input_digest(readings: Readings) -> str:
    """Return the SHA-256 of the readings as they were given, without whose they are."""
    return digest_of(_encoder.encode(readings)).hex()
