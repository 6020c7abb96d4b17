"""The components of an Observation beside the value, or its absence, of the whole (FHIR-16)."""

from collections.abc import Sequence
from typing import Final

from msgspec.structs import replace

from models.absent_reasons import MASKED, WITHHELD
from models.errors import MalformedInput
from models.feature import Feature
from models.fhir_codes import Codes, Wanted
from models.fhir_labels import labels_of
from models.fhir_resources import Measured, Observation, place_of
from models.fhir_value import absent_reasons, values_differ
from models.loinc import HELD_BY, LOINC
from models.readings import Reading

# A panel has no value of its own, so that these say nothing of its components; the others say that
# something failed, wasn't done, or was no number.
_OF_THE_WHOLE_ONLY: Final = frozenset(
    ("unknown", "asked-unknown", "temp-unknown", "not-applicable", "unsupported", "as-text")
)


def not_given(
    observation: Observation, wanted: Sequence[Wanted], codes: Codes, index: int
) -> list[Wanted]:
    """Return the features that a panel could hold, has no part for, and says not to have.

    A filter for privacy strips a panel of its components, so that a withheld one would seem to
    have been none (FHIR-16). `wanted` are the parts that stand for a feature by themselves; `index`
    is its place in the Bundle. Raises MalformedInput for labels that are no codings.
    """
    held = _held_by(observation, codes)
    if not held:
        return []
    if not (_is_absent(observation) or labels_of(observation.meta, index).is_masked):
        return []
    given = [feature for _, feature, _ in wanted]
    return [
        (observation, feature, code)
        for feature, code in held
        if all(feature is not one for one in given)
    ]


def _held_by(observation: Observation, codes: Codes) -> list[tuple[Feature, str]]:
    """Return the features that the components of a panel stand for, each with the panel's code."""
    held: list[tuple[Feature, str]] = []
    for coding in observation.code.coding if observation.code is not None else ():
        panel = coding.code if coding.system == LOINC else None
        for part in HELD_BY.get(panel or "", ()):
            for feature in codes.get((LOINC, part), ()):
                if panel is not None and all(feature is not known for known, _ in held):
                    held.append((feature, panel))
    return held


def _is_absent(observation: Observation) -> bool:
    """Say whether a panel's reasons speak of the parts that it hasn't: any does if it has none."""
    reasons = absent_reasons(observation)
    if not observation.component:
        return bool(reasons)
    return any(one not in _OF_THE_WHOLE_ONLY for one in reasons)


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
