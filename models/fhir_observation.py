"""One FHIR Observation as readings of the features that its codes stand for."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from msgspec.structs import astuple

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
from models.fhir_versions import FoundObservation
from models.readings import Fault, Reading
from models.units import contradicts_unit

Codes = Mapping[tuple[str, str], Sequence[Feature]]
Wanted = tuple[Measured, Feature, str]
Time = tuple[datetime | None, Fault | None]
# of Measured: what stands behind the text of a value
_NOTHING_ELSE = (*(None,) * 9, ())


class ObservationReader:
    """Reads the Observations of one Bundle, many of which have one and the same time."""

    def __init__(self, codes: Codes) -> None:
        self._codes = codes
        self._times: dict[str, Time] = {}

    def wanted(self, observation: Observation) -> list[Wanted]:
        """Return every part of an Observation that a code of it says stands for a feature."""
        wanted = _wanted(observation, self._codes)
        for component in observation.component:
            wanted += _wanted(component, self._codes)
        return wanted

    def read(self, one: FoundObservation, fault: Fault | None) -> Sequence[tuple[Feature, Reading]]:
        """Return the readings that an Observation gives, each with its feature.

        `fault` is what already speaks against all of it. Raises as `readings` does, and
        MalformedInput for names that couldn't be quoted, unless nothing is wanted.
        """
        found = self._plain(one, fault)
        if found is None:
            wanted = self.wanted(one.observation)
            if not wanted:
                return ()
            one.check_names()
            found = self.readings(
                one.observation, wanted, index=one.index, source=one.source, fault=fault
            )
        return found

    def _plain(
        self, one: FoundObservation, fault: Fault | None
    ) -> Sequence[tuple[Feature, Reading]] | None:
        """Return what `readings` would of an Observation with one code and one usual value.

        Nearly every Observation is such a one. None is for all others, which need a closer look.
        """
        observation = one.observation
        concept = observation.code
        if concept is None or len(concept.coding) != 1 or observation.component:
            return None
        system, code = concept.coding[0].system, concept.coding[0].code
        if system is None or code is None:
            return ()
        features = self._codes.get((system, code), ())
        if len(features) != 1:
            return None if features else ()
        if observation.implicit_rules or _has_several_times(observation):
            return None
        plain = _plain_value(observation, features[0])
        if plain is None:
            return None
        one.check_names()
        value, unit, comparator = plain
        date_time, issued = observation.effective_date_time, observation.issued
        known = self._times.get(date_time) if date_time is not None else None
        taken_at, time_fault = known or self._effective(observation, one.index)
        reading = Reading(
            value,
            unit,
            taken_at,
            code,
            one.source,
            None if issued is None else moment(issued, "issued", one.index),
            comparator,
            observation.status or "unknown",
            None,
            fault or time_fault,
        )
        return ((features[0], reading),)

    def readings(
        self,
        observation: Observation,
        wanted: Sequence[Wanted],
        *,
        index: int,
        source: str,
        fault: Fault | None = None,
    ) -> list[tuple[Feature, Reading]]:
        """Return the readings that the wanted parts of an Observation give.

        `index` is its place in the Bundle, for errors; `fault` is what already speaks against all
        of it. Raises MalformedInput for a contradiction and for a time without an offset, unless
        nothing is wanted.
        """
        if not wanted:
            return []
        if _has_several_times(observation):
            place = place_of(index)
            raise MalformedInput(
                f"{place} has more than one effective time; give one",
                field=f"{place}.effective",
                reason="contradictory_time",
            )
        date_time = observation.effective_date_time
        known = self._times.get(date_time) if date_time is not None else None
        taken_at, time_fault = known or self._effective(observation, index)
        issued = observation.issued
        issued_at = moment(issued, "issued", index) if issued is not None else None
        rules = bool(observation.implicit_rules or observation.modifier_extension)
        status = observation.status or "unknown"
        found = []
        for part, feature, code in wanted:
            value, unit, comparator, value_fault = _value(part, feature, index)
            modified: Fault | None = (
                "unknown_modifier" if rules or part.modifier_extension else None
            )
            reading = Reading(
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
                None if part.value_quantity is None else _other_unit(part.value_quantity, feature),
            )
            found.append((feature, reading))
        return found

    def _effective(self, observation: Observation, index: int) -> Time:
        text = observation.effective_date_time or observation.effective_instant
        if text is None and observation.effective_period is not None:
            text = observation.effective_period.end
        if text is None:
            return None, "undated"
        if text not in self._times:
            taken_at = moment(text, "effective", index)
            self._times[text] = taken_at, "partial_time" if taken_at is None else None
        return self._times[text]


def _has_several_times(observation: Observation) -> bool:
    """Say whether there is more than one effective time, of which FHIR allows for one."""
    date_time, instant = observation.effective_date_time, observation.effective_instant
    if observation.effective_period is not None:
        return date_time is not None or instant is not None
    return date_time is not None and instant is not None


def _wanted(part: Measured, codes: Codes) -> list[Wanted]:
    """Return each feature that a part's concept stands for once, with the code that says so."""
    wanted: list[Wanted] = []
    for coding in part.code.coding if part.code is not None else ():
        code = coding.code
        if code is None or coding.system is None:
            continue
        for feature in codes.get((coding.system, code), ()):
            if not wanted or all(feature is not known for _, known, _ in wanted):
                wanted.append((part, feature, code))
    return wanted


def _absent_because(part: Measured) -> str | None:
    reason = part.data_absent_reason
    if reason is None:
        return None
    return known_reason(next((coding.code for coding in reason.coding if coding.code), None))


def _plain_value(
    observation: Observation, feature: Feature
) -> tuple[float | str, str | None, str | None] | None:
    """Return value, unit and comparator of a quantity in UCUM or of a category's text.

    None is for whatever else is given, or given beside.
    """
    given = astuple(observation)
    quantity, text = given[1], given[3]
    if given[2] is not None or given[4:14] != _NOTHING_ELSE:
        return None
    if feature.kind == "categorical":
        return None if text is None or quantity is not None else (text, None, None)
    if quantity is None or text is not None or quantity.value is None:
        return None
    code = quantity.code
    if not code or quantity.system != UCUM or (quantity.unit and _contradicts(quantity, feature)):
        return None
    return quantity.value, code, quantity.comparator


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
    if quantity.system == UCUM and quantity.code:
        return quantity.value, quantity.code, quantity.comparator, None
    unit = quantity.unit or quantity.code
    fault: Fault | None = None
    if quantity.system is None and _contradicts(quantity, feature):
        fault = "contradictory_unit"
    elif quantity.system is not None and quantity.system != UCUM:
        fault = "unit_system"
    elif not unit and not _is_bare(feature):
        fault = "no_unit"
    return quantity.value, unit or None, quantity.comparator, fault


def _other_unit(quantity: Quantity, feature: Feature) -> str | None:
    """Return the text of a unit that UCUM's code beside it contradicts."""
    text = quantity.unit
    if not text or quantity.system != UCUM or not _contradicts(quantity, feature):
        return None
    return text


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
