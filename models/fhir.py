"""A FHIR R4 Bundle as readings: one patient, and what the definition's codes ask for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TypeVar

import msgspec

from models.definition import Definition
from models.errors import MalformedInput, TooMuchData, UnusableValue
from models.fhir_bundle import (
    OUTCOME,
    AnyEntry,
    Kind,
    Search,
    SentBundle,
    check_addresses,
    check_complete,
    check_entries,
    messages,
)
from models.fhir_demographics import demographics
from models.fhir_encounter import Encounter, FoundEncounter, read_encounter, ward_of
from models.fhir_labels import findings_of
from models.fhir_observation import ObservationReader
from models.fhir_resources import Observation, OperationOutcome, Patient, place_of
from models.fhir_subject import (
    PatientContext,
    Person,
    Subjects,
    check_alive,
    check_names,
    check_rules,
)
from models.fhir_unread import check_type, other_values, seen_again
from models.fhir_usual import USUAL, AnyObservation, UsualObservation, whole
from models.fhir_versions import FoundObservation, newest_versions
from models.misfit import json_fault, misfit
from models.readings import Finding, Reading

__all__ = [
    "BundleReadings",
    "PatientContext",
    "read_bundle",
    "read_entries",
    "read_observations",
]

# A transaction or batch is read for the data that it carries; nothing of it is carried out.
MAX_ENTRIES = 3_000
_TYPES = ("collection", "searchset", "transaction", "batch")

T = TypeVar("T")
AnyResource = AnyObservation | Patient | Encounter | OperationOutcome
_OBSERVED = (UsualObservation, Observation)
_A_PATIENT = b'{"resourceType":"Patient"'  # as is no Observation, but not all Patients begin
_OBSERVATIONS = msgspec.json.Decoder(Observation)


@dataclass(frozen=True, slots=True)
class BundleReadings:
    """What a Bundle says of the definition's features, of whom and where, and what is doubtful."""

    readings: Mapping[str, list[Reading]]
    patient: PatientContext
    findings: tuple[Finding, ...]
    ward: str = ""


def read_bundle(body: bytes, definition: Definition, predicted_at: datetime) -> BundleReadings:
    """Read a Bundle (collection, searchset, or the data of a transaction or batch).

    Raises MalformedInput for what isn't such a Bundle, TooMuchData for one of more than
    MAX_ENTRIES, UnusableValue where it holds another patient's data or is withheld, OutOfScope
    for a deceased patient.
    """
    bundle = _bundle(body)
    check_complete(bundle)
    closely = other_values(body) > 0
    found = read_entries(bundle.entry, definition, predicted_at, closely=closely)
    said = findings_of(bundle.meta, "Bundle")
    return replace(found, findings=(*said, *found.findings)) if said else found


def read_entries(
    entries: Sequence[AnyEntry],
    definition: Definition,
    predicted_at: datetime,
    server: str = "",
    *,
    closely: bool = True,
) -> BundleReadings:
    """Read the entries of one Bundle or of several, which may hold a resource more than once.

    `server` is where an Observation stands that has no address of its own, if that's known;
    `closely`, whether one with a value may have another that is read nowhere. Raises as
    `read_bundle` does.
    """
    _check_size(entries, "send those of the look-backs, the newest of each code")
    findings: list[Finding] = []
    encounters: list[FoundEncounter] = []
    people, found = _sort_out(entries, findings, encounters, server)
    person = _the_person(people)
    if person is not None:
        check_rules(person.patient)
        findings += findings_of(person.patient.meta, "Patient")
        check_names(person)
        check_alive(person.patient, predicted_at)
    subjects, reader = Subjects(person), ObservationReader(definition.by_coding)
    faults = [
        subjects.fault(one.observation.subject, one.index, one.full_url)
        or ("undecided_version" if one.is_undecided else None)
        for one in found
    ]
    readings = demographics(definition, person)
    for one, fault in zip(found, faults, strict=True):
        for feature, reading in reader.read(one, fault):
            if type(one.observation) is Observation and (closely or reading.value is None):
                reading = seen_again(entries[one.index].resource, reading)
            readings.setdefault(feature.name, []).append(reading)
            if reading.fault == "unknown_modifier":
                words = f"{feature.title}: a value carries a rule that isn't known here"
                findings.append(Finding(feature.name, "flagged", "unknown_modifier", words))
    ward = _ward(encounters, subjects, predicted_at) if encounters else ""
    return BundleReadings(readings, subjects.context, tuple(findings), ward)


def read_observations(body: bytes) -> list[tuple[FoundObservation, Observation, msgspec.Raw]]:
    """Read the newest version of each Observation in a Bundle, of whatever patients.

    Each comes with all of its fields, and with its text, which may hold what isn't read.

    Raises MalformedInput for what isn't a Bundle or isn't the whole of one, TooMuchData for one of
    more than MAX_ENTRIES.
    """
    bundle = _bundle(body)
    _check_size(bundle.entry, "send them in several Bundles")
    _, found = _sort_out(bundle.entry, [], [])
    check_complete(bundle)
    return [(one, whole(one.observation), bundle.entry[one.index].resource) for one in found]


