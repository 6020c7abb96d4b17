"""Records on their way into the tables: their columns, and the bytes that the chain holds."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec
import orjson

from models.errors import RecordError
from records.canonical import canonical, number
from records.merkle import leaf_hash


class PredictionRow(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One answered prediction; the fields are the columns of `records.models.Prediction`."""

    id: UUID
    model: str
    version: str
    definition_digest: str
    artefact_digest: str
    patient: str
    client: str
    is_test: bool
    protocol: str
    site: str
    predicted_at: datetime
    recorded_at: datetime
    status: str
    shown: bool
    features: dict[str, Any]
    vector: bytes
    contributions: bytes
    base: float
    margin: float
    risk: float
    band: str
    findings: Sequence[dict[str, Any]]
    sources: Sequence[str]
    input_digest: str


class RefusalRow(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A request that got no score; the fields are the columns of `records.models.Refusal`."""

    model: str
    version: str
    client: str
    is_test: bool
    protocol: str
    predicted_at: datetime
    recorded_at: datetime
    field: str
    reason: str


class OutcomeRow(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A report of an outcome; the fields are the columns of `records.models.Outcome`."""

    prediction: UUID | None
    model: str
    patient: str
    happened: bool
    known_at: datetime
    reported_at: datetime
    client: str
    is_test: bool


class AuditRow(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """An accountable act; the fields are the columns of `records.models.AuditEvent`."""

    id: UUID
    action: str
    by: str
    recorded_at: datetime
    details: dict[str, Any]


Row = PredictionRow | RefusalRow | OutcomeRow | AuditRow
Sql = str | bytes | float | None
CHAIN_COLUMNS = ("writer", "block", "position", "leaf")


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its name in Python and in SQL, and how a value is written in either place."""

    name: str
    sql: str
    written: Callable[[Any], tuple[Sql, Any]]


@dataclass(frozen=True, slots=True)
class Table:
    """A table of the chain."""

    name: str
    columns: tuple[Column, ...]

    @property
    def sql_columns(self) -> tuple[str, ...]:
        """The SQL columns of a whole row, those of the chain last."""
        return (*(column.sql for column in self.columns), *CHAIN_COLUMNS)


@dataclass(frozen=True, slots=True)
class Prepared:
    """A row ready to be inserted, without its place in the chain, and its leaf hash."""

    table: str
    values: tuple[Sql, ...]
    leaf: bytes


def prepare(row: Row) -> Prepared:
    """Return what is inserted for a row; raise RecordError if it can't be written exactly."""
    table = TABLES[type(row)]
    values, content = _written(table, msgspec.structs.astuple(row))
    return Prepared(table.name, tuple(values), leaf_hash(canonical_record(content)))


def leaf_of(table: Table, values: Sequence[Any]) -> bytes:
    """Return the leaf hash of a row that was read back, its values in the table's order."""
    return leaf_hash(canonical_record(_written(table, values)[1]))


def canonical_record(content: dict[str, Any]) -> bytes:
    """Return the canonical bytes of a record whose numbers and JSON are canonical already."""
    try:
        return orjson.dumps(content, option=orjson.OPT_SORT_KEYS)
    except orjson.JSONEncodeError as error:
        raise RecordError(f"a record holds text that isn't Unicode: {error}") from error


def sql_time(time: datetime) -> str:
    """Return an aware time as the databases take it, in UTC and without its zone."""
    if time.tzinfo is None:
        raise RecordError("a recorded time must be aware of its zone")
    return time.astimezone(UTC).replace(tzinfo=None).isoformat(" ")


def _written(table: Table, values: Sequence[Any]) -> tuple[list[Sql], dict[str, Any]]:
    sql: list[Sql] = []
    content: dict[str, Any] = {"table": table.name}
    for column, value in zip(table.columns, values, strict=True):
        written, content[column.name] = column.written(value)
        sql.append(written)
    return sql, content


def _as_it_is(value: Any) -> tuple[Sql, Any]:
    return value, value


def _real(value: float) -> tuple[Sql, Any]:
    return value, number(value)


def _time(value: datetime) -> tuple[Sql, Any]:
    text = sql_time(value)
    return text, f"{text}Z"


def _json(value: Any) -> tuple[Sql, Any]:
    text = canonical(value)
    return text.decode(), orjson.Fragment(text)


def _blob(value: bytes | memoryview) -> tuple[Sql, Any]:
    return bytes(value), value.hex()


def _uuid(value: UUID | None) -> tuple[Sql, Any]:
    text = None if value is None else value.hex
    return text, text


_WRITTEN: dict[Any, Callable[[Any], tuple[Sql, Any]]] = {
    str: _as_it_is,
    bool: _as_it_is,
    float: _real,
    datetime: _time,
    bytes: _blob,
    UUID: _uuid,
    UUID | None: _uuid,
}


def _table(row: type[Row], **foreign: str) -> Table:
    name = row.__name__.removesuffix("Row").lower()
    return Table(
        {"audit": "auditevent"}.get(name, name),
        tuple(
            Column(field.name, foreign.get(field.name, field.name), _WRITTEN.get(field.type, _json))
            for field in msgspec.structs.fields(row)
        ),
    )


TABLES: dict[type, Table] = {
    PredictionRow: _table(PredictionRow),
    RefusalRow: _table(RefusalRow),
    OutcomeRow: _table(OutcomeRow, prediction="prediction_id"),
    AuditRow: _table(AuditRow),
}
