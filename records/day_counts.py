"""What streams saw on days, on its way into the table: a run over a year writes tens of thousands.

An instance of the table's model takes ten times as long to make, and to write, as a row here.
"""

from collections.abc import Sequence
from datetime import date
from typing import Final

import msgspec
from django.db import connection

from records.models import DayCount

_KEY: Final = ("model", "version", "stream", "day")
_COUNTED: Final = ("total", "missing", "mean", "counts", "leaf")


class CountedDay(msgspec.Struct, kw_only=True):
    """What one stream saw on a day; the fields are the columns of `records.models.DayCount`."""

    model: str
    version: str
    stream: str
    day: date
    total: int
    missing: int
    mean: float | None
    evidence: float | None
    counts: bytes
    leaf: bytes = b""


def write_days(rows: Sequence[CountedDay]) -> None:
    """Write days; what is there already is counted again, and keeps the evidence that it had."""
    adapted = connection.ops.adapt_datefield_value
    days = {day: adapted(day) for day in {row.day for row in rows}}
    values = [list(msgspec.structs.astuple(row)) for row in rows]
    for one in values:
        one[_DAY] = days[one[_DAY]]
    with connection.cursor() as cursor:
        cursor.executemany(_UPSERT, values)


_DAY: Final = CountedDay.__struct_fields__.index("day")


def _upsert() -> str:
    columns = CountedDay.__struct_fields__
    again = ", ".join(f"{column} = excluded.{column}" for column in _COUNTED)
    # the names are this code's own
    return (
        f"INSERT INTO {DayCount._meta.db_table} ({', '.join(columns)}) "  # noqa: S608
        f"VALUES ({', '.join(['%s'] * len(columns))}) "
        f"ON CONFLICT ({', '.join(_KEY)}) DO UPDATE SET {again}"
    )


_UPSERT: Final = _upsert()
