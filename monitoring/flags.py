"""What predictions note of values that were left out, converted or doubtful, by reason."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from models.definition import Definition
from monitoring.evidence.binary import BinaryStream
from monitoring.refusals import refusal_group
from monitoring.streams import DayRows, Seen, Watched, seen_events

FLAGS = "flags:"
# by group, what the sentence says of some value of a prediction
FLAGGED = {
    "left_out_unit": "left out for its unit",
    "left_out": "left out for another reason",
    "converted": "converted from another unit",
    "code_unit": "in a unit that its code isn't for",
    "doubtful": "flagged as doubtful",
}
# of these no value is doubtful: the ward isn't known, or whom an order is for
OF_NO_VALUE = frozenset(("encounter_unread", "draft_unread"))
KINDS = ("excluded", "converted", "flagged")
# cheaper than reading the JSON of every prediction that only lacks a value
_MARKS = tuple(f'"{kind}"' for kind in KINDS)


def flag_group(kind: str, reason: str) -> str | None:
    """Return the group in which a finding is watched; a missing value has a stream of its own."""
    if reason in OF_NO_VALUE:
        return None
    if kind == "excluded":
        return "left_out_unit" if refusal_group(reason) == "unit" else "left_out"
    if kind == "flagged":
        return "code_unit" if reason == "code_unit_mismatch" else "doubtful"
    return "converted" if kind == "converted" else None


def flags_of(findings: Sequence[str]) -> dict[str, NDArray[np.bool_]]:
    """Return by group which predictions have such a finding, from their recorded JSON."""
    found = {group: np.zeros(len(findings), dtype=np.bool_) for group in FLAGGED}
    for row, text in enumerate(findings):
        if len(text) > 2 and any(mark in text for mark in _MARKS):
            for group in groups_of(orjson.loads(text)):
                found[group][row] = True
    return found


def groups_of(findings: Iterable[Mapping[str, Any]]) -> set[str]:
    """Return the groups of a prediction's findings."""
    groups = {flag_group(one["kind"], one["reason"]) for one in findings}
    return {group for group in groups if group is not None}


def flag_streams(definition: Definition) -> Iterator[Watched]:
    """Yield a stream for each group; training notes nothing, so its own past is its reference."""
    for group in FLAGGED:
        yield _flags(group, definition.monitoring.smallest_drift_sd)


def _flags(group: str, tau: float) -> Watched:
    stream = BinaryStream("Some value", FLAGGED[group], tau)
    nothing = np.zeros(2, dtype=np.int64)

    def see(rows: DayRows) -> Seen:
        return seen_events(stream, rows.flags.get(group, np.zeros(0, dtype=np.bool_)))

    title = f"Some value {FLAGGED[group]}"
    return Watched(f"{FLAGS}{group}", "flags", title, "binary", stream, nothing, see)
