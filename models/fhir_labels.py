"""What the labels of a resource say of it: that it's withheld, a part only, or of nobody real."""

from collections.abc import Mapping
from typing import Final, NamedTuple

import msgspec

from models.errors import MalformedInput
from models.fhir_resources import Coding, Meta, place_of
from models.readings import Doubt

_MASKED: Final = "MASKED"
# of HL7's ObservationValue and ActReason (v3), which FHIR's meta.security and meta.tag are from
_DOUBTS: Final[Mapping[str, Doubt]] = {
    "HTEST": "test_data",
    "SUBSETTED": "subsetted",
    "REDACTED": "altered",
    "ABSTRED": "altered",
    "AGGRED": "altered",
}
_CODINGS: Final = msgspec.json.Decoder(tuple[Coding, ...] | None)


class Labels(NamedTuple):
    """Whether a resource's values are withheld, and what else is doubtful of them."""

    is_masked: bool
    doubts: tuple[Doubt, ...]


UNLABELLED: Final = Labels(False, ())


def labels_of(meta: Meta | None, index: int) -> Labels:
    """Return what an Observation's labels say; raise MalformedInput for what are no codings.

    `index` is its place in the Bundle, for errors.
    """
    if meta is None or not (meta.security or meta.tag):
        return UNLABELLED
    codes = {one.code for raw in (meta.security, meta.tag) if raw for one in _read(raw, index)}
    doubts = dict.fromkeys(doubt for code, doubt in _DOUBTS.items() if code in codes)
    if not doubts and _MASKED not in codes:
        return UNLABELLED
    return Labels(_MASKED in codes, tuple(doubts))


def _read(raw: msgspec.Raw, index: int) -> tuple[Coding, ...]:
    try:
        return _CODINGS.decode(raw) or ()
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        field = f"{place_of(index)}.meta"
        raise MalformedInput(
            f"{field} has a security or tag that is no list of codings",
            field=field,
            reason="malformed",
        ) from error
