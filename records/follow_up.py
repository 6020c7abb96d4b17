"""What is known of a model's predictions afterwards, from all reports of their outcomes."""

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
    """Reports, (n,) each: `keys` of their subjects are sorted, and of one the latest comes last.

    A report is when the event was, or the end of follow-up where none happened, and whether it
    did. Contradictory reports stay recorded; the latest counts.
    """

    keys: Keys
    known_at: Times
    happened: Flags

    def of(self, keys: Keys) -> tuple[Times, Flags]:
        """Return the latest on some subjects, (n,) each: when, NaT where nothing was, and if."""
        known_at, happened = np.full(len(keys), NEVER), np.zeros(len(keys), dtype=np.bool_)
        first, end = self._span(keys)
        told = end > first
        known_at[told] = self.known_at[end[told] - 1]
        happened[told] = self.happened[end[told] - 1]
        return known_at, happened

    def part(self, chosen: Flags) -> "Reports":
        """Return some of the reports."""
        return Reports(self.keys[chosen], self.known_at[chosen], self.happened[chosen])

    def within(self, keys: Keys, starts: Times, horizon: timedelta) -> tuple[Times, Flags]:
        """Return what is said of the horizons that start at some times, (n,) each: when, and if.

        An event within a horizon stays one, whatever is said of later: only a later report that
        none had happened takes it back, as of its time or of one from it to the horizon's end.
        Without such an event the latest report counts of those that aren't of before the start.
        """
        known_at, happened = np.full(len(keys), NEVER), np.zeros(len(keys), dtype=np.bool_)
        # until when, within the horizon, a later report than those still to be read denies events
        denied = np.full(len(keys), NEVER)
        first, end = self._span(keys)
        ends = starts + np.timedelta64(horizon)
        rows = np.flatnonzero(end > first)
        back = 1
        while rows.size:
            at, did = self.known_at[end[rows] - back], self.happened[end[rows] - back]
            inside = (at >= starts[rows]) & (at <= ends[rows])
            event = did & inside & ~(at <= denied[rows])
            counts = event | (np.isnat(known_at[rows]) & (at >= starts[rows]))
            known_at[rows[counts]], happened[rows[counts]] = at[counts], did[counts]
            denies = inside & ~did
            denied[rows[denies]] = np.fmax(denied[rows[denies]], at[denies])
            back += 1
            rows = rows[~event & (end[rows] - back >= first[rows])]
        return known_at, happened

    def _span(self, keys: Keys) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Return where the reports on some subjects begin and end, (n,) each."""
        return np.searchsorted(self.keys, keys), np.searchsorted(self.keys, keys, side="right")


@dataclass(frozen=True, eq=False)
class FollowUp:
    """The reports on predictions by their ids, and on patients by the pseudonym and the horizon."""

    predictions: Reports
    patients: Reports
    horizon: timedelta

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

        Nothing that was before a prediction says anything of it. One without a report of its own
        has what is said of its patient within its horizon (see `Reports.within`).
        """
        known_at, happened = self.predictions.of(keys)
        of_patients = self.patients.within(patient_keys(patients), predicted_at, self.horizon)
        return completed(predicted_at, known_at, happened, of_patients)


def completed(
    predicted_at: Times, known_at: Times, happened: Flags, of_patients: tuple[Times, Flags]
) -> tuple[Times, Flags]:
    """Complete what is known of predictions by reports on their patients; see `FollowUp.of_all`."""
    of_patient, did = of_patients
    others = np.isnat(known_at)
    known_at, happened = np.where(others, of_patient, known_at), np.where(others, did, happened)
    before = known_at < predicted_at
    known_at[before], happened[before] = NEVER, False
    return known_at, happened


def follow_up(model: str, horizon: timedelta, known_by: datetime | None = None) -> FollowUp:
    """Read every report of a model's outcomes, or all that were made by a time."""
    named = reports_of(model, known_by).filter(prediction__isnull=False)
    predictions = _read(named, "prediction_id", prediction_keys)
    return FollowUp(_latest(predictions), patient_reports(model, known_by), horizon)


def patient_reports(model: str, known_by: datetime | None = None) -> Reports:
    """Read the reports of a model's outcomes that name a patient and no prediction."""
    others = reports_of(model, known_by).filter(prediction__isnull=True).exclude(patient="")
    return _read(others, "patient", patient_keys)


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


def _read(
    reports: QuerySet[Outcome], subject: str, convert: Callable[[Sequence[Any]], Keys]
) -> Reports:
    """Return the reports on each subject, and of two at once the one recorded later as the later.

    Of those of one subject and time the latest stands for all.
    """
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
    order = np.argsort(about, kind="stable")
    every = Reports(about[order], known_at[order], happened[order])
    return every.part(~_repeated(every))


def _repeated(reports: Reports) -> Flags:
    """Say which reports another of the same subject and time comes after, (n,)."""
    same = reports.keys[1:] == reports.keys[:-1]
    # most subjects have one report, and sorting by both takes long
    several = np.flatnonzero(np.append(same, False) | np.insert(same, 0, False))
    keys, known_at = reports.keys[several], reports.known_at[several]
    alike = np.lexsort((known_at, keys))
    keys, known_at = keys[alike], known_at[alike]
    again = (keys[1:] == keys[:-1]) & (known_at[1:] == known_at[:-1])
    repeated = np.zeros(reports.keys.size, dtype=np.bool_)
    repeated[several[alike[:-1][again]]] = True
    return repeated


def _latest(reports: Reports) -> Reports:
    """Return the last report on each subject alone."""
    last = np.append(reports.keys[1:] != reports.keys[:-1], True)[: reports.keys.size]
    return reports.part(last)


def _joined(parts: list[NDArray[Any]]) -> NDArray[Any]:
    """Return the parts as one and let go of them, so that no more than one column is held twice."""
    whole = np.concatenate(parts)
    parts.clear()
    return whole
