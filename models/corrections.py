"""Reports that a source result was corrected or entered in error, checked against a definition."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from models.definition import Definition
from models.errors import MalformedInput, UnusableValue
from models.feature import Feature
from models.fhir_names import VERSION
from models.values import number_of

CORRECTED: Final = "corrected"
IN_ERROR: Final = "entered-in-error"
STATUSES: Final = (CORRECTED, IN_ERROR)
LONGEST: Final = 160


@dataclass(frozen=True)
class Correction:
    """What a report says of a source; `value` is in the definition's unit, None where none is.

    A source without a version (`Observation/123`) means every version of it. `taken_at` is when
    the value was true, None where that is as it was. A report that is the resource itself (`whole`)
    says all that the source holds: that time, and whose it is (`subject`, a pseudonym, empty where
    that can't be told).
    """

    source: str
    status: str
    feature: str = ""
    value: float | str | None = None
    whole: bool = False
    taken_at: datetime | None = None
    subject: str = ""


def check_correction(
    given: Correction, definition: Definition, unit: str | None = None
) -> Correction:
    """Return a report with its number, stated in `unit`, in the definition's unit.

    A version in the source is left off: that which corrects a result is later than those in use.
    Raises MalformedInput where it can't be understood, or where no prediction would take its value.
    """
    if not 0 < len(given.source) <= LONGEST or not given.source.strip():
        raise _fault("source", f"must have 1 to {LONGEST} characters", "wrong_length")
    if given.status not in STATUSES:
        raise _fault("status", f"must be one of {', '.join(STATUSES)}", "unknown_status")
    if given.feature and given.feature not in definition.given:
        words = f"is none of those that {definition.name} measures"
        raise _fault("feature", words, "unknown_field")
    source = given.source.partition(VERSION)[0]
    return replace(given, source=source, value=_checked_value(given, definition, unit))


def contradictions(found: Sequence[Correction]) -> Iterator[tuple[int, MalformedInput]]:
    """Yield the place of each report that says otherwise than an earlier one, with the error."""
    statuses: dict[str, str] = {}
    values: dict[tuple[str, str], tuple[float | str | None, datetime | None]] = {}
    for place, one in enumerate(found):
        if statuses.setdefault(one.source, one.status) != one.status:
            words = f"says {one.status}, and an earlier one of the same source doesn't"
            yield place, _fault("status", words, "contradictory")
        elif (said := (one.value, one.taken_at)) != values.setdefault(
            (one.source, one.feature), said
        ):
            words = "differs from that of an earlier one of the same source"
            yield place, _fault("value", words, "contradictory")


def _checked_value(
    given: Correction, definition: Definition, unit: str | None
) -> float | str | None:
    value, said = given.value, given.feature and given.status == CORRECTED
    if value is None:
        if said:
            words = "is missing: give the corrected value, or leave the feature out"
            raise _fault("value", words, "missing_field")
        return None
    if not said:
        raise _fault("value", f"needs a feature and the status {CORRECTED}", "unexpected_field")
    feature = definition.by_name[given.feature]
    if feature.kind == "categorical":
        return _checked_category(feature, value, unit)
    if isinstance(value, str):
        raise _fault("value", "is no number", "text_value")
    try:
        return number_of(feature, value, unit)
    except UnusableValue as error:
        raise _fault("value", f"can't be used: {error}", error.reason) from error


def _checked_category(feature: Feature, value: float | str, unit: str | None) -> str:
    if unit:
        raise _fault("value", "has a unit, which a category doesn't have", "unexpected_field")
    if isinstance(value, str) and value in feature.categories:
        return value
    words = f"is none of {', '.join(feature.categories)}"
    raise _fault("value", words, "unseen_category")


def _fault(field: str, words: str, reason: str) -> MalformedInput:
    return MalformedInput(f"{field} {words}", field=field, reason=reason)
