"""What FHIR calls resources: their ids, and the references and addresses made of them."""

import re
from typing import Final
from uuid import UUID

from models.errors import MalformedInput
from models.fhir_resources import place_of

_ID: Final = r"[A-Za-z0-9.\-]{1,64}"
IS_ID: Final = re.compile(_ID).fullmatch
# what FHIR puts between a resource's name and its version
VERSION: Final = "/_history/"
_ADDRESS: Final = r"https?://[A-Za-z0-9._~:/?#@!$&'()*+,;=%\[\]\-]+"
_IS_REFERENCE = re.compile(
    rf"[A-Z][A-Za-z]+/{_ID}(?:/_history/{_ID})?|{_ADDRESS}|urn:(?:uuid|oid):{_ID}"
)
_NAMED = re.compile(r"(?:https?://.+/)?(?P<type>[A-Z][A-Za-z]+)/(?P<id>[^/]+)\Z")
_IS_UUID = re.compile(r"(?:urn:uuid:)?([0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12})")


def is_id(text: str) -> bool:
    """Say whether a text is an id as FHIR R4 has it."""
    return IS_ID(text) is not None


def is_reference(text: str) -> bool:
    """Say whether a text names a resource: `Type/id`, an address, or a UUID or OID as URN."""
    return _IS_REFERENCE.fullmatch(text) is not None


def server_and_resource(name: str) -> tuple[str, str]:
    """Return a name's server, empty where it states none, and what is named there."""
    if not name.startswith(("https://", "http://")):
        return "", name
    plain, _, _ = name.partition(VERSION)
    server, *resource = plain.rsplit("/", 2)
    if len(resource) < 2 or not resource[0][:1].isupper():
        return "", name
    return server, name[len(server) + 1 :]


def server_of(address: str | None) -> str:
    """Return the server of an address, the host in small letters, or nothing."""
    if address is None:
        return ""
    server, _ = server_and_resource(address)
    if not server:
        return ""
    scheme, _, rest = server.partition("://")
    host, slash, path = rest.partition("/")
    return f"{scheme}://{host.lower()}{slash}{path}"


def uuid_in(text: str | None, field: str) -> UUID | None:
    """Return a UUID as FHIR writes it, urn:uuid:..., or bare as was taken from the beginning."""
    if text is None:
        return None
    found = _IS_UUID.fullmatch(text)
    if found is None:
        raise MalformedInput(
            f"{field} must be urn:uuid: and a UUID", field=field, reason="wrong_type"
        )
    return UUID(found[1])


def check_id(text: str, name: str, index: int | None = None) -> None:
    """Raise MalformedInput for what is no id; it may be anything, and so isn't repeated.

    `name` is the field, of the resource at `index` where it's one in a Bundle.
    """
    if not is_id(text):
        field = name if index is None else f"{place_of(index)}.{name}"
        raise MalformedInput(
            f"{field} is no FHIR id; give 1 to 64 letters, digits, hyphens and full stops",
            field=field,
            reason="bad_id",
        )


def check_address(address: str, kind: str, own: str | None, index: int) -> None:
    """Raise MalformedInput for a fullUrl that names another resource than that of the entry.

    Only what ends in a type and an id says so; `urn:uuid:` says neither. Nor may it name a
    version (FHIR-9), since a correction names the resource.
    """
    if VERSION in address:
        raise MalformedInput(
            f"{place_of(index)} has a fullUrl that names a version by {VERSION}; give the "
            "resource's own address, and the version as meta.versionId",
            field=f"Bundle.entry[{index}].fullUrl",
            reason="versioned_address",
        )
    found = _NAMED.match(address)
    if found is not None and (found["type"] != kind or own not in (None, found["id"])):
        raise MalformedInput(
            f"{place_of(index)} is another resource than its entry's fullUrl names; correct one",
            field=f"{place_of(index)}.id",
            reason="contradictory_id",
        )


def check_reference(text: str, field: str) -> None:
    """Raise MalformedInput for what names no resource; it isn't repeated either."""
    if not is_reference(text):
        raise MalformedInput(
            f"{field} names no resource; give Type/id, an address or urn:uuid:",
            field=field,
            reason="bad_reference",
        )
