"""One reading turned into a feature's value: unit, range, category, age; refused or exact."""

import math
import re
from datetime import UTC, date, datetime, timedelta
from math import isfinite
from typing import Final

from msgspec.structs import astuple

from models.errors import UnusableValue
from models.feature import Feature, Plain
from models.readings import Finding, Reading
from models.units import (
    accepted_units,
    canonical_unit,
    contradicts_code,
    convert,
    unit_words,
    units_spelt,
)

# what a message may repeat: the look of a unit or a code, never of a name, a number or a date
_UNIT = re.compile(r"^(?!.*\d{4})[A-Za-z0-9_.{}\[\]/%*^]{1,12}$")
_CODE = re.compile(r"^(?!.*\d{4})[a-z0-9_-]{1,20}$")
_FULL_DATE = re.compile(r"^\d{4}-\d{2}-\d{2}$")
_COMPARATORS = frozenset(("<", "<=", ">=", ">"))
_HAIR = 1e-9
CLOCKS_APART: Final = timedelta(minutes=15)
_NOTHING_BESIDE = astuple(Reading(0.0))[1:]
_CURRENT = _NOTHING_BESIDE[1:]
_FAULTS = {
    "no_unit": "the value has no unit",
    "unit_system": "the unit is coded in a system other than UCUM",
    "contradictory_unit": "the unit's text and its code say different units",
    "unknown_unit": "{unit} is coded in UCUM, where that code is no such unit",
    "absent_unit": "a part of its unit is said to be absent, so it can't be told which it is",
    "absent_comparator": "its comparator is said to be absent, so it may be a limit only",
    "contradictory_code": "its Observation has codes of several features or analytes",
    "contradictory_category": "several categories are given at once",
    "category_system": "the category isn't coded in a system in which it has a code",
    "text_value": "a text stands where a number is needed",
    "not_a_value": "the value is of a kind that can't be used",
    "undecided_version": "its versions differ, and it can't be told which is the newer",
    "absent_whole": "the panel that it's part of is said to have failed or not to have been done",
}
_DOUBTS = {
    "category_text": "the text beside its code names another category; the code was taken",
    "test_data": "the value is labelled as test data",
    "subsetted": "only a part of its resource was sent, so what else it says isn't known",
    "altered": "the value is labelled as altered before it was sent",
    "unreliable": "the value is labelled as unreliable",
    "quality_control": "its interpretation says that quality control failed",
}
_NOT_OF_UNITS = frozenset(("undecided_version", "contradictory_code", "absent_whole"))


def plain_value(plain: Plain, reading: Reading, predicted_at: datetime) -> float | str | None:
    """Return what `value_of` would of a usable number in the feature's unit, or of a category.

    Nearly every reading is such a one. None is for all others, which need a closer look.
    """
    value, unit = reading.value, reading.unit
    if plain.is_birth_date and type(value) is str:
        return _usual_age(plain, value, reading, predicted_at)
    if type(value) is float:
        known = (
            plain.low <= value <= plain.high
            and (unit == plain.unit if unit is not None else not plain.unit_mandatory)
            and (not plain.whole or value.is_integer())
        )
    else:
        known = type(value) is str and value in plain.categories
    if not known:
        return None
    code, taken_at, issued_at = reading.code, reading.taken_at, reading.issued_at
    if code is None:
        return value if astuple(reading)[2:] == _CURRENT else None
    look_back = plain.look_back
    usable = (
        reading.status == "final"
        and reading.fault is None
        and reading.comparator is None
        and reading.unit_text is None
        and not reading.doubts
        and code in plain.codes
        and taken_at is not None
        and taken_at.tzinfo is not None
        and taken_at <= predicted_at
        and (look_back is None or taken_at >= predicted_at - look_back)
        and (
            issued_at is None
            or (
                issued_at.tzinfo is not None
                and issued_at <= predicted_at
                and taken_at - issued_at <= CLOCKS_APART
            )
        )
    )
    return value if usable else None


