"""Withholding of small groups' counts, such that no withheld count follows from the others."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from models.errors import StatisticsError

FEWEST_OF_EACH: Final = 100  # events and non-events (Vergouwe et al., J Clin Epidemiol 2005;58:475)


def assessable(with_event: int | None, without_event: int | None) -> bool:
    """Say whether anything may be concluded of so many patients with and without the event.

    Of patients, not of rows: the bootstrap draws patients, and one of them says nothing of others
    however many rows they have. None is a count that is withheld. Gates and cards, of the whole and
    of groups, go by this alone.
    """
    return min(with_event or 0, without_event or 0) >= FEWEST_OF_EACH


@dataclass(frozen=True, slots=True)
class ReportingLimits:
    """Numbers of patients below which a group isn't shown.

    A group of fewer than `people` patients, or of fewer than `cell` with or without an event, is
    withheld, for its counts would tell of single people. One of fewer than `events` patients with
    an event or `non_events` without is counted, but has no figures, for those of so few mislead;
    that keeps nothing secret, and they can be reckoned from those of the others. One that has
    figures need not be `assessable`.
    """

    people: int = 10
    events: int = 100
    non_events: int = 100
    cell: int = 5

    def __post_init__(self) -> None:
        for name in ("people", "events", "non_events", "cell"):
            if getattr(self, name) < 1:
                raise StatisticsError(f"{name} must be at least 1, not {getattr(self, name)}")


def withheld(
    cells: npt.ArrayLike,
    smallest: Sequence[int],
    together: Callable[[npt.NDArray[np.bool_]], Sequence[int]] | None = None,
) -> npt.NDArray[np.bool_]:
    """Say which groups of a partition are withheld, given cells (groups, counts).

    Those with a count below its `smallest`, and then further ones, least first, until at least two
    are withheld that together reach each `smallest`: the total, which is public, less the groups
    shown then never gives one group's count nor a sum that is itself too small. `together` counts
    groups that share people; without it, their counts are added up.
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
        joint = counts[hidden].sum(axis=0) if together is None else np.asarray(together(hidden))
        enough = (joint >= limits).all()
        if hidden.sum() > 1 and enough:
            break
        hidden[group] = True
    return hidden
