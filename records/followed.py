"""A version's predictions with what became of each, joined by the database, part by part."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import numpy as np
from django.db.models import FilteredRelation, Q
from numpy.typing import NDArray

from records.answers import ROWS_AT_ONCE, Moment, objects, raw_rows, times
from records.follow_up import (
    NEVER,
    Flags,
    Keys,
    Reports,
    Times,
    completed,
    patient_keys,
    patient_reports,
)
from records.models import Prediction

COLUMNS = ("patient", "site", "shown", "risk")
Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class FollowedRows:
    """Predictions in order of prediction time, as columns of (n,).

    `patient` has a key for each pseudonym, and one of its own for a prediction without any.
    `known_at` is when the event was, or the end of follow-up where none happened, NaT where nothing
    was reported. `vector` holds the recorded input vectors, if they were asked for.
    """

    predicted_at: Times
    patient: Keys
    site: NDArray[np.object_]
    shown: Flags
    risk: Floats
    known_at: Times
    happened: Flags
    vector: tuple[bytes, ...]


def followed(
    model: str,
    version: str,
    horizon: timedelta,
    *,
    vectors: bool = False,
    rows: int = ROWS_AT_ONCE,
) -> Iterator[FollowedRows]:
    """Yield a version's predictions with what is reported of them, by id or patient and horizon.

    Test clients' are left out. Each part has about so many rows at most, and the reports that name
    a prediction are joined by the database, so memory doesn't grow with either; of those that name
    only a patient, some 25 bytes each are held. What is known is that of `FollowUp.of_all`.
    """
    reports = patient_reports(model)
    # not by model, which is the prediction's: SQLite would read all of a model's reports for each
    told = Q(outcome__is_test=False)
    names = [*COLUMNS, "vector"] if vectors else COLUMNS
    columns = (
        Prediction.objects.filter(model=model, version=version, is_test=False)
        .annotate(report=FilteredRelation("outcome", condition=told))
        .order_by("predicted_at", "id", "report__reported_at", "report__id")
        .values_list(
            "id", Moment("predicted_at"), Moment("report__known_at"), "report__happened", *names
        )
    )
    for chunk in _whole(raw_rows(columns, rows)):
        # of a prediction's reports the latest is the last
        yield _columns(list({row[0]: row for row in chunk}.values()), reports, horizon)


def _whole(chunks: Iterable[list[tuple[Any, ...]]]) -> Iterator[list[tuple[Any, ...]]]:
    """Divide rows elsewhere, so that all rows of a prediction are in one part."""
    held: list[tuple[Any, ...]] = []
    for chunk in chunks:
        rows = held + chunk
        cut = len(rows)
        while cut and rows[cut - 1][0] == rows[-1][0]:
            cut -= 1
        held = rows[cut:]
        if cut:
            yield rows[:cut]
    if held:
        yield held


def _columns(rows: list[tuple[Any, ...]], reports: Reports, horizon: timedelta) -> FollowedRows:
    ids, moments, known, did, patients, sites, shown, risk, *vector = zip(*rows, strict=True)
    predicted_at = times(moments)
    known_at: Times = np.full(len(rows), NEVER)
    told = np.array([one is not None for one in known])
    known_at[told] = times([one for one in known if one is not None])
    # None, where nothing was reported, is false
    happened: Flags = np.array(did, dtype=np.bool_)
    named = (patient or str(id_) for patient, id_ in zip(patients, ids, strict=True))
    keys = patient_keys(named)
    of_patients = reports.within(keys, predicted_at, horizon)
    known_at, happened = completed(predicted_at, known_at, happened, of_patients)
    return FollowedRows(
        predicted_at,
        keys,
        objects(sites),
        np.array(shown, dtype=np.bool_),
        np.array(risk, dtype=np.float64),
        known_at,
        happened,
        *vector or ((),),
    )