def _usual_age(plain: Plain, text: str, reading: Reading, predicted_at: datetime) -> float | None:
    """Return the age of a plausible date of birth that has nothing beside it, else None."""
    if astuple(reading)[1:] != _NOTHING_BESIDE or _FULL_DATE.match(text) is None:
        return None
    try:
        years = completed_years(date.fromisoformat(text), predicted_at)
    except ValueError:
        return None
    # before birth it would be less than nought
    return float(years) if max(plain.low, 0) <= years <= plain.high else None


def is_issued_early(reading: Reading) -> bool:
    """Say whether a reading was issued before it was taken, by more than clocks are apart."""
    taken_at, issued_at = reading.taken_at, reading.issued_at
    if issued_at is None or taken_at is None:
        return False
    return taken_at - issued_at > CLOCKS_APART


def value_of(
    feature: Feature, reading: Reading, predicted_at: datetime, findings: list[Finding]
) -> float | str:
    """Return the value in the feature's unit, or its category; raise UnusableValue.

    What was converted or is doubtful is appended to `findings`.
    """
    if reading.fault is not None:
        wanted = "" if reading.fault in _NOT_OF_UNITS else _wanted(feature)
        words = _FAULTS[reading.fault].format(unit=_shown(reading.unit or ""))
        raise unusable(feature, reading.fault, words + wanted)
    for doubt in reading.doubts:
        words = f"{feature.title}: {_DOUBTS[doubt]}"
        findings.append(Finding(feature.name, "flagged", doubt, words))
    if feature.kind == "categorical":
        return _category(feature, reading.value)
    if feature.source == "birth_date":
        return _age(feature, reading, predicted_at, findings)
    return _number(feature, reading, findings)


def number_of(feature: Feature, value: float, unit: str | None) -> float:
    """Return a number in the feature's unit; raise UnusableValue as for a prediction's value."""
    return _number(feature, Reading(value, unit), [])


def unusable(feature: Feature, reason: str, words: str) -> UnusableValue:
    """Make the error that refuses a feature's value."""
    return UnusableValue(f"{feature.title}: {words}", field=feature.name, reason=reason)


def completed_years(birth: date, at: datetime) -> int:
    """Return the age in completed years on the UTC date of `at`.

    Someone born on 29 February completes a year on 1 March where there is no such day.
    """
    today = at.astimezone(UTC).date()
    return today.year - birth.year - ((today.month, today.day) < (birth.month, birth.day))


def amount(value: float, unit: str | None) -> str:
    """Write a number with its unit for people: short, but not rounded into another range."""
    number = f"{value:z.6g}"
    return f"{number} {unit_words(unit or '1', number)}".rstrip()


def check_plausible(feature: Feature, number: float) -> None:
    """Raise UnusableValue for a number outside the feature's plausible range."""
    low, high = feature.plausible or (-math.inf, math.inf)
    if not low <= number <= high:
        side = "below" if number < low else "above"
        limits = f"{low:g}-{high:g} {unit_words(feature.unit or '1')}".rstrip()
        words = f"{amount(number, feature.unit)} is {side} the plausible range {limits}"
        raise unusable(feature, "implausible", words)


def check_whole(feature: Feature, number: float) -> None:
    """Raise UnusableValue for a broken number where only whole ones can be right."""
    if feature.is_whole and not number.is_integer():
        what = "completed years" if feature.source == "birth_date" else "a whole number"
        words = f"{amount(number, feature.unit)} is not a whole number; give {what}"
        raise unusable(feature, "not_whole", words)


def _number(feature: Feature, reading: Reading, findings: list[Finding]) -> float:
    value = reading.value
    if isinstance(value, str):
        raise unusable(feature, "text_value", _FAULTS["text_value"])
    if value is None or isinstance(value, bool):
        raise unusable(feature, "not_a_value", _FAULTS["not_a_value"])
    number = float(value)
    if not isfinite(number):
        raise unusable(feature, "not_finite", "the value is not a finite number")
    unit = feature.unit or "1"
    if reading.unit is None:
        if feature.unit_mandatory:
            raise unusable(feature, "no_unit", "the value has no unit" + _wanted(feature))
    elif reading.unit != unit or reading.code is not None:
        number = _converted(feature, reading, reading.unit, number, findings)
    if reading.comparator is not None:
        _censored(feature, reading.comparator, number, findings)
    check_plausible(feature, number)
    check_whole(feature, number)
    return number


