"""How much more days differ than their rows explain, by which a stream's evidence is divided.

Neighbouring days of one kind are compared, so that neither weekends nor seasons nor slow drifts
count: the mean of their squared differences over what independent rows would give (von Neumann,
Annals of Mathematical Statistics 1941). Evidence is at most 1 in mean, and so is any root of it
(Jensen), whatever the index is, since it's known before the day.

Where n rows share a day's effect of variance v, their sum varies D = 1 + n v times as if they were
independent, and the bet on a shift d with a zone of indifference tau keeps a mean of at most 1, for
days that don't lie elsewhere, if its log is divided by D / (1 + 2 tau / d): the zone bears a part.
"""

from collections.abc import Sequence
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


NOTHING_YET = Dispersion(np.zeros((KINDS, 0), dtype=np.int64))


def after_day(
    known: Sequence[Dispersion], today: Counts, kind: int, bags: Floats, *, ordered: bool
) -> list[Dispersion]:
    """Return what is kept of several streams after a day of `kind`; `today` is [streams, bins]."""
    last = np.zeros((len(known), KINDS, today.shape[1]), dtype=np.int64)
    for kept, one in zip(last, known, strict=True):
        if one.last.size:
            kept[:] = one.last
    before = last[:, kind].copy()
    last[:, kind] = today
    paired = np.asarray(before.any(axis=1))
    found = iter(differences(before[paired], today[paired], bags[paired], ordered=ordered))
    return [
        Dispersion(last[at], one.total + next(found), one.pairs + 1)
        if pair
        else Dispersion(last[at], one.total, one.pairs)
        for at, (one, pair) in enumerate(zip(known, paired.tolist(), strict=True))
    ]


def differences(a: Counts, b: Counts, bags: Floats, *, ordered: bool) -> list[float]:
    """Return each stream's squared difference of two days' counts, [streams, bins].

    It is 1 in mean if rows are independent. Of ordered bins the mean mid-ranks within the bag are
    compared, of others the shares (Pearson).
    """
    rows, others = a.sum(axis=1), b.sum(axis=1)
    apart, spread = a / rows[:, None] - b / others[:, None], 1 / rows + 1 / others
    if not ordered:
        return [_of_shares(*each) for each in zip(apart, bags, spread.tolist(), strict=True)]
    rank = np.cumsum(bags, axis=1)
    size = rank[:, -1].copy()
    rank -= 0.5 * bags
    variance = np.vecdot(bags, rank * rank) / size - size * size / 4
    each = zip(np.vecdot(apart, rank).tolist(), variance.tolist(), spread.tolist(), strict=True)
    return [moved**2 / (varies * by) if varies > 0 else 1.0 for moved, varies, by in each]


def _of_shares(apart: Floats, bag: Floats, spread: float) -> float:
    held = bag > 0
    freedom = int(held.sum()) - 1
    squares = float((apart[held] ** 2 / bag[held]).sum() * bag.sum())
    return squares / (spread * freedom) if freedom else 1.0
