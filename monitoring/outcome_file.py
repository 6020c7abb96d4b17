"""A file of outcomes, CSV or Parquet: read whole and checked before anything of it is recorded.

Columns: `prediction_id`, or `patient_id` (and `patient_system`, unless one is named for all
rows); `happened` (true or false); `known_at`, the time of the event or, where none happened, of
the end of follow-up; and, where events became known later, `happened_at`, when they were.
"""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from django.db.models import Q

from models.errors import InputError, RecordError
from monitoring.outcome_table import read_rows
from monitoring.outcomes_in_force import Report, contradictions, not_in_force, parts
from records.models import Prediction
from records.pseudonym import Pseudonymiser
from records.rows import OutcomeRow

WORDS = {"true": True, "false": False, "1": True, "0": False, "yes": True, "no": False}
MOST_FAULTS = 20


@dataclass(frozen=True)
class OutcomeFile:
    """What a file holds that isn't recorded yet, how much of it is, and the file's digest.

    `after_horizon` counts its events that count as none, being dated after the horizon of every
    prediction that they are about; `without_prediction` its reports on patients for whom no
    prediction of the model was made before; `taken_back` the events of patients reported before
    that it says weren't.
    """

    rows: tuple[OutcomeRow, ...]
    known_already: int
    digest: str
    after_horizon: int
    without_prediction: int
    taken_back: int


@dataclass(frozen=True)
class Reader:
    """For which model and horizon a file is read, on whose behalf, and when."""

    model: str
    client: str
    is_test: bool
    pseudonymiser: Pseudonymiser
    system: str
    now: datetime
    horizon: timedelta

    def read(self, path: Path) -> OutcomeFile:
        """Read and check a file; raise RecordError that names the faulty rows, never a patient."""
        faults: list[str] = []
        reports = [
            report
            for number, row in enumerate(read_rows(path), start=1)
            if (report := self._report(number, row, faults)) is not None
        ]
        faults += [*contradictions(reports), *self._not_known(reports)]
        if faults:
            more = len(faults) - MOST_FAULTS
            told = "; ".join(faults[:MOST_FAULTS]) + (f"; {more} more" if more > 0 else "")
            raise RecordError(f"{path.name}: nothing was recorded: {told}")
        new = not_in_force(self.model, self.is_test, reports, self.horizon)
        rows = tuple(
            OutcomeRow(
                prediction=report.prediction,
                model=self.model,
                patient=report.patient,
                happened=report.happened,
                known_at=report.known_at,
                reported_at=self.now,
                client=self.client,
                is_test=self.is_test,
            )
            for report in new.reports
        )
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        known = len(reports) - len(rows)
        return OutcomeFile(rows, known, digest, *self._joined(reports), new.taken_back)

    def _report(self, number: int, row: dict[str, str], faults: list[str]) -> Report | None:
        try:
            happened = WORDS.get(row.get("happened", "").strip().lower())
            if happened is None:
                raise ValueError("happened must be true or false")
            known_at = _time(row.get("known_at", ""), "known_at")
            if known_at > self.now:
                raise ValueError("known_at is later than now")
            known_at = _dated(row.get("happened_at", "").strip(), happened, known_at)
            prediction, patient = self._subject(row)
        except (ValueError, InputError) as error:
            faults.append(f"row {number}: {error}")
            return None
        return Report(number, prediction, patient, happened, known_at)

    def _subject(self, row: dict[str, str]) -> tuple[UUID | None, str]:
        named, patient = row.get("prediction_id", "").strip(), row.get("patient_id", "").strip()
        if bool(named) == bool(patient):
            raise ValueError("give either a prediction_id or a patient_id")
        if not named:
            system = row.get("patient_system", "").strip() or self.system
            return None, self.pseudonymiser.pseudonym(system, patient)
        try:
            return UUID(named), ""
        except ValueError:
            raise ValueError("prediction_id is not a UUID") from None

    def _not_known(self, reports: Sequence[Report]) -> Iterator[str]:
        """Yield what is wrong with the predictions that are named."""
        named = [(one.prediction, one) for one in reports if one.prediction is not None]
        for part in parts(named):
            found = dict(
                Prediction.objects.filter(
                    pk__in=[prediction for prediction, _ in part],
                    model=self.model,
                    is_test=self.is_test,
                ).values_list("pk", "predicted_at")
            )
            for prediction, report in part:
                predicted_at = found.get(prediction)
                if predicted_at is None:
                    yield f"there is no prediction {prediction} of {self.model}"
                elif report.known_at < predicted_at:
                    yield f"the outcome is before prediction {prediction}"

    def _joined(self, reports: Sequence[Report]) -> tuple[int, int]:
        """Count events dated after the horizon of all that they are about, and reports on nothing.

        The latter are about no prediction that was made before.
        """
        late = lone = 0
        for part in parts(reports):
            named = Q(pk__in=[one.prediction for one in part if one.prediction is not None])
            of_patients = Q(patient__in={one.patient for one in part if one.patient})
            made: dict[UUID | str, list[datetime]] = {}
            for key, patient, at in Prediction.objects.filter(
                named | of_patients, model=self.model, is_test=self.is_test
            ).values_list("pk", "patient", "predicted_at"):
                made.setdefault(key, []).append(at)
                made.setdefault(patient, []).append(at)
            for one in part:
                about = made.get(one.prediction or one.patient, ())
                before = [at for at in about if at <= one.known_at]
                lone += not before
                late += one.happened and bool(before) and max(before) + self.horizon < one.known_at
        return late, lone


def record_outcomes(
    found: OutcomeFile, commit: Callable[[Sequence[Any]], None], done: Callable[[int], None]
) -> None:
    """Commit a file's rows in parts; a run that breaks off is made whole by running it again."""
    total = 0
    for part in parts(found.rows):
        commit(part)
        total += len(part)
        done(total)


def _dated(given: str, happened: bool, known_at: datetime) -> datetime:
    """Return the time by which an outcome counts: of the event, where that is given by itself."""
    if not given:
        return known_at
    if not happened:
        raise ValueError("happened_at is the time of an event, and happened is false")
    at = _time(given, "happened_at")
    if at > known_at:
        raise ValueError("happened_at is after known_at")
    return at


def _time(text: str, field: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text.strip())
        in_utc = moment.astimezone(UTC)
    except (ValueError, OverflowError):  # the first year begins later in UTC than in the east
        raise ValueError(f"{field} must be a time such as 2026-01-31T08:00:00Z") from None
    if moment.tzinfo is None:
        raise ValueError(f"{field} must say its offset from UTC")
    return in_utc
