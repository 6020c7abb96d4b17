"""How large a change is: on the scale of a bet, with an interval, and the medians beside it."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.special import ndtri

from monitoring.evidence.bets import Bet, shifted_rate
from monitoring.evidence.categorical import bin_of
from monitoring.evidence.grouped import Grouped, fit, grouped
from monitoring.evidence.numeric import NumericStream
from monitoring.evidence.state import Counts, Floats
from monitoring.evidence.stream import Stream
from monitoring.wilson import Z95, wilson

Scale = Literal["SD", "ratio of SDs", "share"]

# rows beyond the last cut can't tell how far where they are more than these shares of all: where
# that cut is as far out as usual, and where it's nearer
_MOST_BEYOND, _FAR, _NEARLY_ALL = 0.5, 1.96, 0.975
# a spread isn't told where it might be a hundred times as wide or as narrow
_UNTOLD = float(np.log(100))


@dataclass(frozen=True)
class Size:
    """A change's size with its 95 % interval, on `scale`; `before` is the reference's figure.

    An end of the interval is None where too many rows lie beyond all cuts to tell it; `now` is then
    the least that the size is likely to be. The interval doesn't allow for the alarm's having
    chosen its own moment, so it leans outwards.
    """

    scale: Scale
    now: float
    low: float | None
    high: float | None
    before: float

    @property
    def ends(self) -> tuple[float, float]:
        """Return the interval's ends, infinite where they can't be told."""
        low = -np.inf if self.low is None else self.low
        return low, np.inf if self.high is None else self.high

    @property
    def bound(self) -> float | None:
        """Return the end that's known where the other one isn't, None where both are."""
        if self.low is not None and self.high is not None:
            return None
        return self.low if self.high is None else self.high


@dataclass(frozen=True)
class Median:
    """Between which values a median lies; `low` is the value itself where both are the same.

    An end is infinite where the median lies beyond all cuts.
    """

    low: float
    high: float


def size_of(stream: Stream, bet: Bet, before: Counts, now: Counts) -> Size:
    """Return how far rows differ from those before, on the scale of a bet; both [strata, bins].

    Where no spread can be told from the bins (most rows lie beyond the last cut, or there are but
    two bins), the size is the shift that the rows show, in SDs, for a bet on spread too.
    """
    if bet.family == "rate":
        return _share(before, now, bin_mask(stream, bet))
    if bet.family == "tail" and bet.tail_mass is not None:
        return _share(before, now, tail_mask(bet, before))
    return shift_of(before, now) if bet.family == "location" else spread_of(before, now)


def shift_of(before: Counts, now: Counts) -> Size:
    """Return how many SDs higher rows are than those before; both [strata, bins]."""
    found = grouped(before, now)
    return _beyond(found) or _shift(found, *_moments(normal_scores(before), now))


def spread_of(before: Counts, now: Counts) -> Size:
    """Return how many times as wide rows are as those before, or their shift if that can't be told.

    Counts are [strata, bins].
    """
    found = grouped(before, now)
    return _beyond(found) or _spread(found, *_moments(normal_scores(before), now))


def _beyond(found: Grouped) -> Size | None:
    """Return the least shift of rows most of which lie beyond the last cut, if they do.

    Their middle is beyond it then; where nearly all are beyond a cut that isn't far out, it is so
    far beyond as if they were spread as before.
    """
    for above, way in ((True, 1.0), (False, -1.0)):
        out = found.beyond(above=above)
        if way * out.cut >= _FAR and out.rows > _MOST_BEYOND * out.of:
            place = way * out.cut
            error = np.hypot(out.error, np.sqrt(np.pi / 2 / out.of))
        elif out.rows > _NEARLY_ALL * out.of:
            place = way * out.cut + float(ndtri(wilson(out.rows, out.of)[1]))
            error = out.error
        else:
            continue
        now, least = way * max(place, 0.0), float(way * (place - Z95 * error))
        return Size("SD", now, least if above else None, None if above else least, 0.0)
    return None


def _shift(found: Grouped, mean: float, spread: float) -> Size:
    low, high = found.ends
    if found.is_in_one_place and np.isfinite(high - low):
        return Size("SD", min(max(mean, low), high), low, high, 0.0)
    best = fit(found, (mean, spread))
    error = Z95 * best.shift_error
    return Size("SD", best.shift, best.shift - error, best.shift + error, 0.0)


def _spread(found: Grouped, mean: float, spread: float) -> Size:
    """Return the ratio of SDs; of rows in one place, the least and the most that it may be."""
    low, high = found.ends
    if found.has_a_spread:
        best = fit(found, (mean, spread))
        error = Z95 * best.log_ratio_error
        if error > _UNTOLD:
            return _shift(found, mean, spread)
        now, low, high = np.exp(best.log_ratio + error * np.array([0, -1, 1])).tolist()
        return Size("ratio of SDs", now, low, high, 1.0)
    if np.isfinite(high - low):  # no SD is more than half of where the rows lie
        return Size("ratio of SDs", min((high - low) / 2, 1.0), None, (high - low) / 2, 1.0)
    return _shift(found, mean, spread)


def normal_scores(before: Counts) -> Floats:
    """Return each bin's mid-rank normal score within its stratum, [strata, bins]."""
    rows = before.sum(axis=1, keepdims=True)
    rank = (np.cumsum(before, axis=1) - before / 2 + 0.5) / (rows + 1)
    return np.asarray(ndtri(rank), dtype=np.float64)


