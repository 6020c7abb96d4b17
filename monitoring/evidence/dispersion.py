"""How much more days differ than their rows explain, by which a stream's evidence is divided.

Neighbouring days of one kind are compared, so that neither weekends nor seasons nor slow drifts
count: the mean of their squared differences over what independent rows would give (von Neumann,
Annals of Mathematical Statistics 1941). Evidence is at most 1 in mean, and so is any root of it
(Jensen), whatever the index is, since it's known before the day.

Where n rows share a day's effect of variance v, their sum varies D = 1 + n v times as if they were
independent, and the bet on a shift d with a zone of indifference tau keeps a mean of at most 1, for
days that don't lie elsewhere, if its log is divided by D / (1 + 2 tau / d): the zone bears a part.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from monitoring.evidence.bets import Floats

Counts = NDArray[np.int64]
KINDS = 2  # weekdays and weekends
LEAST_PAIRS = 14
# neighbouring pairs share a day, which makes the sum's SD sqrt(3) a pair; below 2.3 SD it's chance
_BEYOND_CHANCE = 4.0
_SHIFT = 0.5  # the shift d, in SDs, for which the zone's part is reckoned


@dataclass(frozen=True, eq=False)
class Dispersion:
    """What is kept of earlier days: the last of each kind, [kinds, bins], and the differences.

    Before the first day there are no bins.
    """

    last: Counts
    total: float = 0.0
    pairs: int = 0

    @property
    def index(self) -> float:
        """Return how many times days vary as independent rows would, 1 while that may be chance."""
        if self.pairs < LEAST_PAIRS:
            return 1.0
        if self.total <= self.pairs + _BEYOND_CHANCE * self.pairs**0.5:
            return 1.0
        return self.total / self.pairs

    def divisor(self, tau: float) -> float:
        """Return by what log evidence is divided, at least 1, with a zone of tau SDs."""
        return max(1.0, self.index / (1 + 2 * tau / _SHIFT))

    def after(self, today: Counts, kind: int, bag: Floats, *, ordered: bool) -> "Dispersion":
        """Return what is kept after a day of `kind` with counts `today`, [bins]."""
        last = self.last.copy() if self.last.size else np.zeros((KINDS, today.size), np.int64)
        before = last[kind].copy()
        last[kind] = today
        if not before.any():
            return Dispersion(last, self.total, self.pairs)
        found = difference(before, today, bag, ordered=ordered)
        return Dispersion(last, self.total + found, self.pairs + 1)


NOTHING_YET = Dispersion(np.zeros((KINDS, 0), dtype=np.int64))


def difference(a: Counts, b: Counts, bag: Floats, *, ordered: bool) -> float:
    """Return the squared difference of two days' counts, [bins], 1 in mean if rows are independent.

    Of ordered bins the mean mid-ranks within the bag are compared, of others the shares (Pearson).
    """
    rows, others = a.sum(), b.sum()
    apart, spread = a / rows - b / others, 1 / rows + 1 / others
    if not ordered:
        held = bag > 0
        freedom = int(held.sum()) - 1
        squares = float((apart[held] ** 2 / bag[held]).sum() * bag.sum())
        return squares / (spread * freedom) if freedom else 1.0
    rank = np.cumsum(bag)
    size = rank[-1]
    rank -= 0.5 * bag
    variance = float(bag @ (rank * rank) / size - size * size / 4)
    return float((apart @ rank) ** 2 / (variance * spread)) if variance > 0 else 1.0
