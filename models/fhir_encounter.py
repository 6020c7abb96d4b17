"""The ward that a Bundle's Encounters name: where the patient was at the prediction time."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import msgspec

from models.errors import MalformedInput
from models.fhir_names import server_and_resource
from models.fhir_resources import CodeableConcept, Element, Period, Reference, place_of
from models.fhir_time import moment
from models.ward import is_ward

# of EncounterStatus and EncounterLocationStatus (R4): the patient wasn't there, or may not be
_NOT_THERE = frozenset(("planned", "reserved", "cancelled", "entered-in-error", "unknown"))
_OVER = frozenset(("finished", "completed"))
_WARD = "wa"  # of location-physical-type; others are beds, rooms, buildings, sites


class PlaceReference(Reference, frozen=True):
    """A reference to a Location, with its name."""

    display: str | None = None


class EncounterLocation(Element, frozen=True):
    """A place of an encounter, and when the patient was there."""

    location: PlaceReference | None = None
    status: str | None = None
    physical_type: CodeableConcept | None = None
    period: Period | None = None
    modifier_extension: tuple[Any, ...] = ()


class Encounter(Element, frozen=True):
    """A stay or a visit of a patient."""

    id: str | None = None
    implicit_rules: str | None = None
    modifier_extension: tuple[Any, ...] = ()
    status: str | None = None
    subject: Reference | None = None
    period: Period | None = None
    location: tuple[EncounterLocation, ...] = ()


class _Subject(Element, frozen=True):
    """Of an Encounter, only whose it is."""

    subject: Reference | None = None


def read_encounter(raw: bytes) -> Encounter | None:
    """Read an Encounter; of one with malformed parts only its subject, or None where that is one.

    No score hangs on it, so that none is refused for it.
    """
    try:
        return _ENCOUNTERS.decode(raw)
    except msgspec.ValidationError:
        pass
    try:
        return Encounter(subject=_SUBJECTS.decode(raw).subject)
    except msgspec.ValidationError:
        return None


_ENCOUNTERS = msgspec.json.Decoder(Encounter)
_SUBJECTS = msgspec.json.Decoder(_Subject)


class FoundEncounter(msgspec.Struct, frozen=True):
    """An Encounter and its place in the Bundle."""

    index: int
    full_url: str | None
    encounter: Encounter


class _There(NamedTuple):
    """Where the patient is, whether that is typed as a ward, and since when."""

    location: PlaceReference
    is_typed: bool
    since: datetime | None


def ward_of(found: Sequence[FoundEncounter], predicted_at: datetime) -> str:
    """Return the ward at which the patient was, empty where none is named, or not just one.

    It's a place of an Encounter that had begun and not ended, at which the patient was then: one
    typed as a ward before one that isn't typed, and of several the one reached last. Its name is
    the first of identifier, display and the Location's id that can name a ward. No score hangs on
    it, so that a name that can't be a ward's, or a period that is no time, names none.
    """
    places = [place for one in found for place in _places(one, predicted_at)]
    places = [place for place in places if place.is_typed] or places
    known = [place.since for place in places if place.since is not None]
    latest = [place for place in places if place.since == max(known)] if known else places
    names = {name for place in latest if (name := _name(place))}
    return names.pop() if len(names) == 1 else ""


def _places(found: FoundEncounter, at: datetime) -> Iterator[_There]:
    encounter, place = found.encounter, place_of(found.index)
    if encounter.modifier_extension or encounter.implicit_rules:
        return  # they may change what the rest means (FHIR-8)
    if encounter.status is None or not _covers(encounter.period, at, encounter.status, place):
        return
    for number, one in enumerate(encounter.location):
        kinds = [coding.code for coding in one.physical_type.coding] if one.physical_type else []
        if one.location is None or one.modifier_extension or (kinds and _WARD not in kinds):
            continue
        field = f"{place}.location[{number}]"
        if _covers(one.period, at, one.status, field):
            since = _time(one.period, "start", field) or _time(encounter.period, "start", place)
            yield _There(one.location, bool(kinds), since)


def _covers(period: Period | None, at: datetime, status: str | None, field: str) -> bool:
    """Say whether the patient was there at a time; what is over must say until when it wasn't."""
    try:
        start, end = _time(period, "start", field), _time(period, "end", field)
    except MalformedInput:
        return False
    if status in _NOT_THERE or (start is not None and start > at):
        return False
    return status not in _OVER if end is None else at <= end


def _time(period: Period | None, name: str, field: str) -> datetime | None:
    text = None if period is None else getattr(period, name)
    return None if text is None else moment(text, f"{field}.period.{name}")


def _name(place: _There) -> str:
    location = place.location
    number = location.identifier.value if location.identifier is not None else None
    _, resource = server_and_resource(location.reference or "")
    kind, _, own = resource.partition("/")
    given = (number, location.display, own if kind == "Location" else None)
    return next((one for one in given if one and is_ward(one)), "")
