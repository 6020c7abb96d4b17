"""Records on their way into the tables: their columns, and the bytes that the chain holds."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
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
    ward: str = ""
    codes: dict[str, str] = {}
    basis: str = ""
    unused: tuple[str, ...] = ()


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


class FeedbackRow(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A report of what was done; the fields are the columns of `records.models.Feedback`."""

    prediction: UUID | None
    card: UUID
    model: str
    outcome: str
    reason_system: str
    reason_code: str
    has_comment: bool
    happened_at: datetime
    recorded_at: datetime
    protocol: str
    client: str
    is_test: bool


class AmendmentRow(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What became of a prediction; the fields are the columns of `records.models.Amendment`."""

    prediction: UUID
    status: str
    replacement: UUID | None
    source: str
    recorded_at: datetime
    client: str
    is_test: bool


class AuditRow(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """An accountable act; the fields are the columns of `records.models.AuditEvent`."""

    id: UUID
    action: str
    by: str
    recorded_at: datetime
    details: dict[str, Any]


Row = PredictionRow | RefusalRow | OutcomeRow | FeedbackRow | AmendmentRow | AuditRow
Sql = str | bytes | float | None
CHAIN_COLUMNS = ("writer", "block", "position", "leaf")


@dataclass(frozen=True, slots=True)
class Table:
    """A table of the chain: its columns' names in Python and in SQL.

    `conversions` has, for each column whose values aren't written as they are, the index, the
    name, and what returns the value for SQL and for the chain. `later` has the columns that
    tables of before lack, with the value that is left out of the chain, so that what was recorded
    then still has its leaf.
    """

    name: str
    columns: tuple[str, ...]
    sql_columns: tuple[str, ...]
    conversions: tuple[tuple[int, str, Callable[[Any], tuple[Sql, Any]]], ...]
    later: tuple[tuple[str, Any], ...] = ()


class Prepared(msgspec.Struct, frozen=True):
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


@lru_cache(maxsize=64)
def sql_time(time: datetime) -> str:
    """Return an aware time as the databases take it, in UTC and without its zone."""
    if time.tzinfo is not UTC:
        if time.tzinfo is None:
            raise RecordError("a recorded time must be aware of its zone")
        time = time.astimezone(UTC)
    return time.isoformat(" ").removesuffix("+00:00")


def _written(table: Table, values: Sequence[Any]) -> tuple[list[Sql], dict[str, Any]]:
    sql = list(values)
    content = dict(zip(table.columns, values, strict=True))
    for index, name, convert in table.conversions:
        sql[index], content[name] = convert(values[index])
    for name, usual in table.later:
        if content[name] == usual:
            del content[name]
    content["table"] = table.name
    return sql, content


def _real(value: float) -> tuple[Sql, Any]:
    return value, number(float(value))


def _time(value: datetime) -> tuple[Sql, Any]:
    text = sql_time(value)
    return text, f"{text}Z"


def _json(value: Any) -> tuple[Sql, Any]:
    text = canonical(value)
    return text.decode(), orjson.Fragment(text)


def _codes(value: Any) -> tuple[Sql, Any]:
    # as most are
    return ("{}", value) if value == {} else _json(value)


def _names(value: Sequence[str]) -> tuple[Sql, Any]:
    # as most are
    return _json(value) if value else ("[]", ())


def _blob(value: bytes | memoryview) -> tuple[Sql, Any]:
    return bytes(value), value.hex()


def _uuid(value: UUID | None) -> tuple[Sql, Any]:
    text = None if value is None else value.hex
    return text, text


_CONVERSIONS: dict[Any, Callable[[Any], tuple[Sql, Any]]] = {
    float: _real,
    datetime: _time,
    bytes: _blob,
    UUID: _uuid,
    UUID | None: _uuid,
    dict[str, Any]: _json,
    dict[str, str]: _codes,
    Sequence[str]: _json,
    tuple[str, ...]: _names,
    Sequence[dict[str, Any]]: _json,
}


def _table(
    name: str, row: type[Row], later: tuple[tuple[str, Any], ...] = (), **foreign: str
) -> Table:
    fields = msgspec.structs.fields(row)
    return Table(
        name,
        tuple(field.name for field in fields),
        (*(foreign.get(field.name, field.name) for field in fields), *CHAIN_COLUMNS),
        tuple(
            (index, field.name, _CONVERSIONS[field.type])
            for index, field in enumerate(fields)
            if field.type not in (str, bool)
        ),
        later,
    )


TABLES: dict[type, Table] = {
    PredictionRow: _table(
        "prediction",
        PredictionRow,
        (("ward", ""), ("codes", {}), ("basis", ""), ("unused", ())),
    ),
    RefusalRow: _table("refusal", RefusalRow),
    OutcomeRow: _table("outcome", OutcomeRow, prediction="prediction_id"),
    FeedbackRow: _table("feedback", FeedbackRow, prediction="prediction_id"),
    AmendmentRow: _table(
        "amendment", AmendmentRow, prediction="prediction_id", replacement="replacement_id"
    ),
    AuditRow: _table("auditevent", AuditRow),
}