def _converted(
    feature: Feature, reading: Reading, given: str, number: float, findings: list[Finding]
) -> float:
    unit = feature.unit or "1"
    try:
        result = convert(number, given, to=unit, analyte=feature.analyte, code=reading.code)
    except ValueError as error:
        known = canonical_unit(given) is not None
        words = "can not be converted" if known else "is unknown"
        raise unusable(
            feature,
            "unit_not_convertible" if known else "unknown_unit",
            f"{_shown(given)} {words}{_wanted(feature)}",
        ) from error
    if feature.is_whole and abs(result - round(result)) < _HAIR:
        result = float(round(result))  # 852 months are 71 years, whatever a division leaves
    code = reading.code
    known_unit = canonical_unit(given) or given
    if code is not None and contradicts_code(known_unit, code):
        words = f"{feature.title}: {known_unit} stands under the code {code}; the unit was taken"
        findings.append(Finding(feature.name, "flagged", "code_unit_mismatch", words))
    if reading.unit_text is not None:
        text = " or ".join(sorted(units_spelt(reading.unit_text)))
        words = (
            f"{feature.title}: the text of its unit says {text}; the code, {known_unit}, was taken"
        )
        findings.append(Finding(feature.name, "flagged", "unit_text_mismatch", words))
    if result != number:
        words = f"{feature.title}: {amount(number, known_unit)} is {amount(result, unit)}"
        findings.append(Finding(feature.name, "converted", "converted", words))
    return result


def _censored(feature: Feature, comparator: str, number: float, findings: list[Finding]) -> None:
    if comparator not in _COMPARATORS:
        raise unusable(feature, "comparator", "its comparator is none of <, <=, >=, >")
    given = f"{comparator} {amount(number, feature.unit)}"
    if not feature.accept_censored:
        words = f"only a limit was reported ({given}), not a value"
        raise unusable(feature, "censored", words)
    words = f"{feature.title}: reported as {given}; the limit itself was used"
    findings.append(Finding(feature.name, "flagged", "censored", words))


def _category(feature: Feature, value: float | str | None) -> str:
    if isinstance(value, str) and value in feature.categories:
        return value
    shown = f"{value!r}" if isinstance(value, str) and _CODE.match(value) else "the value"
    levels = ", ".join(feature.categories)
    raise unusable(feature, "unseen_category", f"{shown} is none of its known categories: {levels}")


def _age(
    feature: Feature, reading: Reading, predicted_at: datetime, findings: list[Finding]
) -> float:
    value = reading.value
    if not isinstance(value, str):
        taken_at = reading.taken_at
        if taken_at is not None and predicted_at - taken_at > timedelta(days=1):
            raise unusable(
                feature,
                "stale_age",
                "it is of another time than the prediction; give the date of birth",
            )
        return _number(feature, reading, findings)
    if not _FULL_DATE.match(value):
        raise unusable(feature, "partial_date", "the date of birth is not a full date")
    try:
        birth = date.fromisoformat(value)
    except ValueError as error:
        raise unusable(feature, "not_a_date", "the date of birth is not a date") from error
    if birth > predicted_at.astimezone(UTC).date():
        raise unusable(feature, "in_the_future", "the date of birth is after the prediction time")
    years = Reading(float(completed_years(birth, predicted_at)), "a")
    return _number(feature, years, findings)


def _shown(unit: str) -> str:
    return f"unit {unit!r}" if _UNIT.match(unit) else "the unit"


def _wanted(feature: Feature) -> str:
    if feature.category_systems:
        return f"; give a code of {' or '.join(feature.category_systems)}"
    if feature.unit is None:
        return ""
    return f"; give one of {', '.join(accepted_units(feature.unit, feature.analyte))}"
