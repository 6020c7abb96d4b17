"""What is known of a model's predictions afterwards: the latest report of each outcome."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from typing import Any, Final
from uuid import UUID

import numpy as np
from django.db.models import QuerySet
from numpy.typing import NDArray

from records.answers import Moment, raw_rows, times
from records.models import Outcome

# above this share of unreported outcomes nothing is claimed or learnt: unreported is not censored
LARGEST_UNREPORTED: Final = 0.05
ROWS_AT_ONCE = 20_000
ONE_DAY = timedelta(days=1)
Report = tuple[datetime, bool]
Times = NDArray[np.datetime64]
Flags = NDArray[np.bool_]
Keys = NDArray[np.bytes_]
NEVER = np.datetime64("NaT", "us")


@dataclass(frozen=True, eq=False)
class Reports:
    """The latest report on each subject: `keys` are sorted, the others (n,) in their order.

    A report is when the event was, or the end of follow-up where none happened, and whether it
    did. Contradictory reports stay recorded; the latest counts.
    """

    keys: Keys
    known_at: Times
    happened: Flags

    def of(self, keys: Keys) -> tuple[Times, Flags]:
        """Return what was reported on some subjects, (n,) each: when, NaT where nothing, and if."""
        known_at, happened = np.full(len(keys), NEVER), np.zeros(len(keys), dtype=np.bool_)
        if self.keys.size:
            place = np.minimum(np.searchsorted(self.keys, keys), self.keys.size - 1)
            found = self.keys[place] == keys
            known_at[found] = self.known_at[place[found]]
            happened[found] = self.happened[place[found]]
        return known_at, happened


@dataclass(frozen=True, eq=False)
class FollowUp:
    """The latest report of each prediction by its id, and of each patient by the pseudonym."""

    predictions: Reports
    patients: Reports

    def of(self, prediction: UUID, patient: str, predicted_at: datetime) -> Report | None:
        """Return what is known of one prediction; see `of_all`."""
        (known_at,), (happened,) = self.of_all(
            prediction_keys([prediction]), [patient], times([predicted_at])
        )
        moment: datetime | None = known_at.astype(object)
        return None if moment is None else (moment.replace(tzinfo=UTC), bool(happened))

    def of_all(
        self, keys: Keys, patients: Sequence[str], predicted_at: Times
    ) -> tuple[Times, Flags]:
        """Return what is known of some predictions, (n,) each: when, NaT where nothing is, and if.

        Nothing that was before a prediction says anything of it.
        """
        known_at, happened = self.predictions.of(keys)
        return by_patient(self.patients, patient_keys(patients), predicted_at, known_at, happened)


def by_patient(
    reports: Reports, patients: Keys, predicted_at: Times, known_at: Times, happened: Flags
) -> tuple[Times, Flags]:
    """Complete what is known of predictions by reports on their patients; see `FollowUp.of_all`."""
    of_patient, did = reports.of(patients)
    others = np.isnat(known_at)
    known_at, happened = np.where(others, of_patient, known_at), np.where(others, did, happened)
    before = known_at < predicted_at
    known_at[before], happened[before] = NEVER, False
    return known_at, happened


def follow_up(model: str, known_by: datetime | None = None) -> FollowUp:
    """Read every report of a model's outcomes, or all that were made by a time."""
    named = reports_of(model, known_by).filter(prediction__isnull=False)
    return FollowUp(
        _latest(named, "prediction_id", prediction_keys), patient_reports(model, known_by)
    )


def patient_reports(model: str, known_by: datetime | None = None) -> Reports:
    """Read the reports of a model's outcomes that name a patient and no prediction."""
    others = reports_of(model, known_by).filter(prediction__isnull=True).exclude(patient="")
    return _latest(others, "patient", patient_keys)


def reports_of(model: str, known_by: datetime | None = None) -> QuerySet[Outcome]:
    """Return every report of a model's outcomes, or all that were made by a time."""
    reports = Outcome.objects.filter(model=model, is_test=False)
    return reports if known_by is None else reports.filter(reported_at__lte=known_by)


def prediction_keys(ids: Iterable[str | UUID]) -> Keys:
    """Return predictions' ids, as a database gives them, as 16 bytes each."""
    text = "".join([one if isinstance(one, str) else one.hex for one in ids])
    return np.frombuffer(bytes.fromhex(text), dtype="S16")


def patient_keys(patients: Iterable[str]) -> Keys:
    """Return a digest of each pseudonym as 16 bytes, which no two of them share."""
    digests = [blake2b(patient.encode(), digest_size=16).digest() for patient in patients]
    return np.frombuffer(b"".join(digests), dtype="S16")


def _latest(
    reports: QuerySet[Outcome], subject: str, convert: Callable[[Sequence[Any]], Keys]
) -> Reports:
    """Return the latest report on each subject, and of two at once the one recorded later."""
    moments = (Moment("reported_at"), Moment("known_at"))
    parts: list[list[NDArray[Any]]] = [
        [times(())],
        [convert(())],
        [times(())],
        [np.zeros(0, dtype=np.bool_)],
    ]
    for chunk in raw_rows(
        reports.order_by("pk").values_list(*moments, subject, "happened"), ROWS_AT_ONCE
    ):
        told, known, subjects, did = zip(*chunk, strict=True)
        found = (times(told), convert(subjects), times(known), np.array(did, dtype=np.bool_))
        for column, part in zip(parts, found, strict=True):
            column.append(part)
    order = np.argsort(_joined(parts[0]), kind="stable")
    about, known_at, happened = (_joined(column)[order] for column in parts[1:])
    # the last of equal keys is the first of them backwards
    keys, last = np.unique(about[::-1], return_index=True)
    last = known_at.size - 1 - last
    return Reports(keys, known_at[last], happened[last])


def _joined(parts: list[NDArray[Any]]) -> NDArray[Any]:
    """Return the parts as one and let go of them, so that no more than one column is held twice."""
    whole = np.concatenate(parts)
    parts.clear()
    return whole
