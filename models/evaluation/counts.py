"""How many rows a group has and how many people these are: one patient may have several rows."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

from models.amounts import counted
from models.evaluation.inputs import FloatArray
from models.evaluation.suppression import (
    FEWEST_OF_EACH,
    ReportingLimits,
    assessable,
    withheld,
)

Rows = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Counts:
    """The rows of a group, and the patients whose rows they are.

    A patient with both an event and a non-event counts as one with and as one without it. A row of
    unknown outcome is neither.
    """

    n: int
    events: int
    non_events: int
    patients: int
    patients_with_event: int
    patients_without_event: int

    @property
    def people(self) -> tuple[int, int, int]:
        """The patients, those with an event and those without: by these a group is small or not."""
        return self.patients, self.patients_with_event, self.patients_without_event

    @property
    def one_row_each(self) -> bool:
        """Whether events and non-events are as many as the patients who have them."""
        return (self.events, self.non_events) == self.people[1:]

    @property
    def words(self) -> str:
        """The events and non-events, and of how many patients they are where that differs."""
        events, non_events = counted(self.events, "event"), counted(self.non_events, "non-event")
        if self.one_row_each:
            return f"{events} and {non_events}"
        return (
            f"{events} of {counted(self.patients_with_event, 'patient')} and {non_events} of "
            f"{counted(self.patients_without_event, 'patient')}"
        )

    def why_not_assessable(self) -> str | None:
        """Return why nothing may be concluded of a group that is shown; None if something may."""
        if assessable(self.patients_with_event, self.patients_without_event):
            return None
        return (
            f"shown, not assessable: {self.words}, where a gate needs {FEWEST_OF_EACH}"
            f"{self._patients} of each"
        )

    def why_without_figures(self, limits: ReportingLimits) -> str | None:
        """Return why a group that is counted has no figures, that would mislead; None if it has."""
        _, events, non_events = self.people
        if events >= limits.events and non_events >= limits.non_events:
            return None
        return (
            f"shown, not assessable: {self.words}, where figures need {limits.events} and "
            f"{limits.non_events}{self._patients}, and a gate {FEWEST_OF_EACH} of each"
        )

    @property
    def _patients(self) -> str:
        return "" if self.one_row_each else " patients"


@dataclass(frozen=True, eq=False)
class PatientRows:
    """Whose each row is, (n,), and which rows are known to be events and to be non-events."""

    patient: npt.NDArray[np.generic]
    events: Rows
    non_events: Rows

    @classmethod
    def weighted(
        cls, patient: npt.NDArray[np.generic], outcome: FloatArray, weights: FloatArray
    ) -> Self:
        """Take the outcome of every row that carries weight as known."""
        known = weights > 0
        return cls(patient, known & (outcome == 1), known & (outcome == 0))

    def count(self, members: Rows | None = None) -> Counts:
        """Count some of the rows, or all of them."""
        own = np.ones(len(self.patient), dtype=np.bool_) if members is None else members
        events, non_events = own & self.events, own & self.non_events
        return Counts(
            n=int(own.sum()),
            events=int(events.sum()),
            non_events=int(non_events.sum()),
            patients=self._patients(own),
            patients_with_event=self._patients(events),
            patients_without_event=self._patients(non_events),
        )

    def withheld(self, groups: Sequence[Rows], limits: ReportingLimits) -> Rows:
        """Say which of the groups that divide the rows are withheld, for few people.

        A patient in two groups that are withheld together is one person still.
        """

        def together(hidden: Rows) -> tuple[int, int, int]:
            chosen = [own for own, hide in zip(groups, hidden, strict=True) if hide]
            return self.count(np.logical_or.reduce(chosen)).people

        return withheld(
            [self.count(own).people for own in groups],
            (limits.people, limits.cell, limits.cell),
            together,
        )

    def _patients(self, rows: Rows) -> int:
        return len(np.unique(self.patient[rows]))
