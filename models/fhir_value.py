"""The value of an Observation, or of a component of one: a number with its unit, or a category."""

from collections.abc import Sequence
from math import isclose
from typing import Any, Final

from models.absent_reasons import WITHHELD, known_reason
from models.errors import MalformedInput
from models.feature import Feature
from models.fhir_category import Value, category_in
from models.fhir_resources import (
    UCUM,
    CodedValue,
    Measured,
    Primitive,
    Quantity,
    is_absent,
    place_of,
)
from models.readings import Fault, Reading
from models.units import contradicts_unit, convert, is_text_only

_SAME: Final = 0.01


def absent_because(part: Measured) -> str | None:
    """Return why a value is absent, wherever it's said; that it's withheld comes first."""
    given = absent_reasons(part)
    return next((one for one in given if one in WITHHELD), next(iter(given), None))


def absent_reasons(part: Measured) -> list[str]:
    """Return every reason for which a value is said to be absent, wherever it's said."""
    beside = _said_beside(part)
    reasons = [] if beside is None else [beside]
    if part.data_absent_reason is not None:
        coding = part.data_absent_reason.coding
        reasons += [known_reason(one.code) for one in coding if one.code] or [known_reason(None)]
    return reasons


def value_in(part: Measured, feature: Feature, index: int) -> Value:
    """Return value, unit, comparator and fault; raise MalformedInput for several values."""
    beside = _said_beside(part)
    amount = part.amount
    if amount is not None and feature.kind == "numeric" and beside is None:
        return _quantity(amount, feature)
    quantity = part.value_quantity
    values = part.values
    _check_one_value(part, values, beside, feature, index)
    if not values or beside is not None:
        return None, None, None, None
    if feature.kind == "categorical":
        return category_in(part, feature)
    if quantity is not None:
        return _quantity(quantity, feature)
    if part.value_integer is not None:
        unit_fault: Fault | None = None if _is_bare(feature) else "no_unit"
        return _number(part.value_integer, index), None, None, unit_fault
    if part.value_string is not None:
        return None, None, None, "text_value"
    return None, None, None, "not_a_value"


def other_unit(quantity: Quantity, feature: Feature) -> str | None:
    """Return the text of a unit that UCUM's code beside it contradicts."""
    text = quantity.unit
    if not text or quantity.system != UCUM or not contradicts(text, quantity.code, feature):
        return None
    return text


def values_differ(feature: Feature, one: Reading, other: Reading) -> bool:
    """Say whether two readings of a feature have values that aren't the same within 1 %."""
    if one.value is None or other.value is None:
        return False
    if (one.value, one.unit, one.comparator) == (other.value, other.unit, other.comparator):
        return False
    if isinstance(one.value, str) or isinstance(other.value, str):
        return True
    to = feature.unit or "1"
    try:
        first, second = (
            convert(float(value), unit or to, to=to, analyte=feature.analyte)
            for value, unit in ((one.value, one.unit), (other.value, other.unit))
        )
    except ValueError:
        return True
    return one.comparator != other.comparator or not isclose(first, second, rel_tol=_SAME)


def _said_beside(part: Measured) -> str | None:
    """Return why a value is absent as its own extensions say it."""
    reasons = [place.absent_because for place in part.beside]
    given = [reason for reason in reasons if reason is not None]
    return next((one for one in given if one in WITHHELD), next(iter(given), None))


def _check_one_value(
    part: Measured, values: Sequence[Any], beside: str | None, feature: Feature, index: int
) -> None:
    is_absent = part.data_absent_reason is not None or (
        beside is not None and not all(_is_empty(one) for one in values)
    )
    if len(values) < 2 and not (values and is_absent):
        return
    place = place_of(index)
    raise MalformedInput(
        f"{place}: {feature.title} has more than one value, or a value and a reason for its "
        "absence; give one",
        field=f"{place}.value",
        reason="contradictory_value",
    )


def _is_empty(value: Any) -> bool:
    if isinstance(value, Quantity):
        return value.value is None
    return isinstance(value, CodedValue) and value.is_empty


def _number(integer: int, index: int) -> float:
    try:
        return float(integer)
    except OverflowError as error:
        field = f"{place_of(index)}.valueInteger"
        raise MalformedInput(
            f"{field} is beyond what a number can hold", field=field, reason="not_finite"
        ) from error


def _besides(quantity: Quantity) -> tuple[Primitive | None, ...]:
    """Return what stands beside a quantity's value, its comparator, and the parts of its unit."""
    return (
        quantity.value_beside,
        quantity.comparator_beside,
        quantity.unit_beside,
        quantity.system_beside,
        quantity.code_beside,
    )


def _quantity(quantity: Quantity, feature: Feature) -> Value:
    if quantity.value is None:
        return None, None, None, None
    if any(is_absent(one) for one in _besides(quantity)[2:]):
        return quantity.value, None, quantity.comparator, "absent_unit"
    if is_absent(quantity.comparator_beside):
        return quantity.value, None, quantity.comparator, "absent_comparator"
    fault: Fault | None = None
    if quantity.system == UCUM and quantity.code:
        fault = "unknown_unit" if is_text_only(quantity.code) else None
        return quantity.value, quantity.code, quantity.comparator, fault
    unit = quantity.unit or quantity.code
    if quantity.system is None and contradicts(quantity.unit, quantity.code, feature):
        fault = "contradictory_unit"
    elif quantity.system is not None and quantity.system != UCUM:
        fault = "unit_system"
    elif not unit and not _is_bare(feature):
        fault = "no_unit"
    return quantity.value, unit or None, quantity.comparator, fault


def contradicts(text: str | None, code: str | None, feature: Feature) -> bool:
    """Say whether the text and the code of a unit are different units."""
    if not text or not code or text == code:
        return False
    return contradicts_unit(text, code, feature.unit or "1", feature.analyte)


def _is_bare(feature: Feature) -> bool:
    """Say whether a feature is a pure number, which needs no unit."""
    unit = feature.unit or "1"
    return unit in ("1", "[pH]") or (unit.startswith("{") and not feature.unit_mandatory)
