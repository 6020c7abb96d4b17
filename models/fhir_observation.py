"""One FHIR Observation as readings of the features that its codes stand for."""

from collections.abc import Sequence
from datetime import datetime

from models.errors import MalformedInput
from models.feature import Feature
from models.fhir_category import is_doubtful_category
from models.fhir_codes import Codes, Wanted, code_fault, wanted_in
from models.fhir_interpretation import NOTHING_SAID, interpretation_of
from models.fhir_labels import UNLABELLED, labels_of
from models.fhir_names import IS_ID
from models.fhir_panel import beside_whole, check_components, not_given, withheld
from models.fhir_resources import Measured, Observation, Period, is_absent, place_of
from models.fhir_subject import is_of_another
from models.fhir_time import first_day, moment
from models.fhir_usual import UsualObservation, usual_value, whole
from models.fhir_value import absent_because, other_unit, value_in
from models.fhir_versions import FoundObservation
from models.loinc import HELD_BY
from models.readings import Doubt, Fault, Reading

Time = tuple[datetime | None, Fault | None]


class ObservationReader:
    """Reads the Observations of one Bundle, many of which have one and the same time."""

    def __init__(self, codes: Codes) -> None:
        self._codes = codes
        self._times: dict[str, Time] = {}

    def wanted(self, observation: Observation) -> list[Wanted]:
        """Return every part of an Observation that a code of it says stands for a feature."""
        wanted = wanted_in(observation, self._codes)
        for component in observation.component:
            wanted += wanted_in(component, self._codes)
        return wanted

    def read(self, one: FoundObservation, fault: Fault | None) -> Sequence[tuple[Feature, Reading]]:
        """Return the readings that an Observation gives, each with its feature.

        `fault` is what already speaks against all of it. Raises as `readings` does, and
        MalformedInput for names that couldn't be quoted, unless nothing is wanted.
        """
        observation = one.observation
        if (
            type(observation) is not UsualObservation
            or len(observation.code.coding) != 1
            or not observation.effective_date_time
        ):
            return self._close_look(one, fault)
        coding = observation.code.coding[0]
        system, code = coding.system, coding.code
        if system is None or code is None:
            return ()
        features = self._codes.get((system, code), ())
        if len(features) != 1:
            return self._close_look(one, fault) if features or code in HELD_BY else ()
        usual = usual_value(observation, features[0])
        if usual is None or _says_more(observation, one.index):
            return self._close_look(one, fault)
        source = self._source(one)
        value, unit, comparator = usual
        text, issued = observation.effective_date_time, observation.issued
        taken_at, time_fault = self._times.get(text) or self._time(text, one.index)
        issued_at, issue_fault = (None, None) if issued is None else _issued(issued, one.index)
        reading = Reading(
            value,
            unit,
            taken_at,
            code,
            source,
            issued_at,
            comparator,
            observation.status,
            None,
            fault or time_fault or issue_fault,
        )
        return ((features[0], reading),)

    def _close_look(
        self, one: FoundObservation, fault: Fault | None
    ) -> Sequence[tuple[Feature, Reading]]:
        observation = whole(one.observation)
        wanted = self.wanted(observation)
        wanted += not_given(observation, wanted, self._codes, one.index)
        if not wanted:
            return ()
        one.check_names()
        return self.readings(observation, wanted, index=one.index, source=one.source, fault=fault)

    def _source(self, one: FoundObservation) -> str:
        """Return what an Observation is called; raise MalformedInput where that is no name."""
        own = one.observation.id
        if own is not None and one.full_url is None and one.observation.meta is None and IS_ID(own):
            return f"Observation/{own}"
        one.check_names()
        return one.source

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
        _check_one_time(observation, index)
        taken_at, time_fault = self._effective(observation, index)
        issued_at, issue_fault = _issued(observation.issued, index)
        if _is_untimed(observation):
            taken_at, time_fault = None, "undated"
        time_fault = time_fault or issue_fault
        rules = bool(observation.implicit_rules or observation.modifier_extension)
        focus = observation.focus
        if focus and fault is None and is_of_another(focus, observation.subject):
            fault = "other_focus"
        status = observation.known_status or "unknown"
        labels = labels_of(observation.meta, index)
        found: list[tuple[Feature, Reading]] = []
        for part, feature, code in wanted:
            value, unit, comparator, value_fault = value_in(part, feature, index)
            said = interpretation_of(part.interpretation)
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
                comparator or (said.comparator if isinstance(value, float) else None),
                status,
                absent_because(part),
                fault or modified or time_fault or code_fault(part, self._codes) or value_fault,
                None if part.value_quantity is None else other_unit(part.value_quantity, feature),
                (*labels.doubts, *said.doubts, *_doubts(part, feature, value)),
            )
            found.append((feature, withheld(reading) if labels.is_masked else reading))
        if observation.component:
            found = [
                (feature, beside_whole(reading, observation, part))
                for (part, _, _), (feature, reading) in zip(wanted, found, strict=True)
            ]
            check_components(observation, [part for part, _, _ in wanted], found, index)
        return found

    def _effective(self, observation: Observation, index: int) -> Time:
        text = observation.effective_date_time or observation.effective_instant
        if text is None and observation.effective_period is not None:
            text = observation.effective_period.end
            _check_period(observation.effective_period, index)
        return (None, "undated") if text is None else self._time(text, index)

    def _time(self, text: str, index: int) -> Time:
        if text not in self._times:
            taken_at = moment(text, "effective", index)
            self._times[text] = taken_at, "partial_time" if taken_at is None else None
        return self._times[text]


