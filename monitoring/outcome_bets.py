"""The bets of alarms that rest on outcomes: what they share, whatever each of them weighs."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from monitoring.evidence.bets import Bet
from monitoring.evidence.state import Floats


@dataclass(frozen=True)
class OutcomeBets:
    """Bets whose evidence is computed from outcomes; their stream counts rows in one bin."""

    name: str
    bets: tuple[Bet, ...]
    bins: int = 1
    grows: bool = False

    @cached_property
    def log_weights(self) -> Floats:
        """Return the log of each bet's weight."""
        return np.log([bet.weight for bet in self.bets])

    @cached_property
    def sizes(self) -> Floats:
        """Return each bet's size."""
        return np.array([bet.size for bet in self.bets])
