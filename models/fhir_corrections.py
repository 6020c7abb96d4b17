"""Observations that were corrected or entered in error, as reports for one definition."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Final

from models.corrections import CORRECTED, IN_ERROR, LONGEST, Correction
from models.definition import Definition
from models.errors import MalformedInput, UnusableValue
from models.feature import Feature
from models.fhir import read_observations
from models.fhir_observation import ObservationReader
from models.fhir_versions import FoundObservation
from models.readings import Reading
from models.values import value_of

STATUSES: Final = {"corrected": CORRECTED, "amended": CORRECTED, "entered-in-error": IN_ERROR}


def read_corrected(body: bytes) -> Sequence[FoundObservation]:
    """Read a Bundle of Observations of any patients, every one of them corrected or in error.

    Raises MalformedInput for what isn't such a Bundle, and for an Observation of another status,
    or without a sound id or fullUrl by which predictions could have named it.
    """
    found = read_observations(body)
    if not found:
        raise MalformedInput(
            "the Bundle holds no Observation", field="Bundle.entry", reason="missing_field"
        )
    for one in found:
        if one.observation.status not in STATUSES:
            raise MalformedInput(
                f"{one.place}.status is none of {', '.join(STATUSES)}",
                field=f"{one.place}.status",
                reason="unknown_status",
            )
        if not one.is_named or len(one.name) > LONGEST:
            raise MalformedInput(
                f"{one.place} needs an id or a fullUrl of at most {LONGEST} characters",
                field=f"{one.place}.id",
                reason="missing_field",
            )
        one.check_names()
        if one.is_undecided:
            raise MalformedInput(
                f"{one.place} differs from another version of it, and it can't be told which is "
                "the newer; give meta.lastUpdated or a number as meta.versionId",
                field=f"{one.place}.meta",
                reason="undecided_version",
            )
    return found


def corrections_for(
    definition: Definition, found: Sequence[FoundObservation], now: datetime
) -> list[Correction]:
    """Return a report for each feature that the Observations stand for, or of the source alone.

    A corrected value that can't be used leaves the feature out: what used it is listed all the
    same, without a new risk. Raises MalformedInput as reading an Observation does.
    """
    return [report for one in found for report in _reports(definition, one, now)]


def _reports(definition: Definition, one: FoundObservation, now: datetime) -> Iterator[Correction]:
    status = STATUSES[one.observation.status or ""]
    reader = ObservationReader(definition.by_coding)
    wanted = reader.wanted(one.observation)
    read = list(reader.readings(one.observation, wanted, index=one.index, source=one.name))
    if not read:
        yield Correction(one.name, status)
    for feature, reading in read:
        if status == IN_ERROR:
            yield Correction(one.name, status, feature.name)
            continue
        value = _value(feature, reading, now)
        named = feature.name if value is not None else ""
        yield Correction(one.name, status, named, value)


def _value(feature: Feature, reading: Reading, now: datetime) -> float | str | None:
    if reading.value is None or reading.fault is not None:
        return None
    try:
        return value_of(feature, reading, now, [])
    except UnusableValue:
        return None
