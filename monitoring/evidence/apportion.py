"""Which part of a change each group of rows accounts for: a site's, a sending system's.

A change in the mean of what rows score is the sum of what each group adds: by having changed
itself, and by having become a larger or smaller part of all rows (Kitagawa, JASA 1955;50:1168).
A group that wasn't there before adds all that it differs by.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import ndtri

from monitoring.evidence.bets import Bet
from monitoring.evidence.size import bin_mask, normal_scores, shift_of, spread_of, tail_mask
from monitoring.evidence.state import Counts, Floats
from monitoring.evidence.stream import Stream

# fewer earlier rows, or a change of less than so many errors, can't be divided among groups
LEAST_ROWS_BEFORE, LEAST_ERRORS = 200, 3.0
# families of bets whose sizes are fitted to the bins
_FITTED = ("location", "scale")


@dataclass(frozen=True)
class Part:
    """What one group adds to a change; `share` of it, with an interval for all groups together.

    `now` and `before` are the mean score of its rows, None where it had none; `beyond` says that
    most rows now lie beyond all cuts, so that `now` is the least that it may be.
    """

    group: str
    rows: int
    rows_before: int
    now: float | None
    before: float | None
    share: float
    low: float
    high: float
    beyond: bool = False

    @property
    def is_new(self) -> bool:
        """Whether it had rows only since the change."""
        return self.rows_before == 0


@dataclass(frozen=True)
class Apportioned:
    """A change divided among groups; `usual` is the mean score that all are compared with.

    Groups are compared with their own earlier rows, or, where `by_reference`, all with the
    reference, since the earlier rows are too few or differ from it already.
    """

    parts: tuple[Part, ...]
    usual: float
    by_reference: bool


def bin_scores(stream: Stream, bet: Bet, before: Counts) -> Floats:
    """Return what a row counts by its bin, [strata, bins], where a bet led.

    One for the rows that a bet on a rate or tail is about, else a normal score, for a bet on
    spread its squared distance from the mean.
    """
    if bet.family == "rate":
        return np.broadcast_to(bin_mask(stream, bet), before.shape)
    if bet.family == "tail":
        return tail_mask(bet, before)
    scores = normal_scores(before)
    if bet.family == "location":
        return scores
    return np.asarray((scores - (scores * before).sum() / before.sum()) ** 2)


def apportion(
    scores: Floats,
    now: Mapping[str, Counts],
    before: Mapping[str, Counts],
    reference: Counts,
) -> Apportioned | None:
    """Divide a change among groups, None where there is none; counts are [strata, bins].

    `now` and `before` hold each group's rows since the change and earlier. The intervals are
    normal approximations that take the groups' sizes as they are.
    """
    usual = _mean(scores, reference)
    since = sum(now.values(), np.zeros_like(reference))
    if not since.any():
        return None
    changed = _mean(scores, since) - usual
    earlier = sum(before.values(), np.zeros_like(reference))
    if earlier.sum() >= LEAST_ROWS_BEFORE:
        found = _divided(scores, now, before, _mean(scores, earlier), reference)
        if found is not None and found[0] * changed > 0:
            return Apportioned(found[1], _mean(scores, earlier), by_reference=False)
    found = _divided(scores, now, {}, usual, reference)
    return None if found is None else Apportioned(found[1], usual, by_reference=True)


def _divided(
    scores: Floats,
    now: Mapping[str, Counts],
    before: Mapping[str, Counts],
    usual: float,
    reference: Counts,
) -> tuple[float, tuple[Part, ...]] | None:
    """Return the change in all and its parts, None where chance may have made it."""
    groups = sorted({*now, *before})
    nothing = np.zeros_like(reference)
    held = [(now.get(one, nothing), before.get(one, nothing)) for one in groups]
    rows = np.array([[counts.sum() for counts in pair] for pair in held], dtype=np.float64)
    means = np.array([[_mean(scores, counts) for counts in pair] for pair in held])
    spread = np.array([[_variance(scores, one, reference) for one in pair] for pair in held])
    own = np.where(rows[:, 1] > 0, means[:, 1], usual)
    expected = rows[:, 0].sum() * rows[:, 1] / max(rows[:, 1].sum(), 1.0)
    moved = rows[:, 0] * (np.where(rows[:, 0] > 0, means[:, 0], own) - own)
    adds = moved + (rows[:, 0] - expected) * (own - usual) * (rows[:, 1] > 0)
    errors = rows[:, 0] * spread[:, 0] + np.where(
        rows[:, 1] > 0, rows[:, 0] ** 2 * spread[:, 1] / np.maximum(rows[:, 1], 1.0), 0.0
    )
    total, variance = adds.sum(), errors.sum()
    if abs(total) <= LEAST_ERRORS * np.sqrt(variance):
        return None
    share = adds / total
    wide = float(ndtri(1 - 0.025 / len(groups)))
    half = wide * np.sqrt(errors * (1 - share) ** 2 + share**2 * (variance - errors)) / abs(total)
    return float(total), tuple(
        Part(
            group,
            int(rows[at, 0]),
            int(rows[at, 1]),
            float(means[at, 0]) if rows[at, 0] else None,
            float(means[at, 1]) if rows[at, 1] else None,
            float(share[at]),
            float(share[at] - half[at]),
            float(share[at] + half[at]),
        )
        for at, group in enumerate(groups)
    )


def as_fitted(
    found: Apportioned,
    bet: Bet,
    now: Mapping[str, Counts],
    before: Mapping[str, Counts],
    reference: Counts,
) -> Apportioned:
    """Return a division of a shift or spread whose figures are told as an alarm's size is.

    A mean of scores counts rows in the outermost bins as if they lay just beyond the cuts.
    """
    if bet.family not in _FITTED:
        return found

    def score(counts: Counts | None) -> tuple[float | None, bool]:
        if counts is None or not counts.any():
            return None, False
        return _fitted(bet, reference, counts)

    parts = []
    for part in found.parts:
        told, beyond = score(now.get(part.group))
        earlier = None if part.before is None else score(before.get(part.group))[0]
        parts.append(replace(part, now=told, before=earlier, beyond=beyond))
    usual = reference if found.by_reference else sum(before.values(), np.zeros_like(reference))
    return replace(found, parts=tuple(parts), usual=_fitted(bet, reference, usual)[0])


def told_score(bet: Bet, scores: Floats, reference: Counts, counts: Counts) -> tuple[float, bool]:
    """Return the mean score of rows as it's told, and whether that is the least it may be.

    Of a bet on a shift or a spread, it's that of those fitted to the rows' bins.
    """
    if bet.family not in _FITTED:
        return _mean(scores, counts), False
    return _fitted(bet, reference, counts)


def _fitted(bet: Bet, reference: Counts, counts: Counts) -> tuple[float, bool]:
    shift = shift_of(reference, counts)
    if bet.family == "location":
        return shift.now, shift.bound is not None
    spread = spread_of(reference, counts)
    ratio = spread.now if spread.scale == "ratio of SDs" else 1.0
    return ratio**2 + shift.now**2, shift.bound is not None


def _mean(scores: Floats, counts: Counts) -> float:
    return float((scores * counts).sum() / max(counts.sum(), 1))


def _variance(scores: Floats, counts: Counts, reference: Counts) -> float:
    """Return the variance of a row's score, as if one row more were spread like the reference."""
    more = counts + reference / reference.sum()
    mean = _mean(scores, more)
    return _mean((scores - mean) ** 2, more)
