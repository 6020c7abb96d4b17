"""Recorded predictions of the made-up model, with what became of them."""

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd

from models.definition import Definition
from models.encoding import encode_table
from records.models import Outcome, Prediction
from training.cohort import input_features

FIRST = datetime(2025, 1, 1, 9, tzinfo=UTC)


def record(
    definition: Definition,
    frame: pd.DataFrame,
    *,
    artefact_digest: str = "a" * 64,
    first: datetime = FIRST,
    hours: float = 6,
    **fields: Any,
) -> list[Prediction]:
    """Write a prediction for each row, one every so many hours, with changes."""
    values = {name: frame[name].to_numpy() for name in input_features(definition)}
    vectors = encode_table(definition, values)
    made = []
    for row, vector in enumerate(vectors):
        at = first + row * timedelta(hours=hours)
        given = {
            "version": "1",
            "patient": f"{frame['patient_id'].iloc[row]:>064}",
            "predicted_at": at,
            "recorded_at": at,
            **fields,
        }
        made.append(
            Prediction(
                model=definition.name,
                definition_digest="d" * 64,
                artefact_digest=artefact_digest,
                client="client",
                protocol="json",
                features={name: _plain(column[row]) for name, column in values.items()},
                vector=vector.astype("<f8").tobytes(),
                contributions=b"",
                base=0.0,
                margin=0.0,
                risk=0.5,
                band="low",
                input_digest="b" * 64,
                **given,
            )
        )
    return Prediction.objects.bulk_create(made)


def report(
    definition: Definition,
    predictions: list[Prediction],
    frame: pd.DataFrame,
    *,
    by_patient: bool = False,
    **fields: Any,
) -> None:
    """Report each row's outcome: on its last day of follow-up, or after day 15, or at day 40."""
    days = (
        frame["follow_up_days"]
        if "follow_up_days" in frame
        else frame["outcome"].map({1: 15.0, 0: 40.0})
    )
    Outcome.objects.bulk_create(
        Outcome(
            prediction=None if by_patient else one,
            patient=one.patient if by_patient else "",
            model=definition.name,
            happened=bool(happened),
            known_at=one.predicted_at + timedelta(days=float(day)),
            client="client",
            **{"reported_at": one.predicted_at + timedelta(days=41), **fields},
        )
        for one, happened, day in zip(predictions, frame["outcome"], days, strict=True)
    )


def _plain(value: Any) -> Any:
    if value is None or (isinstance(value, float) and np.isnan(value)):
        return None
    return value if isinstance(value, str) else float(value)
