"""What reaches a model from outside: readings, and what was found wrong with them."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Final, Literal

import msgspec

Fault = Literal[
    "undated",
    "partial_time",
    "no_subject",
    "other_focus",
    "unknown_modifier",
    "undecided_version",
    "no_unit",
    "unit_system",
    "contradictory_unit",
    "unknown_unit",
    "absent_unit",
    "absent_comparator",
    "contradictory_code",
    "contradictory_category",
    "category_system",
    "text_value",
    "not_a_value",
    "absent_whole",
]

Doubt = Literal[
    "category_text", "test_data", "subsetted", "altered", "unreliable", "quality_control"
]


EARLIEST: Final = datetime(1900, 1, 1, tzinfo=UTC)
"""Nothing is known of anyone's present health from before it."""


class Reading(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """One value as it was reported; `taken_at` is when it was true of the patient.

    Without `taken_at` the value is what the caller states to be current at prediction time.
    `status` is FHIR's observation status, `comparator` one of <, <=, >=, >, `source` names the
    resource that it came from, `absent_because` FHIR's data-absent-reason where there is no
    value. `fault` is what a protocol found wrong with it; `unit_text` is what stands beside the
    coded unit where it says another one. `doubts` flag a value that is used all the same.
    """

    value: float | str | None
    unit: str | None = None
    taken_at: datetime | None = None
    code: str | None = None
    source: str | None = None
    issued_at: datetime | None = None
    comparator: str | None = None
    status: str = "final"
    absent_because: str | None = None
    fault: Fault | None = None
    unit_text: str | None = None
    doubts: tuple[Doubt, ...] = ()


Given = float | Sequence[Reading]
"""What is given of one feature: readings, or a bare number, which means `Reading(number)`."""

Readings = Mapping[str, Given]
"""What is given of a patient, by features' names."""


class Finding(msgspec.Struct, frozen=True, gc=False):
    """What was missing, left out, converted or doubtful about a feature, in clinical words.

    `reason` is a stable slug that is counted and watched; `words` never hold an identifier.
    """

    feature: str
    kind: Literal["missing", "excluded", "converted", "flagged"]
    reason: str
    words: str
