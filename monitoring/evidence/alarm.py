"""What an alarm says: since when, which way, by how much and of what likely kind."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Literal

import numpy as np
from scipy.special import ndtri

from models.errors import EvidenceError
from monitoring.evidence.bets import Bet, shifted_rate
from monitoring.evidence.categorical import CategoricalStream, bin_of
from monitoring.evidence.detector import Closing
from monitoring.evidence.history import History
from monitoring.evidence.numeric import NumericStream
from monitoring.evidence.spans import Span, words_of
from monitoring.evidence.state import Counts, Floats
from monitoring.evidence.stream import Stream
from monitoring.evidence.units import UnitFinding
from monitoring.wilson import wilson

Kind = Literal["missingness", "unit", "shift", "spread", "tails", "category", "rate"]
Scale = Literal["SD", "ratio of SDs", "share"]

_Z95 = 1.959964


@dataclass(frozen=True)
class Size:
    """A change's size with its 95 % interval, on `scale`; `before` is the reference's figure.

    The interval doesn't allow for the alarm's having chosen its own moment, so it leans outwards.
    """

    scale: Scale
    now: float
    low: float
    high: float
    before: float


@dataclass(frozen=True)
class Alarm:
    """One alarm in clinical words; `rows` are those seen since the onset."""

    stream: str
    kind: Kind
    bet: Bet
    direction: str
    onset: date
    day: date
    rows: int
    size: Size
    medians: tuple[float, float] | None
    unit: UnitFinding | None
    sentence: str


def describe(
    stream: Stream,
    closing: Closing,
    history: History,
    unit: UnitFinding | None = None,
    rows_are: str = "requests",
    spans: Sequence[Span] = (),
) -> Alarm:
    """Describe the alarm that closing a day raised; `history` includes that day.

    `unit` is what `units.recognise_unit` found in the stream's values, if they were at hand;
    `rows_are` says what a share is of. `spans` are the days on which the change was there, where
    they aren't all since the onset.
    """
    if not closing.alarm or closing.leading is None or closing.onset is None:
        raise EvidenceError(f"stream {stream.name} raised no alarm on {closing.day}")
    before, now, onset = _compared(stream, closing, history)
    bet = closing.leading
    size = size_of(stream, bet, before, now)
    kind = _kind(stream, bet, unit)
    medians = _medians(stream, before, now) if isinstance(stream, NumericStream) else None
    spans = spans or [Span(onset)]
    words = _words(over=spans[-1].last is not None)
    change = _sentence(stream, bet, size, medians, unit, rows_are, words)
    return Alarm(
        stream.name,
        kind,
        bet,
        bet.direction,
        onset,
        closing.day,
        int(now.sum()),
        size,
        medians,
        unit,
        f"{change}, {words_of(spans)}",
    )


def _compared(stream: Stream, closing: Closing, history: History) -> tuple[Counts, Counts, date]:
    """Return the reference without the changed days, the changed days, and the first of them."""
    onset = closing.onset or closing.day
    recent = history.since(onset)
    if not recent or recent[-1].day != closing.day:
        raise EvidenceError(f"stream {stream.name}: history lacks {closing.day}, add it first")
    joined = [past.counts for past in recent if past.joined]
    before = closing.state.reference - (np.sum(joined, axis=0) if joined else 0)
    if before.min() < 0 or not before.any():
        raise EvidenceError(f"stream {stream.name}: history and reference are not of one stream")
    return before, np.sum([past.counts for past in recent], axis=0), max(onset, recent[0].day)


def _kind(stream: Stream, bet: Bet, unit: UnitFinding | None) -> Kind:
    if unit is not None:
        return "unit"
    if isinstance(stream, CategoricalStream):
        return "category"
    kinds: dict[str, Kind] = {"location": "shift", "scale": "spread", "tail": "tails"}
    if bet.family == "rate":
        return "missingness" if bet.direction.endswith(" missing") else "rate"
    return kinds[bet.family]


def size_of(stream: Stream, bet: Bet, before: Counts, now: Counts) -> Size:
    """Return how far rows differ from those before, on the scale of a bet; both [strata, bins]."""
    if bet.family == "rate":
        return _share(before, now, bin_mask(stream, bet))
    if bet.family == "tail" and bet.tail_mass is not None:
        return _share(before, now, tail_mask(bet, before))
    scores = normal_scores(before)
    if bet.family == "location":
        mean, variance, rows = _moments(scores, now)
        old_mean, old_variance, old_rows = _moments(scores, before)
        error = _Z95 * np.sqrt(variance / rows + old_variance / old_rows)
        shift = mean - old_mean
        return Size("SD", shift, shift - error, shift + error, 0.0)
    ratio, error = _spread_ratio(scores, before, now)
    return Size("ratio of SDs", ratio, ratio * np.exp(-error), ratio * np.exp(error), 1.0)


def normal_scores(before: Counts) -> Floats:
    """Return each bin's mid-rank normal score within its stratum, [strata, bins]."""
    rows = before.sum(axis=1, keepdims=True)
    rank = (np.cumsum(before, axis=1) - before / 2 + 0.5) / (rows + 1)
    return np.asarray(ndtri(rank), dtype=np.float64)


