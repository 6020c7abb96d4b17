"""What a prediction rests on: the readings of its sources, so that it can be scored without one."""

from collections.abc import Mapping, Sequence
from math import isfinite
from typing import Final

import msgspec
from msgspec.structs import replace

from models.feature import Feature
from models.readings import Reading
from models.units import canonical_unit

# beyond so many characters of JSON it isn't kept: the prediction is withdrawn without a new risk
LONGEST: Final = 65_536
_STATUSES = frozenset(
    ("final", "amended", "corrected", "preliminary", "cancelled", "entered-in-error")
)
_COMPARATORS = frozenset((None, "<", "<=", ">=", ">"))
_MASKED = frozenset((None, "masked", "not-permitted"))
_LONGEST_UNIT = 24


class Basis(msgspec.Struct, frozen=True, omit_defaults=True):
    """The readings of each feature that has some of named sources, those left out as well.

    `subject` is the pseudonym of the patient's own reference, empty where there is none.
    """

    readings: Mapping[str, Sequence[Reading]]
    subject: str = ""


_ENCODER = msgspec.json.Encoder(order="deterministic")
_DECODER = msgspec.json.Decoder(Basis)


def written(basis: Basis) -> str:
    """Return a basis as JSON, or nothing where there is too much of it."""
    text = _ENCODER.encode(basis)
    return text.decode() if len(text) <= LONGEST else ""


def read_basis(text: str) -> Basis | None:
    """Return a basis that was kept, or None where none was."""
    return _DECODER.decode(text) if text else None


def keepable(feature: Feature, readings: Sequence[Reading]) -> tuple[Reading, ...]:
    """Return readings that mean the same for a feature, without texts that may name somebody."""
    return tuple(_keepable(feature, reading) for reading in readings)


def unused_sources(given: Mapping[str, Sequence[Reading]], used: Sequence[str]) -> tuple[str, ...]:
    """Return the names of the resources that gave readings, none of which was used."""
    names = {
        reading.source: None
        for readings in given.values()
        for reading in readings
        if reading.source is not None
    }
    if len(names) == len(used):
        return ()
    for name in used:
        names.pop(name, None)
    return tuple(names)


def _keepable(feature: Feature, reading: Reading) -> Reading:
    because = reading.absent_because
    kept = replace(
        reading,
        unit_text=None,
        doubts=(),
        status=reading.status if reading.status in _STATUSES else "unknown",
        absent_because=because if because in _MASKED else "unknown",
    )
    if reading.value is None:
        return replace(kept, unit=None, comparator=None)
    if reading.fault is None and _is_clean(feature, reading):
        return kept
    # what has a fault is never used, whatever its value
    fault = reading.fault or "not_a_value"
    return replace(kept, value=0.0, unit=None, comparator=None, fault=fault)


def _is_clean(feature: Feature, reading: Reading) -> bool:
    value, unit = reading.value, reading.unit
    if isinstance(value, str):
        return value in feature.categories and unit is None
    return (
        value is not None
        and isfinite(value)
        and reading.comparator in _COMPARATORS
        and (unit is None or (len(unit) <= _LONGEST_UNIT and canonical_unit(unit) is not None))
    )