def _ward(encounters: Sequence[FoundEncounter], subjects: Subjects, predicted_at: datetime) -> str:
    """Return the patient's ward; raise UnusableValue for an Encounter of somebody else."""
    own = [
        one
        for one in encounters
        if subjects.fault(one.encounter.subject, one.index, one.full_url) is None
    ]
    return ward_of(own, predicted_at)


def _check_size(entries: Sequence[AnyEntry], instead: str) -> None:
    if len(entries) > MAX_ENTRIES:
        raise TooMuchData(
            f"{len(entries)} resources are more than the {MAX_ENTRIES} that are read at once; "
            f"{instead}",
            field="Bundle.entry",
            reason="too_many_entries",
        )


def _bundle(body: bytes) -> SentBundle:
    bundle = _read(body, SentBundle, "the body")
    if bundle.resource_type != "Bundle" or bundle.type not in _TYPES:
        raise MalformedInput(
            f"the body must be a Bundle of type {', '.join(_TYPES)}",
            field="Bundle.type",
            reason="bundle_type",
        )
    if bundle.implicit_rules is not None:
        raise MalformedInput(
            "the Bundle carries implicitRules that aren't known here",
            field="Bundle.implicitRules",
            reason="unknown_modifier",
        )
    check_addresses(bundle)
    check_entries(bundle)
    return bundle


def _sort_out(
    entries: Sequence[AnyEntry],
    findings: list[Finding],
    encounters: list[FoundEncounter],
    server: str = "",
) -> tuple[list[Person], list[FoundObservation]]:
    """Return the people and the newest version of each Observation, older ones first.

    What the sender reports, and the Encounters, are appended to `findings` and `encounters`.
    """
    people: list[Person] = []
    found: list[FoundObservation] = []
    for index, entry in enumerate(entries):
        resource: msgspec.Raw | AnyResource | None = entry.resource
        if isinstance(resource, msgspec.Raw) or entry.search is not None:
            resource = _resource(entry, index)
        if isinstance(resource, _OBSERVED):
            url = entry.full_url
            if server and url is None and resource.id is not None:
                url = f"{server}/Observation/{resource.id}"
            found.append(FoundObservation(index, url, resource))
        elif isinstance(resource, Patient):
            people.append(Person(resource, entry.full_url))
        elif isinstance(resource, Encounter):
            encounters.append(FoundEncounter(index, entry.full_url, resource))
        elif isinstance(resource, OperationOutcome):
            findings.extend(messages(resource))
    return people, newest_versions(found)


def _resource(entry: AnyEntry, index: int) -> AnyResource | None:
    """Return what an entry holds, or None where it's nothing that is read here."""
    found: AnyObservation | None
    if isinstance(entry.resource, msgspec.Raw):
        raw = bytes(entry.resource)
        found = None if raw.startswith(_A_PATIENT) else _observation(raw)
        if found is None:
            return _any_resource(raw, place_of(index), entry.search)
    else:
        found = entry.resource
    if entry.search is not None and entry.search.mode == OUTCOME:
        raise _no_message(place_of(index))
    return found


def _observation(raw: bytes) -> AnyObservation | None:
    """Return an Observation, as nearly all are; what isn't one needs a closer look."""
    for decoder in (USUAL, _OBSERVATIONS):
        try:
            return decoder.decode(raw)
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
            continue
    return None


def _any_resource(raw: bytes, place: str, search: Search | None) -> AnyResource | None:
    if not raw:
        raise MalformedInput(
            f"{place} is missing: an entry without a resource holds no data",
            field=place,
            reason="no_resource",
        )
    kind = _read(raw, Kind, place).resource_type
    if kind == "Bundle":
        raise MalformedInput(
            f"{place} is a Bundle itself; send its resources as entries of one",
            field=place,
            reason="nested_bundle",
        )
    if kind == "OperationOutcome":
        return _read(raw, OperationOutcome, place)
    check_type(kind, place)
    if search is not None and search.mode == OUTCOME:
        raise _no_message(place)
    if kind == "Patient":
        return _read(raw, Patient, place)
    if kind == "Encounter":
        return read_encounter(raw)
    return _read(raw, Observation, place) if kind == "Observation" else None


def _no_message(place: str) -> MalformedInput:
    return MalformedInput(
        f"{place} is data, but its entry's search.mode says that it's a message on the search",
        field=place,
        reason="not_data",
    )


def _the_person(people: Sequence[Person]) -> Person | None:
    if len(people) > 1:
        raise UnusableValue(
            f"the Bundle holds {len(people)} Patients; send one patient's resources in a Bundle",
            field="Bundle.entry",
            reason="several_patients",
        )
    return people[0] if people else None


def _read(raw: bytes, kind: type[T], place: str) -> T:
    try:
        return msgspec.json.decode(raw, type=kind)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise _unreadable(error, raw, kind.__name__, place) from error


def _unreadable(error: Exception, raw: bytes, kind: str, place: str) -> MalformedInput:
    words = "it is nested too deeply"
    if isinstance(error, msgspec.ValidationError):
        words = str(misfit(str(error)))
    elif not isinstance(error, RecursionError):
        words = json_fault(error, raw)
    return MalformedInput(
        f"{place} can't be read as {kind.removeprefix('Sent')}: {words}",
        field=place,
        reason="malformed",
    )
