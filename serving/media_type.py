"""As what a body may be sent, and an answer be asked for: JSON in UTF-8, of FHIR R4."""

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from urllib.parse import parse_qsl

from starlette.types import Scope

from serving.problems import MediaTypeNotSupported, NotAcceptable

MEDIA_TYPES = ("application/json", "application/fhir+json")
FORM_TYPES = ("application/x-www-form-urlencoded",)
_CHARSETS = ("utf-8", "utf8", "us-ascii")
FHIR_VERSION = "4.0"
# a plus in an address may have been read as a space
_FORMATS = ("json", "text/json", *MEDIA_TYPES, "application/fhir json")
# an answer is taken under each of these, as FHIR has it
_ACCEPTED = (*MEDIA_TYPES, "text/json", "json")
_ASK = "answers are JSON: ask with Accept: application/json, or without"
_ASK_FHIR = (
    f"answers are JSON of FHIR R4: ask with Accept: application/fhir+json (fhirVersion "
    f"{FHIR_VERSION}, if any), or with _format=json in the address"
)
_NOUGHT = re.compile(r"0(?:\.0*)?")


def check_sent(content_type: bytes, taken: Sequence[str]) -> None:
    """Raise MediaTypeNotSupported for another type of body, or one that says of itself otherwise.

    A charset that isn't UTF-8 and a version of FHIR that isn't R4 would be read as these.
    """
    text = content_type.decode("latin-1").lower()
    if text in taken:
        return
    kind, _, rest = text.partition(";")
    if kind.strip() not in taken:
        raise MediaTypeNotSupported(f"send the body as {' or '.join(taken)}")
    for name, value in _parameters(rest):
        if name == "charset" and value not in _CHARSETS:
            raise MediaTypeNotSupported("send the body in UTF-8; it is read in no other charset")
        if name == "fhirversion" and value != FHIR_VERSION:
            raise MediaTypeNotSupported(f"send FHIR R4 (fhirVersion={FHIR_VERSION}), no other")


def check_wanted(scope: Scope, *, of_fhir: bool) -> None:
    """Raise NotAcceptable where an answer is asked for in another form than JSON, or FHIR R4.

    That is what `Accept` says or, in FHIR, a `_format` in its place (R4, http.html#mime-type).
    """
    if of_fhir and b"_format" in scope["query_string"]:
        query = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        formats = [value for name, value in query if name == "_format"]
        for value in formats:
            check_format(value)
        if formats:
            return
    accept = [value for name, value in scope["headers"] if name == b"accept"]
    if accept and not _admits_json(b",".join(accept), of_fhir):
        raise NotAcceptable(_ASK_FHIR if of_fhir else _ASK)


def check_format(value: str) -> None:
    """Raise NotAcceptable for a `_format` that isn't JSON of FHIR R4."""
    kind, _, rest = value.lower().partition(";")
    if kind.strip() not in _FORMATS or not _is_of_r4(dict(_parameters(rest))):
        raise NotAcceptable("answers are JSON of FHIR R4: ask with _format=json, or without")


@lru_cache(maxsize=128)  # a client sends the same with every request
def _admits_json(accept: bytes, of_fhir: bool) -> bool:
    """Say whether `Accept` admits a type of JSON; without any type it admits all.

    Of the ranges that a type falls into, the narrowest says whether it is (RFC 9110, 12.5.1).
    """
    text = accept.decode("latin-1").lower()
    admitted: dict[str, bool] = {}
    for one in text.split(","):
        kind, _, rest = one.partition(";")
        parameters = dict(_parameters(rest))
        if not of_fhir or _is_of_r4(parameters):
            is_admitted = _NOUGHT.fullmatch(parameters.get("q", "1")) is None
            admitted[kind.strip()] = admitted.get(kind.strip(), False) or is_admitted
    ranges = ((kind, "application/*", "*/*", "*") for kind in _ACCEPTED)
    found = (next((admitted[one] for one in each if one in admitted), False) for each in ranges)
    return not text.strip(" ,") or any(found)


def _is_of_r4(parameters: Mapping[str, str]) -> bool:
    return parameters.get("fhirversion", FHIR_VERSION) == FHIR_VERSION


def _parameters(text: str) -> Iterator[tuple[str, str]]:
    for one in text.split(";"):
        name, _, value = one.partition("=")
        yield name.strip(), value.strip().strip('"')