def _moments(scores: Floats, counts: Counts) -> tuple[float, float, float]:
    rows = float(counts.sum())
    mean = float((scores * counts).sum() / rows)
    return mean, float((counts * (scores - mean) ** 2).sum() / rows), rows


def _spread_ratio(scores: Floats, before: Counts, now: Counts) -> tuple[float, float]:
    """Return the ratio of SDs and its log's 95 % error: Var(log s) = (kurtosis - 1) / 4n."""
    logs, variance_of_log = [], 0.0
    for counts in (before, now):
        mean, variance, rows = _moments(scores, counts)
        # half a bin's worth of spread where all rows share a bin
        variance = max(variance, 1e-4)
        fourth = float((counts * (scores - mean) ** 4).sum() / rows)
        logs.append(0.5 * np.log(variance))
        variance_of_log += max(fourth / variance**2 - 1, 0.0) / (4 * rows)
    return float(np.exp(logs[1] - logs[0])), float(_Z95 * np.sqrt(variance_of_log))


def fits_no_change(size: Size, tau: float) -> bool:
    """Say whether a size fits no change that matters: none beyond tau SDs of the normal score."""
    if size.scale == "SD":
        return size.low <= tau and size.high >= -tau
    if size.scale == "share":
        usual = np.array([size.before])
        least, most = shifted_rate(usual, -tau)[0], shifted_rate(usual, tau)[0]
        return bool(size.low <= most and size.high >= least)
    return size.low <= 1 <= size.high


def words_since(size: Size, tau: float) -> str:
    """Word what followed a change that has ended."""
    if fits_no_change(size, tau):
        return "since then as before"
    if size.scale == "share":
        return f"since then in {percent(size.now)}"
    if size.scale == "SD":
        return f"since then {size.now:+.2f} SD".replace("-", "−")
    return f"since then {size.now:.2f} times as wide"


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


def _medians(stream: NumericStream, before: Counts, now: Counts) -> tuple[float, float]:
    """Return the medians before and now, each the lower cut of the bin that holds it."""
    cuts = (-np.inf, *stream.edges.cuts)
    old, new = (
        cuts[int(np.searchsorted(np.cumsum(counts.sum(axis=0)), counts.sum() / 2))]
        for counts in (before, now)
    )
    return float(old), float(new)


def percent(share: float) -> str:
    """Word a share, with two digits where it is small."""
    of_100 = 100 * share
    return f"{of_100:.0f} %" if abs(of_100) >= 10 or of_100 == 0 else f"{of_100:.2g} %"


def _figures(size: Size, falls: bool = False) -> str:
    """Word a size with its interval; where it `falls`, by how much, and so without a sign."""
    now, low, high = (
        (-size.now, -size.high, -size.low) if falls else (size.now, size.low, size.high)
    )
    return f"{now:.2f} ({low:.2f} to {high:.2f})"


@dataclass(frozen=True)
class _Words:
    """The words of a sentence that tell whether a change is over."""

    is_: str
    runs: str
    look: str
    usual: str


def _words(*, over: bool) -> _Words:
    if over:
        return _Words("was", "ran", "looked", "{} before")
    return _Words("is", "runs", "look", "was {}")


def _sentence(
    stream: Stream,
    bet: Bet,
    size: Size,
    medians: tuple[float, float] | None,
    unit: UnitFinding | None,
    rows_are: str,
    words: _Words,
) -> str:
    name = stream.name
    if unit is not None:
        interval = f"{percent(unit.share_low)} to {percent(unit.share_high)}"
        share = f"{percent(unit.share)} ({interval})"
        of = f" of the first {unit.first_days} days" if unit.first_days else ""
        return f"{share} of {name} values{of} {words.look} like {unit.change.name}"
    if size.scale == "share":
        interval = f"{percent(size.low)} to {percent(size.high)}"
        shares = f"{percent(size.now)} ({interval}) of {rows_are}"
        what = bet.direction.split(" ", 1)[1]
        if bet.family == "tail" and bet.tail_mass is not None:
            side = "highest" if bet.direction == "upper tail" else "lowest"
            what = f"among the {side} {percent(bet.tail_mass)} of before"
        return f"{name} {words.is_} {what} in {shares}, {words.usual.format(percent(size.before))}"
    if size.scale == "ratio of SDs":
        text = f"{name} {words.is_} {bet.direction}: {_figures(size)} times as wide as before"
    else:
        extent = _figures(size, bet.direction == "lower")
        text = f"{name} {words.runs} {bet.direction} by {extent} SD"
    if medians is not None and np.isfinite(medians).all():
        was, now = (f"{median:.4g}" for median in medians)
        if now != was:  # where both are in one bin, the shift alone says more
            text += f" (median {now}, {words.usual.format(was)})"
    return text
