"""Whose rows they are, and when and where they were, as the records want to know it."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa

from models.encoding import RowFault
from models.errors import BatchError
from models.ward import is_ward
from serving.batch.source import Source

_SITE = re.compile(r"[A-Za-z0-9._-]{1,64}")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_FIRST = (datetime.min.replace(tzinfo=UTC) - _EPOCH) // _MICROSECOND


@dataclass(frozen=True, slots=True)
class Particulars:
    """One entry a row, and the rows that can't be taken; the time of such a row is the run's."""

    predicted_at: Sequence[datetime]
    patients: Sequence[str]
    sites: Sequence[str]
    wards: Sequence[str]
    faults: tuple[RowFault, ...]


def check_particulars(source: Source) -> None:
    """Raise BatchError where a column can't say whose the rows are, or when they were."""
    wanted: tuple[tuple[str, Callable[[pa.DataType], bool], str], ...] = (
        ("time", _is_aware, "times with a zone"),
        ("patient_id", _is_exact, "text or whole numbers"),
        ("site", _is_exact, "text or whole numbers"),
        ("ward", _is_exact, "text or whole numbers"),
    )
    for key, fits, words in wanted:
        if key in source.keys and not fits(source.schema.field(key).type):
            raise BatchError(
                f"{source.path.name}: column {key!r} holds {source.schema.field(key).type}; "
                f"to record it, write {words}"
            )


def read_particulars(keys: pa.Table, started_at: datetime) -> Particulars:
    """Read a table's columns `time` (the run's beginning without it) and those of whose and where.

    Those are `patient_id`, `site` and `ward`, each with an empty text where it isn't told.
    """
    patients, sites = _texts(keys, "patient_id"), _texts(keys, "site")
    wards = _texts(keys, "ward")
    marks = {
        ("patient_id", "bad_identifier"): ["\0" in patient for patient in patients],
        ("site", "bad_site"): [bool(site) and not _SITE.fullmatch(site) for site in sites],
        ("ward", "bad_ward"): [bool(ward) and not is_ward(ward) for ward in wards],
    }
    times = [started_at] * keys.num_rows
    if "time" in keys.column_names:
        column = keys.column("time")
        read = _instant if pa.types.is_timestamp(column.type) else _written
        read_times = read(column, started_at)
        times = [started_at if isinstance(time, str) else time for time in read_times]
        for reason in dict.fromkeys(time for time in read_times if isinstance(time, str)):
            marks["time", reason] = [time == reason for time in read_times]
    faults = tuple(
        RowFault(field, reason, reason, np.array(rows, np.bool_))
        for (field, reason), rows in marks.items()
    )
    return Particulars(times, patients, sites, wards, faults)


def _is_aware(kind: pa.DataType) -> bool:
    return bool(
        (pa.types.is_timestamp(kind) and kind.tz is not None)
        or pa.types.is_string(kind)
        or pa.types.is_large_string(kind)
    )


def _is_exact(kind: pa.DataType) -> bool:
    """Say whether every value has one way to be written: 12 might also stand as 12.0."""
    types = pa.types
    return bool(
        types.is_string(kind)
        or types.is_large_string(kind)
        or types.is_integer(kind)
        or types.is_null(kind)
    )


def _texts(keys: pa.Table, name: str) -> list[str]:
    if name not in keys.column_names:
        return [""] * keys.num_rows
    return [text or "" for text in keys.column(name).cast(pa.string()).to_pylist()]


def _instant(column: pa.ChunkedArray, latest: datetime) -> list[datetime | str]:
    """Return each row's time, or the slug of what's wrong with it."""
    limit = (latest - _EPOCH) // _MICROSECOND
    counts = column.cast(pa.timestamp("us", column.type.tz), safe=False).cast(pa.int64())

    def time_of(count: int | None) -> datetime | str:
        if count is None:
            return "no_time"
        if count > limit:
            return "in_the_future"
        return "not_a_time" if count < _FIRST else _EPOCH + count * _MICROSECOND

    return [time_of(count) for count in counts.to_pylist()]


def _written(column: pa.ChunkedArray, latest: datetime) -> list[datetime | str]:
    """Return each row's time as ISO 8601 writes it, or the slug of what's wrong with it."""

    def time_of(text: str | None) -> datetime | str:
        if not text:
            return "no_time"
        try:
            time = datetime.fromisoformat(text.strip())
            if time.tzinfo is None:
                return "naive_time"
            time = time.astimezone(UTC)
        except (ValueError, OverflowError):
            return "not_a_time"
        return time if time <= latest else "in_the_future"

    return [time_of(text) for text in column.to_pylist()]
