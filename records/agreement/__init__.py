"""Whether the tables that people are shown say what the audit chain says.

Promotions, suspensions, clients, signed reviews, alarms, corrected sources and requests to retrain
stand in tables of their own, which commands and console read. Each change to them is noted in the
chain in the same transaction, so a row that was changed, deleted or inserted otherwise disagrees
with it.
"""

from collections.abc import Callable, Iterator

from records.agreement import alarms, clients, corrections, decisions, retraining
from records.agreement.compared import Disagreement

__all__ = ["Disagreement", "disagreements"]


Part = Callable[[], Iterator[Disagreement]]


def disagreements(*more: Part) -> list[Disagreement]:
    """Return where a table and the chain disagree; what is being written meanwhile isn't taken.

    `more` compare tables that aren't of the records.
    """
    first = list(_found(more))
    return [one for one in _found(more) if one in first] if first else []


def _found(more: tuple[Part, ...]) -> Iterator[Disagreement]:
    for part in (decisions, clients, alarms, corrections, retraining):
        yield from part.disagreements()
    for compare in more:
        yield from compare()
