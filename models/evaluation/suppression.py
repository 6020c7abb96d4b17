"""Withholding of small groups' counts, such that no withheld count follows from the others."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from models.amounts import counted
from models.errors import StatisticsError

FEWEST_OF_EACH: Final = 100  # events and non-events (Vergouwe et al., J Clin Epidemiol 2005;58:475)


def assessable(events: int | None, non_events: int | None) -> bool:
    """Say whether anything may be concluded of so many people with and without the event.

    None is a count that is withheld. Gates and cards, of the whole and of groups, go by this alone.
    """
    return min(events or 0, non_events or 0) >= FEWEST_OF_EACH


def why_not_assessable(events: int, non_events: int) -> str | None:
    """Return why nothing may be concluded of a group that is shown; None if something may."""
    if assessable(events, non_events):
        return None
    return (
        f"shown, not assessable: {counted(events, 'event')} and "
        f"{counted(non_events, 'non-event')}, where a gate needs {FEWEST_OF_EACH} of each"
    )


@dataclass(frozen=True, slots=True)
class ReportingLimits:
    """Counts below which a group isn't shown.

    A group of fewer than `people`, or of fewer than `cell` events or non-events, is withheld; one
    of fewer than `events` events or `non_events` non-events is counted, but has no figures. One
    that has them need not be `assessable`.
    """

    people: int = 10
    events: int = 100
    non_events: int = 100
    cell: int = 5

    def __post_init__(self) -> None:
        for name in ("people", "events", "non_events", "cell"):
            if getattr(self, name) < 1:
                raise StatisticsError(f"{name} must be at least 1, not {getattr(self, name)}")


def withheld(cells: npt.ArrayLike, smallest: Sequence[int]) -> npt.NDArray[np.bool_]:
    """Say which groups of a partition are withheld, given cells (groups, counts).

    Those with a count below its `smallest`, and then further ones, least first, until at least two
    are withheld that together reach each `smallest`: the total, which is public, less the groups
    shown then never gives one group's count nor a sum that is itself too small.
    """
    counts = np.asarray(cells, dtype=np.int64)
    limits = np.asarray(smallest, dtype=np.int64)
    if counts.ndim != 2 or limits.shape != (counts.shape[1],):
        raise StatisticsError(
            f"cells of shape {counts.shape} need one smallest count for each of their columns, "
            f"not {limits.shape}"
        )
    hidden = np.asarray((counts < limits).any(axis=1))
    if not hidden.any():
        return hidden
    for group in np.argsort(counts.min(axis=1), kind="stable"):
        enough = (counts[hidden].sum(axis=0) >= limits).all()
        if hidden.sum() > 1 and enough:
            break
        hidden[group] = True
    return hidden
