"""Which reports of a file of outcomes say something else than what holds, and which of it can't be.

Of the reports that name a prediction the one recorded last holds, whatever time it is of; of those
that name a patient, the last of each time.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from typing import TypeVar
from uuid import UUID

from records.models import Outcome

AT_ONCE = 500
Row = TypeVar("Row")
Told = tuple[datetime, bool]


@dataclass(frozen=True)
class Report:
    """One row of the file: whose outcome, what, and the time by which it counts."""

    number: int = field(compare=False)
    prediction: UUID | None
    patient: str
    happened: bool
    known_at: datetime

    @property
    def told(self) -> Told:
        """Return what it says."""
        return self.known_at, self.happened


def contradictions(reports: Sequence[Report]) -> Iterator[str]:
    """Yield which rows can't both hold: a file has no order by which one of them is the later.

    Follow-up without an event may end with one; after a prediction's event there is none.
    """
    for about in _by_subject(reports):
        ordered = sorted(set(about), key=lambda one: one.told)
        for one, other in pairwise(ordered):
            after_event = one.prediction is not None and one.happened
            if after_event or one.known_at == other.known_at:
                first, second = sorted((one.number, other.number))
                whose = "patient" if one.prediction is None else "prediction"
                yield (
                    f"rows {first} and {second} contradict each other on one {whose}: keep the "
                    "one that holds"
                )


def not_in_force(model: str, is_test: bool, reports: Sequence[Report]) -> list[Report]:
    """Return the reports that aren't in force already, each once, in the order of their times.

    What a prediction's last report says is in force where the one recorded last says the same;
    the others of the file are then known with it. One that was contradicted since is recorded anew.
    """
    new: list[Report] = []
    named = [one for one in reports if one.prediction is not None]
    for part in parts(list(_by_subject(named))):
        found = _of_predictions(model, is_test, part)
        for about in part:
            ordered = sorted(set(about), key=lambda one: one.told)
            recorded = found.get(ordered[-1].prediction, [])
            if not recorded or recorded[-1] != ordered[-1].told:
                new += [one for one in ordered[:-1] if one.told not in recorded]
                new.append(ordered[-1])
    others = list(dict.fromkeys(one for one in reports if one.prediction is None))
    for group in parts(others):
        latest = _of_patients(model, is_test, group)
        new += [one for one in group if latest.get((one.patient, one.known_at)) != one.happened]
    return sorted(new, key=lambda one: (one.known_at, one.number))


def parts(rows: Sequence[Row]) -> Iterator[Sequence[Row]]:
    """Yield rows as many at once as a database takes."""
    for start in range(0, len(rows), AT_ONCE):
        yield rows[start : start + AT_ONCE]


def _by_subject(reports: Iterable[Report]) -> Iterable[list[Report]]:
    found: dict[UUID | str, list[Report]] = {}
    for one in reports:
        found.setdefault(one.prediction or one.patient, []).append(one)
    return found.values()


def _of_predictions(
    model: str, is_test: bool, reports: Iterable[Sequence[Report]]
) -> dict[UUID | None, list[Told]]:
    """Return all that was told of some predictions, the last of each at the end."""
    rows = Outcome.objects.filter(
        model=model, is_test=is_test, prediction__in=[about[0].prediction for about in reports]
    )
    found: dict[UUID | None, list[Told]] = {}
    columns = ("prediction_id", "known_at", "happened")
    for prediction, *told in rows.order_by("reported_at", "pk").values_list(*columns):
        found.setdefault(prediction, []).append((told[0], told[1]))
    return found


def _of_patients(
    model: str, is_test: bool, reports: Iterable[Report]
) -> dict[tuple[str, datetime], bool]:
    """Return what was told last of each patient and time."""
    rows = Outcome.objects.filter(
        model=model,
        is_test=is_test,
        prediction=None,
        known_at__in={one.known_at for one in reports},
    )
    columns = ("patient", "known_at", "happened")
    return {
        (patient, known_at): happened
        for patient, known_at, happened in rows.order_by("reported_at", "pk").values_list(*columns)
    }
