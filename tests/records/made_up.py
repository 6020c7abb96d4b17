"""Made-up records."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import numpy as np

from records.rows import OutcomeRow, PredictionRow, RefusalRow

NOW = datetime(2026, 3, 1, 12, 30, 15, 250_000, UTC)


def prediction(**changes: Any) -> PredictionRow:
    """A prediction of a model of three features, with changes."""
    values: dict[str, Any] = {
        "id": uuid4(),
        "model": "sepsis",
        "version": "3",
        "definition_digest": "d" * 64,
        "artefact_digest": "a" * 64,
        "patient": "p" * 64,
        "client": "0123456789abcdef",
        "is_test": False,
        "protocol": "json",
        "site": "",
        "predicted_at": NOW,
        "recorded_at": NOW,
        "status": "final",
        "shown": True,
        "features": {"lactate": 2.5, "age": 71.0, "sex": None},
        "vector": np.array([2.5, 71.0, np.nan], "<f8").tobytes(),
        "contributions": np.array([0.25, -0.5, 0.0], "<f8").tobytes(),
        "base": -1.25,
        "margin": -1.5,
        "risk": 0.1824255238063563,
        "band": "low",
        "findings": [{"feature": "sex", "kind": "missing", "reason": "missing", "words": "Sex"}],
        "sources": ["Observation/1"],
        "input_digest": "e" * 64,
    }
    return PredictionRow(**values | changes)


def refusal(**changes: Any) -> RefusalRow:
    """A refusal, with changes."""
    values: dict[str, Any] = {
        "model": "sepsis",
        "version": "3",
        "client": "0123456789abcdef",
        "is_test": False,
        "protocol": "json",
        "predicted_at": NOW,
        "recorded_at": NOW,
        "field": "lactate",
        "reason": "unknown_unit",
    }
    return RefusalRow(**values | changes)


def outcome(of: UUID | None, **changes: Any) -> OutcomeRow:
    """The outcome of a prediction, with changes."""
    values: dict[str, Any] = {
        "prediction": of,
        "model": "sepsis",
        "patient": "p" * 64,
        "happened": True,
        "known_at": NOW,
        "reported_at": NOW,
        "client": "0123456789abcdef",
        "is_test": False,
    }
    return OutcomeRow(**values | changes)
