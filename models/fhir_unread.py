"""What a Bundle holds that would go unread: a value of no known type, a type spelt otherwise."""

import re
from difflib import get_close_matches
from functools import lru_cache
from typing import Any, Final

import msgspec

from models.absent_reasons import WITHHELD
from models.errors import MalformedInput
from models.fhir_resources import Measured
from models.fhir_usual import UsualObservation
from models.readings import Reading

_READ: Final = ("Observation", "Patient", "Encounter", "OperationOutcome", "Bundle")
_LIKE: Final = 0.85
# what already says that a value can't be used
_TOLD: Final = frozenset(("text_value", "not_a_value", "contradictory_category", "category_system"))
_VALUES: Final = frozenset(
    name for name in Measured.__struct_encode_fields__ if name.lower().lstrip("_")[:5] == "value"
)
# a key that begins as that of a value and is none of R4's; in an extension it may be in order
_OTHER_VALUE: Final = re.compile(
    rb'value(?!"|Quantity"|%s)[A-Za-z]'  # the two of nearly all values first
    % "|".join(f'{name[5:]}"' for name in sorted(_VALUES) if name.startswith("value")).encode()
)
_OBSERVATIONS: Final = msgspec.json.Decoder(dict[str, Any])


def other_values(text: bytes | msgspec.Raw) -> int:
    """Return how many keys of a JSON text may be those of a value that R4's Observation lacks.

    It's none in most texts, and quickly told: one scan of the bytes. Words and the values of
    extensions are among them, so that what has any needs `seen_again`.
    """
    return len(_OTHER_VALUE.findall(text))


def check_type(kind: str, place: str) -> None:
    """Raise MalformedInput for a resource's type that only looks like one that is read here.

    Resources of other types are passed over, so that such a one would go missing (FHIR-7).
    """
    meant = _meant(kind)
    if meant is not None:
        raise MalformedInput(
            f"{place}.resourceType is none of FHIR's; write {meant}",
            field=f"{place}.resourceType",
            reason="unknown_resource",
        )


@lru_cache(maxsize=256)
def _meant(kind: str) -> str | None:
    if kind in _READ:
        return None
    by_letters = {one.lower(): one for one in _READ}
    close = get_close_matches(kind.lower()[:64], by_letters, 1, _LIKE)
    return by_letters[close[0]] if close else None


def seen_again(raw: msgspec.Raw | UsualObservation, reading: Reading) -> Reading:
    """Return a reading, refused where its Observation has a value of another type.

    R4 knows some types of values only. Another one would be passed over, as all fields are that
    aren't known, so that there would seem to be none, or only the one beside it (FHIR-7).
    """
    if not isinstance(raw, msgspec.Raw) or reading.fault in _TOLD or _is_withheld(reading):
        return reading
    if reading.value is not None and (reading.fault is not None or not other_values(raw)):
        return reading
    given = _OBSERVATIONS.decode(raw)
    parts = [one for one in given.get("component") or () if reading.code in _codes(one)]
    if any(_is_value(name) for part in (given, *parts) for name in part):
        return msgspec.structs.replace(reading, fault="not_a_value", absent_because=None)
    return reading


def _is_value(name: str) -> bool:
    """Say whether a field is a value of a type that isn't read, in whichever letters."""
    return name not in _VALUES and name.lower().lstrip("_").startswith("value")


def _codes(part: dict[str, Any]) -> list[Any]:
    return [one.get("code") for one in (part.get("code") or {}).get("coding") or ()]


def _is_withheld(reading: Reading) -> bool:
    return reading.absent_because in WITHHELD
