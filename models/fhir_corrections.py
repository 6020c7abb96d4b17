"""Observations that were corrected or entered in error, as reports for one definition."""

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Final, NamedTuple

import msgspec

from models.absent_reasons import WITHHELD
from models.candidates import SET_ASIDE, set_aside
from models.corrections import CORRECTED, IN_ERROR, LONGEST, Correction, contradictions
from models.definition import Definition
from models.errors import MalformedInput, UnusableValue
from models.feature import Feature
from models.fhir import read_observations
from models.fhir_observation import ObservationReader
from models.fhir_resources import Observation
from models.fhir_subject import subject_named
from models.fhir_unread import seen_again
from models.fhir_versions import FoundObservation
from models.readings import EARLIEST, Finding, Reading
from models.values import value_of

STATUSES: Final = {"corrected": CORRECTED, "amended": CORRECTED, "entered-in-error": IN_ERROR}

_NOT_TOLD: Final = (
    "whose it is can't be told by more than the reference of a Patient, on the server that the "
    "entry's fullUrl states; predictions that used it are withdrawn without a new risk"
)
_WITHHELD: Final = (
    "its corrected value is withheld for privacy; predictions that used it are withdrawn without a "
    "new risk"
)


class CorrectedObservation(NamedTuple):
    """An Observation as it is now, and its text, which may hold what isn't read."""

    found: FoundObservation
    observation: Observation
    text: msgspec.Raw


def read_corrected(body: bytes) -> Sequence[CorrectedObservation]:
    """Read a Bundle of Observations of any patients, every one of them corrected or in error.

    Raises MalformedInput for what isn't such a Bundle or isn't the whole of one, and for an
    Observation of another status, or without a sound id or fullUrl by which predictions could have
    named it.
    """
    found = [CorrectedObservation(*each) for each in read_observations(body)]
    if not found:
        raise MalformedInput(
            "the Bundle holds no Observation", field="Bundle.entry", reason="missing_field"
        )
    for one, observation, _ in found:
        if observation.known_status not in STATUSES:
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
    definition: Definition,
    found: Sequence[CorrectedObservation],
    now: datetime,
    flagged: list[str],
    pseudonym: Callable[[str], str],
) -> list[Correction]:
    """Return a report for each feature that the Observations stand for, or of the source alone.

    Each is of the whole Observation, with its time and patient, as the pseudonym of `Patient/id`.
    A corrected Observation without a value leaves the feature out: what used it is listed all the
    same, without a new risk. One whose value is withheld does so too, whatever value stands there
    (FHIR-16): what used it isn't right any more, and no value may be guessed. What is taken but
    doubtful is appended to `flagged`, in words that name the Observation. Raises UnusableValue,
    which names its place, for a value that a prediction wouldn't take, and MalformedInput as
    reading an Observation does, or where the parts of one contradict each other.
    """
    reports: list[Correction] = []
    for corrected in found:
        one = corrected.found
        named = corrected.observation.subject
        patient = subject_named(named, one.name)
        if named is not None and named.reference and not patient:
            flagged.append(f"{one.name}: {_NOT_TOLD}")
        subject = pseudonym(patient) if patient else ""
        own = list(_reports(definition, corrected, now, flagged, subject))
        for _, fault in contradictions(own):
            raise MalformedInput(f"{one.place}: {fault}", field=one.place, reason=fault.reason)
        reports += own
    return reports


def _reports(
    definition: Definition,
    corrected: CorrectedObservation,
    now: datetime,
    flagged: list[str],
    subject: str,
) -> Iterator[Correction]:
    one, observation, text = corrected
    status = STATUSES[observation.known_status or ""]
    reader = ObservationReader(definition.by_coding)
    wanted = reader.wanted(observation)
    read = list(reader.readings(observation, wanted, index=one.index, source=one.name))
    if not read:
        yield Correction(one.name, status, whole=True, subject=subject)
    for feature, reading in read:
        if status == IN_ERROR:
            yield Correction(one.name, status, feature.name)
            continue
        reading = seen_again(text, reading)
        _check_time(reading, one)
        if reading.value is None and reading.absent_because in WITHHELD:
            flagged.append(f"{one.name}: {feature.title}: {_WITHHELD}")
        findings: list[Finding] = []
        try:
            value = _value(feature, reading, now, findings)
        except UnusableValue as error:
            words = f"{one.place} can't be used by {definition.name}: {error}"
            raise UnusableValue(words, field=one.place, reason=error.reason) from error
        flagged += [f"{one.name}: {said.words}" for said in findings if said.kind == "flagged"]
        if value is None:
            yield Correction(one.name, status)
        else:
            yield Correction(one.name, status, feature.name, value, True, reading.taken_at, subject)


def _check_time(reading: Reading, one: FoundObservation) -> None:
    """Raise MalformedInput for a time that is older than anybody's."""
    if reading.taken_at is not None and reading.taken_at < EARLIEST:
        field = f"{one.place}.effective"
        raise MalformedInput(
            f"{field} is before {EARLIEST.year}; correct it", field=field, reason="bad_time"
        )


def _value(
    feature: Feature, reading: Reading, now: datetime, findings: list[Finding]
) -> float | str | None:
    """Return the value as a prediction would take it, however long ago it was true, or None."""
    fault = reading.fault
    if reading.value is None and (fault is None or fault in SET_ASIDE):
        return None
    if fault in SET_ASIDE:
        raise set_aside(feature, fault)
    if reading.taken_at is not None and reading.taken_at > now:
        raise set_aside(feature, "in_the_future")
    return value_of(feature, reading, now, findings)
