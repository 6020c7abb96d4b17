"""Times as FHIR writes them: with an offset, or only as precise as a year, a month or a day."""

import re
from datetime import date, datetime
from typing import Final

from models.errors import MalformedInput
from models.fhir_resources import place_of

_MOMENT = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]+)?"
    r"(Z|[+-][0-9]{2}:[0-9]{2})?$"
)
_FARTHEST: Final = "14:00"  # of the offsets of a dateTime in FHIR
_LAST_MINUTE: Final = "59"
_PARTIAL = re.compile(r"^(\d{4})(?:-(\d\d)(?:-(\d\d))?)?$")


def moment(text: str, name: str, index: int | None = None) -> datetime | None:
    """Return an aware time, or None where the text is a date or less (FHIR-5).

    `name` is the field, of the resource at `index` where it's one in a Bundle. Raises
    MalformedInput for a time without an offset and for what isn't a time.
    """
    found = _MOMENT.match(text)
    if found is not None and found[1] is not None:
        if found[1] != "Z" and (found[1][1:] > _FARTHEST or found[1][4:] > _LAST_MINUTE):
            raise MalformedInput(
                f"{_field(name, index)} has an offset beyond 14:00, or of more than 59 minutes "
                "beside its hours, which FHIR's dateTime hasn't; correct it",
                field=_field(name, index),
                reason="bad_offset",
            )
        try:
            return datetime.fromisoformat(text)
        except ValueError as error:
            raise _not_a_time(_field(name, index)) from error
    field = _field(name, index)
    if found is not None:
        raise MalformedInput(
            f"{field} is a time without an offset; give one, such as 2026-01-05T10:15:00Z",
            field=field,
            reason="naive_time",
        )
    if _PARTIAL.match(text) is None:
        raise _not_a_time(field)
    first_day(text, field)
    return None


def first_day(text: str, field: str) -> date:
    """Return the first day that a time, full or partial, may lie on."""
    found = _PARTIAL.match(text[:10])
    if found is None:
        raise _not_a_time(field)
    try:
        return date(int(found[1]), int(found[2] or 1), int(found[3] or 1))
    except ValueError as error:
        raise _not_a_time(field) from error


def _field(name: str, index: int | None) -> str:
    return name if index is None else f"{place_of(index)}.{name}"


def _not_a_time(field: str) -> MalformedInput:
    return MalformedInput(
        f"{field} is not a FHIR dateTime, such as 2026-01-05T10:15:00Z",
        field=field,
        reason="not_a_time",
    )
