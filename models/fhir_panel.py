"""The components of an Observation beside the value, or its absence, of the whole (FHIR-16)."""

from collections.abc import Sequence
from typing import Final

from msgspec.structs import replace

from models.absent_reasons import MASKED, WITHHELD
from models.errors import MalformedInput
from models.feature import Feature
from models.fhir_resources import Measured, Observation, place_of
from models.fhir_value import absent_reasons, values_differ
from models.readings import Reading

# A panel has no value of its own, so that these say nothing of its components; the others say that
# something failed, wasn't done, or was no number.
_OF_THE_WHOLE_ONLY: Final = frozenset(
    ("unknown", "asked-unknown", "temp-unknown", "not-applicable", "unsupported", "as-text")
)


def beside_whole(reading: Reading, observation: Observation, part: Measured) -> Reading:
    """Return a component's reading as the reasons for the absence of the whole leave it.

    What is withheld as a whole is so in all its parts; for another reason a value is in doubt.
    """
    if part is observation:
        return reading
    reasons = absent_reasons(observation)
    if any(one in WITHHELD for one in reasons):
        return withheld(reading)
    if reading.value is None or reading.fault is not None:
        return reading
    doubtful = any(one not in _OF_THE_WHOLE_ONLY for one in reasons)
    return replace(reading, fault="absent_whole") if doubtful else reading


def withheld(reading: Reading) -> Reading:
    """Return a reading whose value is withheld for privacy, and so isn't looked at."""
    return replace(
        reading,
        value=None,
        unit=None,
        comparator=None,
        absent_because=MASKED,
        fault=None,
        unit_text=None,
    )


def check_components(
    observation: Observation,
    parts: Sequence[Measured],
    found: Sequence[tuple[Feature, Reading]],
    index: int,
) -> None:
    """Raise MalformedInput where a component says another value than the whole Observation.

    `parts` are those that `found` was read of.
    """
    own = {
        feature.name: reading
        for part, (feature, reading) in zip(parts, found, strict=True)
        if part is observation
    }
    for feature, reading in found:
        whole = own.get(feature.name)
        if whole is not None and whole is not reading and values_differ(feature, whole, reading):
            place = place_of(index)
            raise MalformedInput(
                f"{place}: {feature.title} has one value as a whole and another as a component; "
                "give one",
                field=f"{place}.value",
                reason="contradictory_value",
            )
