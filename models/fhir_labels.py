"""What the labels of a resource say of it: that it's withheld, a part only, or of nobody real."""

from collections.abc import Mapping
from typing import Final, Literal, NamedTuple

import msgspec

from models.errors import MalformedInput, UnusableValue
from models.fhir_resources import Coding, Meta, place_of
from models.readings import Doubt, Finding

_MASKED: Final = "MASKED"
# of HL7's ObservationValue and ActReason (v3), which FHIR's meta.security and meta.tag are from
_DOUBTS: Final[Mapping[str, Doubt]] = {
    "HTEST": "test_data",
    "SUBSETTED": "subsetted",
    "REDACTED": "altered",
    "ABSTRED": "altered",
    "AGGRED": "altered",
    "UNRELIABLE": "unreliable",
    "UNCERTREL": "unreliable",
}
# what is said of a label of the patient, or of all that was sent; a part of a Patient is enough
_OF_ALL: Final[Mapping[tuple[str, Doubt], str]] = {
    ("Patient", "test_data"): "The patient is labelled as test data",
    ("Bundle", "test_data"): "The data are labelled as test data",
    ("Bundle", "subsetted"): "The data are labelled as a part of what there is",
    ("Bundle", "altered"): "The data are labelled as altered before they were sent",
    ("Bundle", "unreliable"): "The data are labelled as unreliable",
}
_CODINGS: Final = msgspec.json.Decoder(tuple[Coding, ...] | None)


class Labels(NamedTuple):
    """Whether a resource's values are withheld, and what else is doubtful of them."""

    is_masked: bool
    doubts: tuple[Doubt, ...]


UNLABELLED: Final = Labels(False, ())


def findings_of(
    meta: Meta | None, of: Literal["Patient", "Bundle"], at: str | None = None
) -> list[Finding]:
    """Return what the labels of the patient, or of a whole Bundle, give to think.

    `at` is what it's called in errors, where that's another name. Raises UnusableValue where they
    withhold it for privacy, MalformedInput as `labels_of` does.
    """
    labels = labels_of(meta, at or of)
    if labels.is_masked:
        raise UnusableValue(
            f"{at or f'the {of}'} is labelled as withheld for privacy, and a score must not guess "
            "it",
            field=f"{at or of}.meta",
            reason="masked",
        )
    said = ((doubt, _OF_ALL.get((of, doubt))) for doubt in labels.doubts)
    return [Finding("bundle", "flagged", doubt, words) for doubt, words in said if words]


def labels_of(meta: Meta | None, at: int | str) -> Labels:
    """Return what a resource's labels say; raise MalformedInput for what are no codings.

    `at` is its place in the Bundle or what it's called, for errors.
    """
    if meta is None or not meta.is_labelled:
        return UNLABELLED
    codes = {one.code for raw in (meta.security, meta.tag) if raw for one in _read(raw, at)}
    doubts = dict.fromkeys(doubt for code, doubt in _DOUBTS.items() if code in codes)
    if not doubts and _MASKED not in codes:
        return UNLABELLED
    return Labels(_MASKED in codes, tuple(doubts))


def _read(raw: msgspec.Raw, at: int | str) -> tuple[Coding, ...]:
    try:
        return _CODINGS.decode(raw) or ()
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        field = f"{at if isinstance(at, str) else place_of(at)}.meta"
        raise MalformedInput(
            f"{field} has a security or tag that is no list of codings",
            field=field,
            reason="malformed",
        ) from error
