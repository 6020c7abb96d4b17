"""How often clinicians override shown risks, and for which reasons, as streams to watch."""

from collections.abc import Iterator

import numpy as np

from models.definition import Definition
from monitoring.evidence.binary import BinaryStream
from monitoring.streams import AT, DayRows, Seen, Watched

OVERRIDES = "overrides"
SHOWN = "A shown risk"
LONGEST_CODE = 64


def override_streams(definition: Definition) -> Iterator[Watched]:
    """Yield the stream of overrides, and those of each reason that the definition offers.

    Nobody overrode anything in training, so a stream's own past is its reference.
    """
    tau = definition.monitoring.smallest_drift_sd
    yield _overrides(OVERRIDES, "overridden", None, tau)
    offered = reasons(definition)
    for code, display in offered.items():
        key = f"{OVERRIDES}:{code.replace(AT, '%40')}"
        yield _overrides(key, f"overridden as “{display}”", code, tau)
    if offered:
        yield _overrides(f"{OVERRIDES}:", "overridden for another reason or none", "", tau)


def reasons(definition: Definition) -> dict[str, str]:
    """Return the words of each reason's code that the definition offers, and a record can hold."""
    offered = definition.cds_hooks.override_reasons if definition.cds_hooks else ()
    return {one.code: one.display for one in offered if len(one.code) <= LONGEST_CODE}


def _overrides(key: str, event: str, reason: str | None, tau: float) -> Watched:
    stream = BinaryStream(SHOWN, event, tau)

    def see(rows: DayRows) -> Seen:
        told = rows.reports
        events = told.overridden if reason is None else told.overridden & (told.reason == reason)
        rate = float(events.mean()) if events.size else None
        return Seen(stream.count(events), told.received, told.received - events.size, rate)

    nothing = np.zeros(2, dtype=np.int64)
    return Watched(key, "overrides", f"{SHOWN} {event}", "binary", stream, nothing, see)
