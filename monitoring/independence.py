"""Which outcomes are weighed: one of a patient within a horizon, in whatever parts they come."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from typing import Self

import numpy as np
from numpy.typing import NDArray

from monitoring.evidence.state import Floats


@dataclass(frozen=True, eq=False)
class Outcomes:
    """Predictions whose horizon and reporting delay have passed; `happened` where `known`.

    `weights` are by how much each counts, 0 to 1 (see `weighing`). A part of them holds whole days;
    the parts are in the order of their days.
    """

    predicted_on: NDArray[np.datetime64]
    patients: NDArray[np.integer]
    risk: Floats
    happened: NDArray[np.bool_]
    known: NDArray[np.bool_]
    weights: Floats

    def part(self, chosen: NDArray[np.bool_] | NDArray[np.intp]) -> Self:
        """Return some of the rows."""
        return type(self)(*(column[chosen] for column in vars(self).values()))

    def joined(self, later: Self) -> Self:
        """Return these rows and later ones."""
        both = zip(vars(self).values(), vars(later).values(), strict=True)
        return type(self)(*(np.concatenate(columns) for columns in both))


def independent(
    parts: Iterable[Outcomes], horizon_days: int, after: date | None = None
) -> Iterator[Outcomes]:
    """Yield the rows of which no earlier one of the same patient has the same outcome.

    Of earlier parts only the patients are held whose last such row's horizon hasn't passed. With
    `after`, rows up to that day are left out in the end.
    """
    waiting = _Waiting(np.zeros(0, dtype=np.uint64), np.zeros(0, dtype=np.int64))
    for part in parts:
        if not part.risk.size:
            continue
        chosen, waiting = _chosen(part, horizon_days, waiting)
        if after is not None:
            chosen &= part.predicted_on > np.datetime64(after)
        yield part.part(chosen)


@dataclass(frozen=True, eq=False)
class _Waiting:
    """Patients, sorted, and the first day on which each one's rows count again."""

    patients: NDArray[np.integer]
    until: NDArray[np.int64]


def _chosen(
    part: Outcomes, horizon_days: int, waiting: _Waiting
) -> tuple[NDArray[np.bool_], _Waiting]:
    """Return which rows of a part count, and whose rows don't for how long from then on."""
    patients, number = np.unique(part.patients, return_inverse=True)
    days = part.predicted_on.astype("datetime64[D]").astype(np.int64)
    start, last = int(days.min()), int(days.max())
    # each patient's days lie further apart from the next one's than any horizon
    span = last - start + horizon_days + 2
    placed = days - start + number * span
    order = np.argsort(placed, kind="stable")
    ranked, of_row = placed[order], number[order]
    again = np.zeros(patients.size, dtype=np.int64)
    _, here, there = np.intersect1d(
        patients, waiting.patients, assume_unique=True, return_indices=True
    )
    again[here] = np.maximum(waiting.until[there] - start, 0)
    until = np.zeros(patients.size, dtype=np.int64)
    found = np.zeros(days.size, dtype=np.bool_)
    asked = np.arange(patients.size)
    soonest = np.minimum(again, span - 1) + asked * span
    while asked.size:
        at = np.searchsorted(ranked, soonest, side="left")
        inside = at < ranked.size
        at, asked = at[inside], asked[inside]
        own = of_row[at] == asked
        at, asked = at[own], asked[own]
        found[order[at]] = True
        until[asked] = ranked[at] - asked * span + start + horizon_days + 1
        soonest = ranked[at] + horizon_days + 1
    return found, _joined(waiting, _Waiting(patients[until > 0], until[until > 0]), last)


def _joined(earlier: _Waiting, later: _Waiting, last: int) -> _Waiting:
    """Return whose rows don't count for a while after the last day, the later word counting."""
    still = ~np.isin(earlier.patients, later.patients, assume_unique=True)
    patients = np.concatenate([earlier.patients[still], later.patients])
    until = np.concatenate([earlier.until[still], later.until])
    kept = until > last
    order = np.argsort(patients[kept], kind="stable")
    return _Waiting(patients[kept][order], until[kept][order])