def _says_more(observation: UsualObservation, index: int) -> bool:
    """Say whether labels or the interpretation of an Observation say more than its value."""
    meta, interpretation = observation.meta, observation.interpretation
    return (meta is not None and labels_of(meta, index) is not UNLABELLED) or (
        bool(interpretation) and interpretation_of(interpretation) is not NOTHING_SAID
    )


def _doubts(part: Measured, feature: Feature, value: float | str | None) -> tuple[Doubt, ...]:
    doubtful = is_doubtful_category(part.value_codeable_concept, feature, value)
    return ("category_text",) if doubtful else ()


def _issued(text: str | None, index: int) -> Time:
    """Return when a result was issued; a mere day doesn't say whether it could be known by then."""
    issued_at = None if text is None else moment(text, "issued", index)
    return issued_at, "partial_time" if text is not None and issued_at is None else None


def _is_untimed(observation: Observation) -> bool:
    """Say whether a reason for the absence of a time stands beside one that is given."""
    period, is_issue_absent = observation.effective_period, is_absent(observation.issued_beside)
    if observation.issued is not None and is_issue_absent:
        return True
    besides = [observation.effective_date_time_beside, observation.effective_instant_beside]
    if period is not None:
        besides += [period, period.end_beside]
        besides += [period.start_beside] if period.start is not None else []
    return any(is_absent(one) for one in besides)


def _check_one_time(observation: Observation, index: int) -> None:
    """Raise MalformedInput for more than one effective time, of which FHIR allows for one."""
    times = (
        observation.effective_date_time,
        observation.effective_instant,
        observation.effective_period,
        observation.effective_timing,
    )
    if times.count(None) < len(times) - 1:
        place = place_of(index)
        raise MalformedInput(
            f"{place} has more than one effective time; give one",
            field=f"{place}.effective",
            reason="contradictory_time",
        )


def _check_period(period: Period, index: int) -> None:
    """Raise MalformedInput for a period that starts after its end."""
    if period.start is None or period.end is None:
        return
    start, end = (moment(text, "effective", index) for text in (period.start, period.end))
    if start is not None and end is not None:
        is_backward = start > end
    else:
        place = f"{place_of(index)}.effective"
        is_backward = first_day(period.start, place) > first_day(period.end, place)
    if is_backward:
        place = place_of(index)
        raise MalformedInput(
            f"{place}.effectivePeriod starts after its end; correct it",
            field=f"{place}.effective",
            reason="contradictory_time",
        )
