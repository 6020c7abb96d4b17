"""Whether the tables that people are shown say what the audit chain says.

Promotions, suspensions, clients, signed reviews, alarms, what monitoring weighed, its runs,
corrected sources and requests to retrain stand in tables of their own, which commands and console
read. Each change to them is noted in the chain in the same transaction, so a row that was changed,
deleted or inserted otherwise disagrees with it.
"""

from collections.abc import Callable, Iterator

from records.agreement import (
    alarms,
    clients,
    corrections,
    decisions,
    evidence,
    retraining,
    runs,
)
from records.agreement.compared import Disagreement

__all__ = ["Disagreement", "disagreements", "uncovered"]


Part = Callable[[], Iterator[Disagreement]]


def disagreements(*more: Part) -> list[Disagreement]:
    """Return where a table and the chain disagree; what is being written meanwhile isn't taken.

    `more` compare tables that aren't of the records.
    """
    first = list(_found(more))
    return [one for one in _found(more) if one in first] if first else []


def uncovered() -> list[str]:
    """Return what of monitoring the chain says nothing, as it came before such was noted."""
    return [*runs.uncovered(), *evidence.uncovered()]


def _found(more: tuple[Part, ...]) -> Iterator[Disagreement]:
    for part in (decisions, clients, alarms, evidence, runs, corrections, retraining):
        yield from part.disagreements()
    for compare in more:
        yield from compare()
