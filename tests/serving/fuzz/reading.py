"""A second, plain reading of a request, written apart: which values could rightly be scored.

It knows the made-up model only. It doesn't choose among several values; it says which ones
nothing speaks against, so that a value that was scored and isn't among them is a fault.
"""

import math
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from tests.factories import NOW

LOOK_BACK = {"lactate": timedelta(days=1), "creatinine": timedelta(days=7)}
CODES = {"2524-7": "lactate", "2160-0": "creatinine"}
# published factors (mass to amount of substance), as docs and standards state them
FACTORS = {
    "lactate": {"mmol/L": 1.0, "mg/dL": 0.1110},
    "creatinine": {"mg/dL": 1.0, "mg/L": 0.1, "umol/L": 0.011312, "mmol/L": 11.312},
}
RANGES = {"lactate": (0.1, 30.0), "creatinine": (0.1, 30.0)}
SAME_UNIT = {"µmol/L": "umol/L", "μmol/L": "umol/L"}


def could_be(protocol: str, request: Any, feature: str, value: float | str) -> bool:
    """Whether something in the request supports a value that was scored."""
    if protocol == "json":
        return any(_fits(feature, value, one) for one in _listed(request["values"][feature]))
    resources = list(_resources(request))
    if feature in ("age", "sex"):
        return any(_is_of_person(one, feature, value) for one in resources)
    return any(_supports(one, feature, value) for one in resources)


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _fits(feature: str, value: float | str, given: Any) -> bool:
    """Whether a JSON entry may count as the value."""
    about = given if isinstance(given, dict) else {"value": given}
    number, unit = about.get("value"), about.get("unit")
    if about.get("comparator") is not None or not _is_timely(feature, about.get("time")):
        return False
    if isinstance(value, str) or isinstance(number, str | bool):
        return bool(number == value)
    if feature == "age":
        years = {None: 1.0, "a": 1.0, "mo": 1 / 12, "d": 1 / 365.25}.get(unit)
        return years is not None and math.isclose(number * years, value) and value == int(value)
    if unit is None and feature == "lactate":
        return False
    return _is_amount(feature, value, number, unit or "mg/dL")


def _is_amount(feature: str, value: float, number: Any, unit: Any) -> bool:
    factor = FACTORS[feature].get(SAME_UNIT.get(unit, unit))
    if factor is None or not isinstance(number, int | float) or isinstance(number, bool):
        return False
    low, high = RANGES[feature]
    return low <= value <= high and math.isclose(number * factor, value, rel_tol=1e-4)


def _is_timely(feature: str, text: Any) -> bool:
    """Whether a JSON entry's time lets it count; without one it's stated to be current."""
    if text is None:
        return True
    at = _moment(text)
    return at is not None and NOW - LOOK_BACK.get(feature, timedelta(days=1)) <= at <= NOW


def _moment(text: Any) -> datetime | None:
    try:
        at = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        return None
    return at if at.tzinfo is not None else None


def _resources(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        if "resourceType" in value:
            yield value
        for part in value.values():
            yield from _resources(part)
    elif isinstance(value, list):
        for part in value:
            yield from _resources(part)


def _is_of_person(resource: dict[str, Any], feature: str, value: float | str) -> bool:
    if resource.get("resourceType") != "Patient" or resource.get("modifierExtension"):
        return False
    if feature == "sex":
        return resource.get("gender") == value
    year, month, day = (int(part) for part in str(resource.get("birthDate")).split("-"))
    return value == NOW.year - year - ((NOW.month, NOW.day) < (month, day))


def _supports(resource: dict[str, Any], feature: str, value: float | str) -> bool:
    """Whether an Observation may be where a value comes from."""
    if resource.get("resourceType") != "Observation":
        return False
    if resource.get("status") not in ("final", "amended", "corrected"):
        return False
    if resource.get("modifierExtension") or resource.get("implicitRules"):
        return False
    if "p2" in str(resource.get("subject")) or not resource.get("subject"):
        return False
    at, issued = _moment(resource.get("effectiveDateTime")), resource.get("issued")
    if at is None or not NOW - LOOK_BACK[feature] <= at <= NOW:
        return False
    if issued is not None and (_moment(issued) or NOW + LOOK_BACK[feature]) > NOW:
        return False
    return any(_holds(part, feature, value) for part in _parts(resource))


def _parts(resource: dict[str, Any]) -> list[dict[str, Any]]:
    components = resource.get("component")
    return [resource, *(components if isinstance(components, list) else [])]


def _holds(part: dict[str, Any], feature: str, value: float | str) -> bool:
    codings = (part.get("code") or {}).get("coding") or []
    named = any(
        one.get("system") == "http://loinc.org" and CODES.get(one.get("code")) == feature
        for one in codings
    )
    quantity = part.get("valueQuantity") or {}
    if not named or quantity.get("comparator") is not None or isinstance(value, str):
        return False
    if part.get("dataAbsentReason") or part.get("valueString") is not None:
        return False
    unit = quantity.get("code") or quantity.get("unit")
    if quantity.get("system") not in (None, "http://unitsofmeasure.org"):
        return False
    return _is_amount(feature, value, quantity.get("value"), unit)
