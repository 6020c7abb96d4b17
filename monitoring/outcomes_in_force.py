"""Which reports of a file of outcomes say something else than what holds, and which of it can't be.

Of the reports that name a prediction the one recorded last holds, whatever time it is of. Those
that name a patient hold beside each other, but for an event that a later report takes back by
saying that there was none within the same horizon (see `records.follow_up.Reports.within`).
"""

from collections.abc import Iterable, Iterator, Sequence, Set
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise
from typing import TypeVar
from uuid import UUID

from django.db.models import QuerySet

from records.models import Outcome

AT_ONCE = 500
Row = TypeVar("Row")
# when the event was or follow-up ended, and whether there was one; and this as it was recorded when
Told = tuple[datetime, bool]
Recorded = tuple[datetime, Told]


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


@dataclass(frozen=True)
class New:
    """What a file says that doesn't hold yet, in the order in which it is to be recorded.

    `taken_back` counts the events of patients that were reported before and hold no longer.
    """

    reports: tuple[Report, ...]
    taken_back: int


def not_in_force(model: str, is_test: bool, reports: Sequence[Report], horizon: timedelta) -> New:
    """Return the reports that aren't in force already, each once.

    What a prediction's last report says is in force where the one recorded last says the same; the
    others of the file are then known with it. What is said of a patient is in force until something
    that contradicts it is recorded. Those without an event come first, since of one patient a later
    report of none within a horizon takes an event back, and rows of one file aren't later.
    """
    new: list[Report] = []
    taken_back = 0
    recorded = _recorded(Outcome.objects.filter(model=model, is_test=is_test), reports)
    for about in _by_subject(reports):
        once = sorted(set(about), key=lambda one: one.told)
        told = recorded.get(once[0].prediction or once[0].patient, [])
        if once[0].prediction is None:
            chosen = new_of_a_patient(once, told, horizon)
            taken_back += _taken_back(chosen, told, horizon)
        else:
            chosen = _of_prediction(once, told)
        new += chosen
    new.sort(key=lambda one: (one.happened, one.known_at, one.number))
    return New(tuple(new), taken_back)


def _of_prediction(about: Sequence[Report], told: Sequence[Recorded]) -> list[Report]:
    """Return what is new of a prediction's reports, in order of time, nothing if the last holds."""
    *others, last = about
    said = [one for _, one in told]
    if said and said[-1] == last.told:
        return []
    return [*(one for one in others if one.told not in said), last]


def new_of_a_patient(
    about: Sequence[Report], told: Sequence[Recorded], horizon: timedelta
) -> list[Report]:
    """Return what is new of a patient's reports, with the events that these would take back."""
    own = {one.told for one in about if one.happened}
    new = [one for one in about if not _is_in_force(one.told, told, horizon, besides=own)]
    denied = (
        one
        for one in about
        if one not in new and any(_denies(other.told, one.told, horizon) for other in new)
    )
    return [*new, *denied]


def _is_in_force(
    one: Told, told: Sequence[Recorded], horizon: timedelta, besides: Set[Told] = frozenset()
) -> bool:
    """Whether a report on a patient was recorded, and nothing since that takes it back.

    Events `besides` it, of its own file, aren't held against follow-up that ends after them.
    """
    when = [at for at, other in told if other == one]
    since = (other for at, other in told if when and at > when[-1])
    return bool(when) and not any(
        _denies(other, one, horizon) or (other not in besides and _denies(one, other, horizon))
        for other in since
    )


def _taken_back(new: Sequence[Report], told: Sequence[Recorded], horizon: timedelta) -> int:
    """Count the events that were told of a patient and that new reports deny."""
    said = {one.told for one in new}
    events = {one for _, one in told if one not in said and _is_in_force(one, told, horizon)}
    return sum(any(_denies(one, event, horizon) for one in said) for event in events)


def _denies(none: Told, event: Told, horizon: timedelta) -> bool:
    """Whether one says that there was no event, by a time within a horizon that has the other's."""
    (until, no), (at, did) = none, event
    return did and not no and at <= until <= at + horizon


def parts(rows: Sequence[Row]) -> Iterator[Sequence[Row]]:
    """Yield rows as many at once as a database takes."""
    for start in range(0, len(rows), AT_ONCE):
        yield rows[start : start + AT_ONCE]


def _by_subject(reports: Iterable[Report]) -> Iterable[list[Report]]:
    found: dict[UUID | str, list[Report]] = {}
    for one in reports:
        found.setdefault(one.prediction or one.patient, []).append(one)
    return found.values()


def _recorded(
    outcomes: QuerySet[Outcome], reports: Sequence[Report]
) -> dict[UUID | str, list[Recorded]]:
    """Return all that was told of some reports' predictions and patients, of each in its order."""
    found: dict[UUID | str, list[Recorded]] = {one.prediction or one.patient: [] for one in reports}
    named = [one for one in found if isinstance(one, UUID)]
    # no index has reports by patient, so that these are read once
    several = [outcomes.filter(prediction__in=part) for part in parts(named)]
    if len(named) < len(found):
        several.append(outcomes.filter(prediction=None))
    columns = ("prediction_id", "patient", "reported_at", "known_at", "happened")
    for chosen in several:
        for key, patient, at, *told in chosen.values_list(*columns).order_by("pk").iterator():
            about = found.get(key or patient)
            if about is not None:
                about.append((at, (told[0], told[1])))
    for about in found.values():
        about.sort(key=lambda one: one[0])
    return found
