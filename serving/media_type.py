"""As what a body may be sent, and an answer be asked for: JSON in UTF-8, of FHIR R4."""

from collections.abc import Iterator, Sequence
from urllib.parse import parse_qsl

from serving.problems import MediaTypeNotSupported, NotAcceptable

MEDIA_TYPES = ("application/json", "application/fhir+json")
FORM_TYPES = ("application/x-www-form-urlencoded",)
_CHARSETS = ("utf-8", "utf8", "us-ascii")
FHIR_VERSION = "4.0"
# a plus in an address may have been read as a space
_FORMATS = ("json", "text/json", *MEDIA_TYPES, "application/fhir json")


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


def check_wanted(query: bytes) -> None:
    """Raise NotAcceptable where the query of a FHIR address asks for another form than JSON."""
    if b"_format" not in query:
        return
    for name, value in parse_qsl(query.decode("latin-1"), keep_blank_values=True):
        if name == "_format":
            check_format(value)


def check_format(value: str) -> None:
    """Raise NotAcceptable for a `_format` that isn't JSON of FHIR R4."""
    kind, _, rest = value.lower().partition(";")
    versions = [one for name, one in _parameters(rest) if name == "fhirversion"]
    if kind.strip() not in _FORMATS or any(one != FHIR_VERSION for one in versions):
        raise NotAcceptable("answers are JSON of FHIR R4: ask with _format=json, or without")


def _parameters(text: str) -> Iterator[tuple[str, str]]:
    for one in text.split(";"):
        name, _, value = one.partition("=")
        yield name.strip(), value.strip().strip('"')
