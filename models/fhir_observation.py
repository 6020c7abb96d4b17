"""One FHIR Observation as readings of the features that its codes stand for."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from models.errors import MalformedInput
from models.feature import Feature
from models.fhir_resources import (
    UCUM,
    Measured,
    Observation,
    Quantity,
    known_reason,
    place_of,
)
from models.fhir_time import moment
from models.readings import Fault, Reading
from models.units import contradicts_unit

Codes = Mapping[tuple[str, str], Sequence[Feature]]
Wanted = tuple[Measured, Feature, str]


class ObservationReader:
    """Reads the Observations of one Bundle, many of which have one and the same time."""

    def __init__(self, codes: Codes) -> None:
        self._codes = codes
        self._times: dict[str, datetime | None] = {}

    def wanted(self, observation: Observation) -> list[Wanted]:
        """Return every part of an Observation that a code of it says stands for a feature."""
        wanted = _wanted(observation, self._codes)
        for component in observation.component:
            wanted += _wanted(component, self._codes)
        return wanted

    def readings(
        self,
        observation: Observation,
        wanted: Sequence[Wanted],
        *,
        index: int,
        source: str,
        fault: Fault | None = None,
    ) -> Iterator[tuple[Feature, Reading]]:
        """Yield the readings that the wanted parts of an Observation give.

        `index` is its place in the Bundle, for errors; `fault` is what already speaks against all
        of it. Raises MalformedInput for a contradiction and for a time without an offset, unless
        nothing is wanted.
        """
        if not wanted:
            return
        taken_at, time_fault = self._effective(observation, index)
        issued = observation.issued
        issued_at = moment(issued, "issued", index) if issued is not None else None
        rules = bool(observation.implicit_rules or observation.modifier_extension)
        status = observation.status or "unknown"
        for part, feature, code in wanted:
            value, unit, comparator, value_fault = _value(part, feature, index)
            modified: Fault | None = (
                "unknown_modifier" if rules or part.modifier_extension else None
            )
            yield (
                feature,
                Reading(
                    value,
                    unit,
                    taken_at,
                    code,
                    source,
                    issued_at,
                    comparator,
                    status,
                    None if part.data_absent_reason is None else _absent_because(part),
                    fault or modified or time_fault or value_fault,
                    _other_unit(part.value_quantity, feature),
                ),
            )

    def _effective(
        self, observation: Observation, index: int
    ) -> tuple[datetime | None, Fault | None]:
        text = observation.effective_date_time or observation.effective_instant
        if text is None and observation.effective_period is not None:
            text = observation.effective_period.end
        if text is None:
            return None, "undated"
        times = self._times
        if text not in times:
            times[text] = moment(text, "effective", index)
        taken_at = times[text]
        return taken_at, "partial_time" if taken_at is None else None


def _wanted(part: Measured, codes: Codes) -> list[Wanted]:
    """Return each feature that a part's concept stands for once, with the code that says so."""
    wanted: list[Wanted] = []
    for coding in part.code.coding if part.code is not None else ():
        system, code = coding.system, coding.code
        if system is None or code is None:
            continue
        for feature in codes.get((system, code), ()):
            if not wanted or all(feature is not known for _, known, _ in wanted):
                wanted.append((part, feature, code))
    return wanted


def _absent_because(part: Measured) -> str | None:
    reason = part.data_absent_reason
    if reason is None:
        return None
    return known_reason(next((coding.code for coding in reason.coding if coding.code), None))


def _value(
    part: Measured, feature: Feature, index: int
) -> tuple[float | str | None, str | None, str | None, Fault | None]:
    """Return value, unit, comparator and fault."""
    amount = part.amount
    if amount is not None and feature.kind == "numeric":
        return _quantity(amount, feature)
    values = part.values
    if len(values) > 1 or (values and part.data_absent_reason is not None):
        place = place_of(index)
        raise MalformedInput(
            f"{place}: {feature.title} has more than one value, or a value and a reason for its "
            "absence; give one",
            field=f"{place}.value",
            reason="contradictory_value",
        )
    if not values:
        return None, None, None, None
    if feature.kind == "categorical":
        category = _category(part, feature)
        return category, None, None, None if category is not None else "not_a_value"
    if part.value_quantity is not None:
        return _quantity(part.value_quantity, feature)
    if part.value_integer is not None:
        unit_fault: Fault | None = None if _is_bare(feature) else "no_unit"
        return float(part.value_integer), None, None, unit_fault
    if part.value_string is not None:
        return None, None, None, "text_value"
    return None, None, None, "not_a_value"


def _quantity(
    quantity: Quantity, feature: Feature
) -> tuple[float | None, str | None, str | None, Fault | None]:
    if quantity.value is None:
        return None, None, None, None
    unit = quantity.code if quantity.system == UCUM and quantity.code else quantity.unit
    unit = unit or quantity.code
    fault: Fault | None = None
    if _contradicts(quantity, feature) and quantity.system is None:
        fault = "contradictory_unit"
    elif quantity.system is not None and quantity.system != UCUM:
        fault = "unit_system"
    elif not unit and not _is_bare(feature):
        fault = "no_unit"
    return quantity.value, unit or None, quantity.comparator, fault


def _other_unit(quantity: Quantity | None, feature: Feature) -> str | None:
    """Return the text of a unit that UCUM's code beside it contradicts."""
    if quantity is None or quantity.system != UCUM or not _contradicts(quantity, feature):
        return None
    return quantity.unit


def _contradicts(quantity: Quantity, feature: Feature) -> bool:
    """Say whether the text and the code of a unit would give different values."""
    text, code = quantity.unit, quantity.code
    if not text or not code or text == code:
        return False
    return contradicts_unit(text, code, feature.unit or "1", feature.analyte)


def _is_bare(feature: Feature) -> bool:
    """Say whether a feature is a pure number, which needs no unit."""
    unit = feature.unit or "1"
    return unit in ("1", "[pH]") or (unit.startswith("{") and not feature.unit_mandatory)


def _category(part: Measured, feature: Feature) -> str | None:
    if part.value_string is not None:
        return part.value_string
    if part.value_boolean is not None:
        return "true" if part.value_boolean else "false"
    concept = part.value_codeable_concept
    if concept is None:
        return None
    given = [coding.code for coding in concept.coding if coding.code]
    known = [code for code in given if code in feature.categories]
    return next(iter(known or given), concept.text)
