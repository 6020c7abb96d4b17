"""Recorded rows of some days, over which an alarm is compared with what may explain it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
from numpy.typing import NDArray

from monitoring.counterfactual import Scored
from monitoring.streams import DayRows


@dataclass(frozen=True, eq=False)
class Window:
    """The recorded rows of some days: their columns and the day of each."""

    rows: Scored
    days: NDArray[np.datetime64]

    def within(self, spans: Sequence[tuple[date, date]]) -> NDArray[np.bool_]:
        """Return which rows are of one of some spans' days, each from first to last."""
        chosen = np.zeros(self.days.size, dtype=np.bool_)
        for first, last in spans:
            chosen |= (self.days >= np.datetime64(first)) & (self.days <= np.datetime64(last))
        return chosen

    def by_day(self, rows: Scored) -> Iterator[tuple[date, DayRows]]:
        """Yield these rows, which may have been scored anew, by day."""
        for day in np.unique(self.days).astype(object):
            yield day, _of_day(rows, self.days == np.datetime64(day))


def _of_day(rows: Scored, chosen: NDArray[np.bool_]) -> DayRows:
    columns = {name: column[chosen] for name, column in rows.features.items()}
    return DayRows(
        columns,
        rows.margin[chosen],
        rows.risk[chosen],
        {},
        int(chosen.sum()),
        rows.contributions[chosen],
        site=rows.site[chosen],
    )
