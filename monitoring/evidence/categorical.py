"""Streams of a coded feature: every category is bet on against all the others."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np

from models.errors import StatisticsError
from monitoring.evidence.bets import ODDS, Bet, Floats, checked_tau, rate_bets
from monitoring.evidence.binary import log_odds_evidence
from monitoring.evidence.state import Counts
from monitoring.evidence.stream import Stream


@dataclass(frozen=True)
class CategoricalStream:
    """A coded column; one bin a category and a last one for codes not known at training."""

    name: str
    categories: tuple[str, ...]
    tau: float = 0.0
    grows: bool = True
    ordered: ClassVar[bool] = False

    def __post_init__(self) -> None:
        checked_tau(self.tau)
        if not self.categories or len(set(self.categories)) != len(self.categories):
            raise StatisticsError(f"{self.name}: categories must be given, each of them once")

    @property
    def bins(self) -> int:
        """Return one bin a category and one for the others."""
        return len(self.categories) + 1

    @cached_property
    def bets(self) -> tuple[Bet, ...]:
        """Return nine bets a bin, equally weighted."""
        names = (*(f"“{category}”" for category in self.categories), "unknown codes")
        return tuple(
            bet
            for name in names
            for bet in rate_bets(f"more {name}", f"less {name}", 1 / len(names))
        )

    def plain(self, bet: Bet) -> Bet:
        """Return a bet in its change's one form: less of one of two is more of the other.

        Among more categories, and of unknown codes, each bet is a form of its own.
        """
        bin_, place = divmod(self.bets.index(bet), len(ODDS))
        if len(self.categories) != 2 or bin_ > 1 or bet.size > 1:
            return bet
        return self.bets[(1 - bin_) * len(ODDS) + len(ODDS) - 1 - place]

    @cached_property
    def log_weights(self) -> Floats:
        """Return the log of each bet's weight."""
        return np.log([bet.weight for bet in self.bets])

    def count(self, codes: Sequence[str]) -> Counts:
        """Return how many rows have each category, those of an unknown code last."""
        place = {category: bin_ for bin_, category in enumerate(self.categories)}
        bins = [place.get(code, len(place)) for code in codes]
        return np.bincount(np.array(bins, dtype=np.int64), minlength=self.bins).astype(np.int64)

    def log_evidence(self, bag: Floats, today: Floats) -> Floats:
        """Return log E of each bet, [..., bets], on each category's rate in the bag."""
        rates = bag / bag.sum(axis=-1, keepdims=True)
        found = log_odds_evidence(rates, today, today.sum(axis=-1), self.tau)
        return found.reshape(*bag.shape[:-1], len(self.bets))


def bin_of(stream: Stream, bet: Bet) -> int:
    """Return the bin whose rate a bet is on."""
    if isinstance(stream, CategoricalStream):
        return stream.bets.index(bet) // len(ODDS)
    return 1
