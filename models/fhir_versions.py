"""Which version of an Observation is the newest, and where that can't be told."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from operator import attrgetter
from typing import Final

import msgspec
from msgspec.structs import replace

from models.corrections import LONGEST
from models.fhir_names import check_address, check_id, check_reference
from models.fhir_resources import place_of
from models.fhir_usual import AnyObservation, whole

_OWN_ID = attrgetter("observation.id")
_ADDRESSES: Final = ("https://", "http://")
_NEVER = datetime.min.replace(tzinfo=UTC)


class FoundObservation(msgspec.Struct, frozen=True, gc=False):
    """An Observation and its place in the Bundle.

    `is_undecided` is one of which another version says otherwise, and neither is surely newer.
    """

    index: int
    full_url: str | None
    observation: AnyObservation
    is_undecided: bool = False

    @property
    def place(self) -> str:
        """Where it stands, as FHIRPath."""
        return place_of(self.index)

    @property
    def is_named(self) -> bool:
        """Whether it's known by more than its place."""
        return self.observation.id is not None or self.full_url is not None

    @property
    def name(self) -> str:
        """What it is called, whatever its version: with its server, if its address says which."""
        own = self.observation.id
        if own is None:
            return self.full_url or self.place
        resource, address = f"Observation/{own}", self.full_url
        if address is None:
            return resource
        states_server = address.startswith(_ADDRESSES) and address.endswith(f"/{resource}")
        return address if states_server and len(address) <= LONGEST else resource

    @property
    def source(self) -> str:
        """What it is called in a prediction's sources: with its version, if it has one."""
        own, meta = self.observation.id, self.observation.meta
        if own is None or meta is None or not meta.version_id:
            return self.name
        return f"{self.name}/_history/{meta.version_id}"

    def check_names(self) -> None:
        """Raise MalformedInput where what a prediction would quote it by is no name in FHIR.

        Or where its id and its address are two: a correction of the one wouldn't find the other.
        """
        own, meta, address = self.observation.id, self.observation.meta, self.full_url
        if own is not None:
            check_id(own, "id", self.index)
            if meta is not None and meta.version_id:
                check_id(meta.version_id, "meta.versionId", self.index)
        elif address is not None:
            check_reference(address, f"Bundle.entry[{self.index}].fullUrl")
        if address is not None and (own is None or not address.endswith(f"/Observation/{own}")):
            check_address(address, "Observation", own, self.index)


def newest_versions(found: Sequence[FoundObservation]) -> list[FoundObservation]:
    """Return the newest version of each Observation, in the order of their last updates and ids.

    Newer is what was updated later or, where that doesn't tell, has the higher number as
    `versionId`. Versions that differ and of which that can't be told are all returned, undecided.
    """
    ids = [one.observation.id for one in found]
    if all(ids) and len(set(ids)) == len(ids):
        # as nearly all are: one version of each
        is_undated = all(one.observation.meta is None for one in found)
        return sorted(found, key=_OWN_ID if is_undated else _order)
    single: dict[str | int, FoundObservation] = {}
    several: dict[str | int, list[FoundObservation]] = {}
    for one in found:
        key = one.observation.id or one.full_url or one.index
        known = single.setdefault(key, one)
        if known is not one:
            several.setdefault(key, [known]).append(one)
    for key, versions in several.items():
        del single[key]
        for resource in _by_server(versions):
            for one in _newest(resource):
                if one.is_undecided or one.index not in single:
                    single[one.index] = one
    return sorted(single.values(), key=_order)


def _order(one: FoundObservation) -> tuple[datetime, str]:
    observation = one.observation
    updated_at = None if observation.meta is None else _updated_at(observation)
    return updated_at or _NEVER, observation.id or ""


def _by_server(versions: Sequence[FoundObservation]) -> Iterator[list[FoundObservation]]:
    """Yield what is of one server: an id is another Observation's on another server.

    What doesn't say where it is from may be of each of them.
    """
    servers = [_server(one.full_url) for one in versions]
    for server in dict.fromkeys(one for one in servers if one) or ("",):
        yield [one for one, own in zip(versions, servers, strict=True) if own in (server, "")]


def _server(full_url: str | None) -> str:
    """Return the address before the resource's own, or nothing."""
    base, is_address, _ = (full_url or "").rpartition("/Observation/")
    return base if is_address else ""


def _newest(versions: Sequence[FoundObservation]) -> list[FoundObservation]:
    kept = [one for one in versions if not any(_is_newer(other, one) for other in versions)]
    kept = kept or list(versions)
    said = [replace(whole(one.observation), meta=None) for one in kept]
    if all(one == said[0] for one in said):
        return kept[-1:]
    return [replace(one, is_undecided=True) for one in kept]


def _is_newer(one: FoundObservation, other: FoundObservation) -> bool:
    """Say whether one is surely newer than the other."""
    at, other_at = _updated_at(one.observation), _updated_at(other.observation)
    if at is not None and other_at is not None and at != other_at:
        return at > other_at
    number, other_number = _number(one.observation), _number(other.observation)
    return number is not None and other_number is not None and number > other_number


def _updated_at(observation: AnyObservation) -> datetime | None:
    """Return when a version was made, or None where that isn't said as a time with an offset."""
    meta = observation.meta
    if meta is None or not meta.last_updated:
        return None
    try:
        updated_at = datetime.fromisoformat(meta.last_updated)
    except ValueError:
        return None
    return updated_at if updated_at.tzinfo is not None else None


def _number(observation: AnyObservation) -> int | None:
    """Return a `versionId` that is a number; FHIR allows for others, which have no order."""
    version = observation.meta.version_id if observation.meta is not None else None
    is_number = version is not None and version.isascii() and version.isdecimal()
    return int(version) if version is not None and is_number and len(version) <= 64 else None
