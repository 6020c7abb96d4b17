"""Where a patient's values came from: the resources, and the codes under which they came."""

from collections.abc import Mapping, Sequence

from models.definition import Definition
from models.readings import Reading

Used = Mapping[str, Sequence[Reading]]


def sources_of(used: Used) -> tuple[str, ...]:
    """Return the names of the resources whose values were used, each once."""
    names = [reading.source for readings in used.values() for reading in readings]
    return tuple(dict.fromkeys([name for name in names if name is not None]))


def codes_of(definition: Definition, used: Used) -> dict[str, str]:
    """Return the code of each value of a feature that is reported under several.

    A value that several readings make, such as a mean, has all of their codes, joined by " + ".
    """
    found: dict[str, str] = {}
    for one in definition.measured:
        readings = used.get(one.name) if one.plain.has_several_codes else None
        if readings is None:
            continue
        codes = {reading.code for reading in readings if reading.code is not None}
        if codes:
            found[one.name] = " + ".join(sorted(codes)) if len(codes) > 1 else codes.pop()
    return found
