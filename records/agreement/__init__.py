"""Whether the tables that people are shown say what the audit chain says.

Promotions, suspensions, clients, signed reviews, alarms, corrected sources and requests to retrain
stand in tables of their own, which commands and console read. Each change to them is noted in the
chain in the same transaction, so a row that was changed, deleted or inserted otherwise disagrees
with it.
"""

from collections.abc import Iterator

from records.agreement import alarms, clients, corrections, decisions, retraining
from records.agreement.compared import Disagreement

__all__ = ["Disagreement", "disagreements"]


def disagreements() -> list[Disagreement]:
    """Return where a table and the chain disagree; what is being written meanwhile isn't taken."""
    first = list(_found())
    return [one for one in _found() if one in first] if first else []


def _found() -> Iterator[Disagreement]:
    for part in (decisions, clients, alarms, corrections, retraining):
        yield from part.disagreements()
