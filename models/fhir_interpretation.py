"""What an Observation's interpretation says that its value doesn't: a limit, or failed control."""

from typing import Any, Final, Literal, NamedTuple

import msgspec

from models.readings import Doubt

# of HL7's ObservationInterpretation (v3): beyond what the device can measure, so a limit only
_OFF_SCALE: Final[dict[str, Literal["<", ">"]]] = {"<": "<", ">": ">"}
_DOUBTS: Final[dict[str, Doubt]] = {"QCF": "quality_control"}


class Interpretation(NamedTuple):
    """The comparator that a value lacks, and what is doubtful of it."""

    comparator: str | None
    doubts: tuple[Doubt, ...]


NOTHING_SAID: Final = Interpretation(None, ())


def interpretation_of(raw: msgspec.Raw) -> Interpretation:
    """Return what an interpretation says; most say high or low, which the value says itself."""
    if not raw:
        return NOTHING_SAID
    codes = _codes(msgspec.json.decode(raw))
    comparator = next((_OFF_SCALE[code] for code in _OFF_SCALE if code in codes), None)
    doubts = tuple(_DOUBTS[code] for code in _DOUBTS if code in codes)
    return Interpretation(comparator, doubts) if comparator or doubts else NOTHING_SAID


def _codes(given: Any) -> set[Any]:
    """Return all codes in concepts; some servers send one concept, as before R4, and no list."""
    concepts = given if isinstance(given, list) else [given]
    codings = [
        coding
        for concept in concepts
        if isinstance(concept, dict)
        for coding in concept.get("coding") or ()
    ]
    codes = [one.get("code") for one in codings if isinstance(one, dict)]
    return {code for code in codes if isinstance(code, str)}