def _moments(scores: Floats, counts: Counts) -> tuple[float, float]:
    """Return the mean and SD of rows by the scores of their bins."""
    rows = float(counts.sum())
    mean = float((scores * counts).sum() / rows)
    # half a bin's worth of spread where all rows share a bin
    return mean, float(np.sqrt(max((counts * (scores - mean) ** 2).sum() / rows, 1e-4)))


def fits_no_change(size: Size, tau: float) -> bool:
    """Say whether a size fits no change that matters: none beyond tau SDs of the normal score."""
    low, high = size.ends
    if size.scale == "SD":
        return low <= tau and high >= -tau
    if size.scale == "share":
        usual = np.array([size.before])
        least, most = shifted_rate(usual, -tau)[0], shifted_rate(usual, tau)[0]
        return bool(low <= most and high >= least)
    return low <= 1 <= high


def bin_mask(stream: Stream, bet: Bet) -> Floats:
    """Return 1 for the bin whose rate the bet is on."""
    mask = np.zeros(stream.bins)
    mask[bin_of(stream, bet)] = 1.0
    return mask


def tail_mask(bet: Bet, before: Counts) -> Floats:
    """Return 1 for the bins of the tail that the bet is on, [strata, bins]."""
    scores = normal_scores(before)
    limit = -ndtri(bet.tail_mass)
    return np.asarray(scores > limit if bet.direction == "upper tail" else scores < -limit) * 1.0


def _share(before: Counts, now: Counts, mask: Floats) -> Size:
    """Return the share of rows inside the mask, with Wilson's interval, at today's strata."""
    mask = np.broadcast_to(mask, before.shape)
    rows = now.sum(axis=1)
    old = (mask * before).sum(axis=1) / np.maximum(before.sum(axis=1), 1)
    share, low, high = wilson(float((mask * now).sum()), float(rows.sum()))
    return Size("share", share, low, high, float((old * rows).sum() / rows.sum()))


def medians_of(stream: NumericStream, before: Counts, now: Counts) -> tuple[Median, Median]:
    """Return the medians before and now."""
    old, new = (_median(stream, counts.sum(axis=0)) for counts in (before, now))
    return old, new


def _median(stream: NumericStream, rows: Counts) -> Median:
    """Return the lower cut of the bin that holds the median, or both where most rows are in it.

    Where a stream has a bin for each of its values, the lower cut is that value.
    """
    cuts = (-np.inf, *stream.edges.cuts, np.inf)
    at = int(np.searchsorted(np.cumsum(rows), rows.sum() / 2))
    low, high = float(cuts[at]), float(cuts[at + 1])
    is_one = high == np.nextafter(low, np.inf) or stream.edges.are_values
    unclear = np.isinf(low) or np.isinf(high) or (not is_one and 2 * rows[at] > rows.sum())
    return Median(low, high if unclear else low)
