"""A version's predictions with what is known of them, by calendar month, kept on disk meanwhile.

Years of predictions take no more memory than the months that are looked at.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from datetime import date, timedelta
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any, Self

import numpy as np
from numpy.typing import NDArray

from models.definition import Definition
from models.evaluation.counts import PatientRows
from models.groups import group_titles
from models.subgroups import subgroup_labels
from monitoring.periods import Tally
from records.answers import decoded
from records.followed import FollowedRows, followed


@dataclass(frozen=True, eq=False)
class Followed:
    """Predictions in order of time with the follow-up that is known, (n,): NaN days where none is.

    `patients` are marks that stand for pseudonyms, and `sites` numbers that stand for sites' names,
    the same ones in all months of a version. Two of ten million patients share a mark with a chance
    of 3 in a million. `groups`, (n, subgroups that can be assessed), has each row's place in
    `group_names`.
    """

    predicted_on: NDArray[np.datetime64]
    risk: NDArray[np.float64]
    patients: NDArray[np.uint64]
    sites: NDArray[np.int32]
    shown: NDArray[np.bool_]
    days: NDArray[np.float64]
    happened: NDArray[np.bool_]
    groups: NDArray[np.int8]

    def part(self, chosen: NDArray[np.bool_] | slice) -> Self:
        """Return some of the rows."""
        return type(self)(*(getattr(self, name)[chosen] for name in COLUMNS))

    @classmethod
    def joined(cls, parts: Sequence[Self]) -> Self:
        """Return the rows of several parts, one part after the other."""
        if len(parts) == 1:
            return parts[0]
        return cls(*(np.concatenate([getattr(one, name) for one in parts]) for name in COLUMNS))

    @property
    def known(self) -> NDArray[np.bool_]:
        """Return of which rows anything is known."""
        return ~np.isnan(self.days)

    def events(self, horizon_days: int) -> NDArray[np.bool_]:
        """Return which rows are known to have had the event by the horizon."""
        return self.happened & (self.days <= horizon_days)

    def settled(self, horizon_days: int) -> NDArray[np.bool_]:
        """Return of which rows it's known whether they had the event by the horizon."""
        return np.asarray(self.events(horizon_days) | (self.days >= horizon_days), dtype=np.bool_)

    def by_patient(self, horizon_days: int) -> PatientRows:
        """Return whose the rows are, and which are known to be events and to be none."""
        events = self.events(horizon_days)
        return PatientRows(self.patients, events, self.settled(horizon_days) & ~events)


COLUMNS = tuple(one.name for one in fields(Followed))


class FollowedMonths:
    """The months of a version's predictions, read from disk one by one; `tallies` by first day."""

    def __init__(self, file: IO[bytes], horizon_days: int) -> None:
        self._file, self._horizon = file, horizon_days
        self._places: dict[date, int] = {}
        self.tallies: dict[date, Tally] = {}

    def add(self, month: date, rows: Followed) -> None:
        """Write a month, which comes after those before."""
        self._places[month] = self._file.tell()
        for name in COLUMNS:
            np.save(self._file, getattr(rows, name))
        events, settled = rows.events(self._horizon), rows.settled(self._horizon)
        self.tallies[month] = Tally(int(events.sum()), int((settled & ~events).sum()))

    @property
    def months(self) -> Sequence[date]:
        """Return the first day of each month that has predictions, in order."""
        return list(self._places)

    def of(self, months: Sequence[date]) -> Followed:
        """Read the rows of some months, in their order."""
        return Followed.joined([self._read(month) for month in months])

    def __iter__(self) -> Iterator[Followed]:
        """Read the rows of each month in turn."""
        return (self._read(month) for month in self._places)

    def _read(self, month: date) -> Followed:
        self._file.seek(self._places[month])
        return Followed(*(np.load(self._file) for _ in COLUMNS))


@contextmanager
def follow(definition: Definition, version: str, place: Path) -> Iterator[FollowedMonths]:
    """Join a version's predictions to the reports of their outcomes, month by month.

    They lie in an unnamed file in `place` until the context is left, or the process ends.
    """
    names = group_names(definition)
    numbers: dict[str, int] = {}
    place.mkdir(mode=0o700, parents=True, exist_ok=True)
    with TemporaryFile(dir=place) as file:
        found = FollowedMonths(file, definition.outcome.horizon_days)
        held: dict[date, list[Followed]] = {}
        horizon = timedelta(days=definition.outcome.horizon_days)
        for rows in followed(definition.name, version, horizon, vectors=bool(names)):
            for month, part in _by_month(_compact(definition, rows, names, numbers)):
                held.setdefault(month, []).append(part)
            *done, _ = held
            for month in done:
                found.add(month, Followed.joined(held.pop(month)))
        for month, parts in held.items():
            found.add(month, Followed.joined(parts))
        yield found


def group_names(definition: Definition) -> Mapping[str, tuple[str, ...]]:
    """Return the names of each subgroup's groups that a recorded prediction can be told to be of.

    A row's place in them is that of its group; one of none of them is at -1.
    """
    return {
        group.name: group_titles(definition, group)
        for group in definition.subgroups
        if group.feature is not None
    }


def _compact(
    definition: Definition,
    rows: FollowedRows,
    names: Mapping[str, tuple[str, ...]],
    numbers: dict[str, int],
) -> Followed:
    numbered = [numbers.setdefault(site, len(numbers)) for site in rows.site]
    return Followed(
        rows.predicted_at.astype("datetime64[D]"),
        rows.risk,
        np.ascontiguousarray(rows.patient.view("<u8")[::2]),
        np.array(numbered, dtype=np.int32),
        rows.shown,
        (rows.known_at - rows.predicted_at) / np.timedelta64(1, "D"),
        rows.happened,
        _groups(definition, rows.vector, names)
        if names
        else np.zeros((rows.risk.size, 0), dtype=np.int8),
    )


def _groups(
    definition: Definition, vectors: Sequence[bytes], names: Mapping[str, tuple[str, ...]]
) -> NDArray[np.int8]:
    labels = subgroup_labels(definition, decoded(definition, vectors))
    columns = []
    for name, titles in names.items():
        place: dict[Any, int] = {title: number for number, title in enumerate(titles)}
        columns.append([place.get(label, -1) for label in labels[name]])
    return np.array(columns, dtype=np.int8).T


def _by_month(rows: Followed) -> Iterator[tuple[date, Followed]]:
    months = rows.predicted_on.astype("datetime64[M]")
    for month in np.unique(months):
        yield month.astype("datetime64[D]").astype(object), rows.part(months == month)
