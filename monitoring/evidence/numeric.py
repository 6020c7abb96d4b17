"""Streams of a numeric feature or of the score, in bins ranked within the bag of rows."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
from numba import njit
from numpy.typing import ArrayLike

from models.edges import Edges
from monitoring.evidence.bets import Bet, Floats, NumericBank, numeric_bank
from monitoring.evidence.state import Counts


@dataclass(frozen=True)
class NumericStream:
    """A numeric column; with `grows=False` its reference stays fixed, for slow ramps.

    `tau` is the smallest shift that matters, in SDs of the normal score.
    """

    name: str
    edges: Edges
    tau: float = 0.0
    grows: bool = True
    ordered: ClassVar[bool] = True

    @cached_property
    def bank(self) -> NumericBank:
        """Return the bets as tables over normal scores."""
        return numeric_bank(self.tau)

    @property
    def bins(self) -> int:
        """Return how many bins a value may fall in."""
        return self.edges.bins

    @property
    def bets(self) -> tuple[Bet, ...]:
        """Return the 24 bets."""
        return self.bank.bets

    @property
    def log_weights(self) -> Floats:
        """Return the log of each bet's weight."""
        return self.bank.log_weights

    def count(self, values: ArrayLike) -> Counts:
        """Return how many values each bin holds."""
        return self.edges.count(values)

    def log_evidence(self, bag: Floats, today: Floats) -> Floats:
        """Return log E of each bet, [..., bets]: log prod g(b)^c_b / (sum r_b g(b))^n.

        `bag`, [..., bins], holds the counts of reference, past and today, r its proportions; g is
        the bet at the bag's mid-rank normal score. The divisor is the largest mean of g over
        changes within the indifference zone, so that none of these is evidence.
        """
        size = bag.sum(axis=-1, keepdims=True)
        ranks = (np.cumsum(bag, axis=-1) - bag / 2) / size
        width, each = self.bank.ranks.size + 1, np.arange(size.size).reshape(size.shape)
        places = (np.searchsorted(self.bank.ranks, ranks, side="right") + width * each).ravel()

        def gathered(counts: Floats) -> Floats:
            sums = np.bincount(places, counts.ravel(), minlength=width * each.size)
            return np.asarray(sums.reshape(each.size, width), dtype=np.float64)

        won = _weighted(gathered(today), self.bank.log_bet)
        shares = gathered(bag) / size.reshape(each.size, 1)
        expected = np.max([_weighted(shares, means) for means in self.bank.zone], axis=0)
        rows = today.sum(axis=-1).reshape(each.size, 1)
        return np.asarray(won - rows * np.log(expected)).reshape(*bag.shape[:-1], -1)


@njit(cache=True, nogil=True)
def _weighted(weights: Floats, table: Floats) -> Any:
    """Return [n, K]: a table's rows, [Z, K], summed by weights, [n, Z], one after the other.

    They are summed in one order, and so always to the same bit.
    """
    sums = np.empty((weights.shape[0], table.shape[1]))
    for one in range(weights.shape[0]):
        sums[one] = weights[one, 0] * table[0]
        for row in range(1, table.shape[0]):
            for bet in range(table.shape[1]):
                sums[one, bet] += weights[one, row] * table[row, bet]
    return sums
