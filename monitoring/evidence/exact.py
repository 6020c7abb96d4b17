"""The exact form, by smoothed conformal p-values: where it is used, the budget is a theorem's.

Each row is ranked among all rows of its stratum before it, ties broken at random; if the rows are
exchangeable the p-values are independent and uniform (Vovk, Gammerman and Shafer 2005), so that
the product of bets on them is at most 1 in mean given the past.
"""

from dataclasses import dataclass
from datetime import date

import numpy as np
from numpy.typing import ArrayLike, NDArray

from models.errors import EvidenceError, StatisticsError
from monitoring.evidence.bets import Floats, NumericBank
from monitoring.evidence.detector import Budget, Closing, advance, check_state
from monitoring.evidence.numeric import NumericStream
from monitoring.evidence.state import Counts, StreamState


@dataclass(frozen=True, eq=False)
class Rows:
    """A day's rows in an order that doesn't depend on their values: bins and strata, [n]."""

    bins: NDArray[np.int64]
    strata: NDArray[np.int64]

    @classmethod
    def of(cls, bins: ArrayLike, strata: ArrayLike = 0) -> "Rows":
        """Make rows of one stratum, or of one stratum each."""
        array = np.asarray(bins, dtype=np.int64)
        return cls(array, np.broadcast_to(np.asarray(strata, dtype=np.int64), array.shape))


def conformal_p(reference: Counts, bins: ArrayLike, uniforms: Floats) -> Floats:
    """Return each row's p-value: (rows below + u (rows tied, itself too)) / (rows + itself)."""
    counts = reference.astype(np.int64)
    rows = np.asarray(bins, dtype=np.int64)
    p = np.empty(rows.size)
    size = int(counts.sum())
    for i, bin_ in enumerate(rows):
        counts[bin_] += 1
        size += 1
        p[i] = (counts[:bin_].sum() + uniforms[i] * counts[bin_]) / size
    return p


def log_bets(bank: NumericBank, p: Floats) -> Floats:
    """Return the log of each bet's density at each p-value, [n, K], at most 1 in mean."""
    masses = np.diff(bank.ranks, prepend=0.0, append=1.0)
    ceiling = (masses[:, None] * bank.zone).sum(axis=1).max(axis=0)
    place = np.searchsorted(bank.ranks, p, side="right")
    return np.asarray(bank.log_bet[place] - np.log(ceiling), dtype=np.float64)


def close_day_exactly(
    stream: NumericStream,
    state: StreamState,
    day: date,
    budget: Budget,
    rows: Rows,
    *,
    seed: int,
    joins: bool = True,
) -> Closing:
    """Close a day by the exact form; the same seed, rows and order give the same bits.

    All of the day's rows are given here at once, none may have been observed before. An event
    (missing or not) takes this form as a numeric stream of 0 and 1 with one edge at 0.5.
    """
    check_state(stream, state)
    if not stream.grows:
        raise StatisticsError(f"stream {stream.name}: a fixed reference has no exact form")
    if state.today.any():
        raise EvidenceError(
            f"stream {stream.name}: {int(state.today.sum())} rows were observed without order; "
            "the exact form takes the whole day at once"
        )
    uniforms = np.random.default_rng([seed, day.toordinal()]).random(rows.bins.size)
    evidence = np.zeros(len(stream.bets))
    for stratum in np.unique(rows.strata):
        chosen = rows.strata == stratum
        counts = np.bincount(rows.bins[chosen], minlength=stream.bins).astype(np.int64)
        state = state.observe(counts, int(stratum))
        p = conformal_p(state.reference[stratum], rows.bins[chosen], uniforms[chosen])
        evidence += log_bets(stream.bank, p).sum(axis=0)
    return advance(stream, state, day, budget, evidence, joins=joins)
