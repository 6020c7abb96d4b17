"""The table of a file of outcomes, CSV or Parquet: each row as texts by column."""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from models.errors import RecordError

if TYPE_CHECKING:
    import pyarrow as pa

SUBJECTS = ("prediction_id", "patient_id", "patient_system")


def read_rows(path: Path) -> Iterator[dict[str, str]]:
    """Yield the rows of a file, an empty text for what a row doesn't tell.

    Raises RecordError where it can't be read, or its columns can't say whose outcomes they are.
    """
    table = _table(path)
    _check_columns(path.name, table)
    texts = [_texts(path.name, name, table.column(name)) for name in table.column_names]
    for values in zip(*texts, strict=True):
        yield dict(zip(table.column_names, values, strict=True))


def _table(path: Path) -> "pa.Table":
    import pyarrow as pa  # takes a third of a second that only this command needs
    from pyarrow import csv, parquet

    try:
        if path.suffix == ".parquet":
            return parquet.read_table(path)
        names = csv.open_csv(path).schema.names
        texts = csv.ConvertOptions(column_types=dict.fromkeys(names, pa.string()))
        return csv.read_csv(path, convert_options=texts)
    except (OSError, pa.ArrowException) as error:
        # the library's own words quote the row that it couldn't read
        kind = type(error).__name__
        raise RecordError(f"{path.name}: can't be read as CSV or Parquet ({kind})") from None


def _check_columns(name: str, table: "pa.Table") -> None:
    columns = table.column_names
    twice = sorted({column for column in columns if columns.count(column) > 1})
    if twice:
        raise RecordError(f"{name}: the columns {', '.join(twice)} stand twice")
    missing = {"happened", "known_at"} - set(columns)
    if missing or not {"prediction_id", "patient_id"} & set(columns):
        raise RecordError(
            f"{name}: columns prediction_id or patient_id, happened and known_at are needed; "
            f"it has {', '.join(columns)}"
        )
    for column in set(SUBJECTS) & set(columns):
        values = table.column(column)
        if values.null_count < len(values) and not _is_exact(values.type):
            raise RecordError(
                f"{name}: column {column!r} holds {values.type}; write text or whole numbers"
            )


def _is_exact(kind: "pa.DataType") -> bool:
    """Say whether every value has one way to be written: 12 might also stand as 12.0."""
    from pyarrow import types

    if types.is_dictionary(kind):
        return _is_exact(kind.value_type)
    return bool(types.is_string(kind) or types.is_large_string(kind) or types.is_integer(kind))


def _texts(name: str, column: str, values: "pa.ChunkedArray") -> list[str]:
    try:
        return [_text(one) for one in values.to_pylist()]
    except (ValueError, OverflowError):  # a time of a year that Python doesn't know
        raise RecordError(
            f"{name}: column {column!r} holds a {values.type} that can't be read"
        ) from None


def _text(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    return "" if value is None else str(value)
