"""Streams of a numeric feature or of the score, in bins ranked within the bag of rows."""

from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np
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
        """Return log E of each bet: log prod g(b)^c_b / (sum r_b g(b))^n.

        `bag` holds the counts of reference, past and today, r its proportions; g is the bet at
        the bag's mid-rank normal score. The divisor is the largest mean of g over changes within
        the indifference zone, so that none of these is evidence.
        """
        size = bag.sum()
        bin_of = np.searchsorted(self.bank.ranks, (np.cumsum(bag) - bag / 2) / size, side="right")
        width = self.bank.ranks.size + 1
        shares = np.bincount(bin_of, bag, minlength=width) / size
        counts = np.bincount(bin_of, today, minlength=width)
        # sums along the first axis run in row order: the same bits on every run
        won = (counts[:, None] * self.bank.log_bet).sum(axis=0)
        expected = (shares[:, None] * self.bank.zone).sum(axis=1).max(axis=0)
        return np.asarray(won - today.sum() * np.log(expected), dtype=np.float64)
