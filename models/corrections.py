"""Reports that a source result was corrected or entered in error, checked against a definition."""

from dataclasses import dataclass
from math import isfinite
from typing import Final

from models.definition import Definition
from models.errors import MalformedInput

CORRECTED: Final = "corrected"
IN_ERROR: Final = "entered-in-error"
STATUSES: Final = (CORRECTED, IN_ERROR)
LONGEST: Final = 160


@dataclass(frozen=True)
class Correction:
    """What a report says of a source; `value` is in the definition's unit, None where none is.

    A source without a version (`Observation/123`) means every version of it.
    """

    source: str
    status: str
    feature: str = ""
    value: float | str | None = None


def check_correction(given: Correction, definition: Definition) -> None:
    """Raise MalformedInput where a report can't be understood."""
    if not 0 < len(given.source) <= LONGEST:
        raise _fault("source", f"must have 1 to {LONGEST} characters", "wrong_length")
    if given.status not in STATUSES:
        raise _fault("status", f"must be one of {', '.join(STATUSES)}", "unknown_status")
    if given.feature and given.feature not in definition.given:
        words = f"is none of those that {definition.name} measures"
        raise _fault("feature", words, "unknown_field")
    _check_value(given, definition)


def _check_value(given: Correction, definition: Definition) -> None:
    value, said = given.value, given.feature and given.status == CORRECTED
    if value is None:
        if said:
            words = "is missing: give the corrected value, or leave the feature out"
            raise _fault("value", words, "missing_field")
        return
    if not said:
        raise _fault("value", f"needs a feature and the status {CORRECTED}", "unexpected_field")
    feature = definition.by_name[given.feature]
    if feature.kind == "categorical":
        if value not in feature.categories:
            words = f"is none of {', '.join(feature.categories)}"
            raise _fault("value", words, "unseen_category")
    elif isinstance(value, str):
        raise _fault("value", "is no number", "text_value")
    elif not isfinite(value):
        raise _fault("value", "must be finite", "not_finite")


def _fault(field: str, words: str, reason: str) -> MalformedInput:
    return MalformedInput(f"{field} {words}", field=field, reason=reason)
