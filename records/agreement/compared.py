"""Comparing what the chain holds of a table with the table's rows."""

import json
from collections import Counter
from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from django.db.models import QuerySet

from records.models import AuditEvent


@dataclass(frozen=True, slots=True)
class Disagreement:
    """A table, and what is wrong there in words."""

    table: str
    words: str


def compared(
    table: str, chained: Iterable[Hashable], stored: Iterable[Hashable], what: str
) -> Iterator[Disagreement]:
    """Yield what stands on one side only; the first four parts of a tuple name it."""
    noted, rows = Counter(chained), Counter(stored)
    for one in noted - rows:
        yield Disagreement(table, f"a {what} was changed or deleted: {_named(one)}")
    for one in rows - noted:
        yield Disagreement(table, f"a {what} was changed or inserted: {_named(one)}")


def events(*actions: str) -> QuerySet[AuditEvent]:
    """Return what the chain holds of some actions, in its order."""
    return AuditEvent.objects.filter(action__in=actions).order_by("writer", "block", "position")


def text(value: Any) -> str:
    """Return a value as JSON, the same whichever database it was read from."""
    return json.dumps(_plain(value), sort_keys=True)


def digest(*said: Any) -> str:
    """Return the SHA-256 of values as JSON, in hexadecimal."""
    return sha256(text(said).encode()).hexdigest()


def _named(one: Any) -> str:
    return ", ".join(str(part) for part in one[:4] if part not in (None, ""))


def _plain(value: Any) -> Any:
    """Write whole numbers in one way; databases and canonical JSON differ in 1.0 and -0.0."""
    if isinstance(value, dict):
        return {key: _plain(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value
