"""Times as FHIR writes them: with an offset, or only as precise as a year, a month or a day."""

import re
from datetime import date, datetime

from models.errors import MalformedInput

_MOMENT = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)?$")
_PARTIAL = re.compile(r"^(\d{4})(?:-(\d\d)(?:-(\d\d))?)?$")


def moment(text: str, field: str) -> datetime | None:
    """Return an aware time, or None where the text is a date or less (FHIR-5).

    Raises MalformedInput for a time without an offset and for what isn't a time.
    """
    if _PARTIAL.match(text):
        first_day(text, field)
        return None
    found = _MOMENT.match(text)
    if found is None:
        raise _not_a_time(field)
    if found[2] is None:
        raise MalformedInput(
            f"{field} is a time without an offset; give one, such as 2026-01-05T10:15:00Z",
            field=field,
            reason="naive_time",
        )
    try:
        return datetime.fromisoformat(text)
    except ValueError as error:
        raise _not_a_time(field) from error


def first_day(text: str, field: str) -> date:
    """Return the first day that a time, full or partial, may lie on."""
    found = _PARTIAL.match(text[:10])
    if found is None:
        raise _not_a_time(field)
    try:
        return date(int(found[1]), int(found[2] or 1), int(found[3] or 1))
    except ValueError as error:
        raise _not_a_time(field) from error


def _not_a_time(field: str) -> MalformedInput:
    return MalformedInput(
        f"{field} is not a FHIR dateTime, such as 2026-01-05T10:15:00Z",
        field=field,
        reason="not_a_time",
    )
