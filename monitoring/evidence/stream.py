"""What the detector asks of a stream: its bins, its bets, and their evidence."""

from typing import Protocol

from monitoring.evidence.bets import Bet, Floats


class Stream(Protocol):
    """One watched quantity: its bins and its bets."""

    @property
    def name(self) -> str:
        """Return what is watched."""
        ...

    @property
    def bins(self) -> int:
        """Return how many bins a row may fall in."""
        ...

    @property
    def bets(self) -> tuple[Bet, ...]:
        """Return the alternatives that are bet on."""
        ...

    @property
    def log_weights(self) -> Floats:
        """Return the log of each bet's weight."""
        ...

    @property
    def grows(self) -> bool:
        """Return whether past days join the reference."""
        ...


class CountedStream(Stream, Protocol):
    """A stream whose evidence rests on counts, and on how they vary from day to day."""

    @property
    def ordered(self) -> bool:
        """Return whether the bins have an order."""
        ...

    @property
    def tau(self) -> float:
        """Return the indifference zone's half width in SDs."""
        ...

    def log_evidence(self, bag: Floats, today: Floats) -> Floats:
        """Return each bet's log E, [..., bets], of today's counts in their bag, [..., bins]."""
        ...
