"""What an alarm says: since when, which way, by how much and of what likely kind."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Literal

import numpy as np

from models.errors import EvidenceError
from monitoring.evidence.bets import Bet
from monitoring.evidence.categorical import CategoricalStream
from monitoring.evidence.detector import Closing
from monitoring.evidence.history import History
from monitoring.evidence.numeric import NumericStream
from monitoring.evidence.size import Median, Size, fits_no_change, medians_of, size_of
from monitoring.evidence.spans import Span, words_of
from monitoring.evidence.state import Counts
from monitoring.evidence.stream import Stream
from monitoring.evidence.units import UnitFinding

Kind = Literal["missingness", "unit", "shift", "spread", "tails", "category", "rate"]


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
    medians: tuple[Median, Median] | None
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
    medians = medians_of(stream, before, now) if isinstance(stream, NumericStream) else None
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


def words_since(size: Size, tau: float) -> str:
    """Word what followed a change that has ended."""
    if fits_no_change(size, tau):
        return "since then as before"
    if size.scale == "share":
        return f"since then in {percent(size.now)}"
    if size.scale == "SD":
        more = "more than " if size.bound is not None else ""
        now = size.now if size.bound is None else size.bound
        return f"since then {more}{now:+.2f} SD".replace("-", "−")
    return f"since then {size.now:.2f} times as wide"


def percent(share: float) -> str:
    """Word a share, with two digits where it is small."""
    of_100 = 100 * share
    return f"{of_100:.0f} %" if abs(of_100) >= 10 or of_100 == 0 else f"{of_100:.2g} %"


def _figures(size: Size, falls: bool = False) -> str:
    """Word a size with its interval; where it `falls`, by how much, and so without a sign."""
    if size.bound is not None:
        at_least = size.scale == "SD"
        return f"{'more' if at_least else 'less'} than {max(abs(size.bound), 0.01):.2f}"
    low, high = size.ends
    now, low, high = (-size.now, -high, -low) if falls else (size.now, low, high)
    return f"{now:.2f} ({low:.2f} to {high:.2f})"


def _way(bet: Bet, size: Size) -> str:
    """Return which way values run, by the bet, or by themselves if that's on their spread."""
    if bet.family == "location":
        return bet.direction
    return "higher" if size.now >= 0 else "lower"


def _told(median: Median) -> str:
    """Word a median as what is known of it: a value, or between which cuts it lies."""
    if median.low == median.high:
        return f"{median.low:.4g}"
    if np.isinf(median.high):
        return f"above {median.low:.4g}"
    if np.isinf(median.low):
        return f"below {median.high:.4g}"
    return f"between {median.low:.4g} and {median.high:.4g}"


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
    medians: tuple[Median, Median] | None,
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
        low, high = size.ends
        interval = f"{percent(low)} to {percent(high)}"
        shares = f"{percent(size.now)} ({interval}) of {rows_are}"
        what = bet.direction.split(" ", 1)[1]
        if bet.family == "tail" and bet.tail_mass is not None:
            side = "highest" if bet.direction == "upper tail" else "lowest"
            what = f"among the {side} {percent(bet.tail_mass)} of before"
        return f"{name} {words.is_} {what} in {shares}, {words.usual.format(percent(size.before))}"
    if size.scale == "ratio of SDs":
        text = f"{name} {words.is_} {bet.direction}: {_figures(size)} times as wide as before"
    else:
        way = _way(bet, size)
        extent = f" by {_figures(size, way == 'lower')} SD"
        if size.bound is not None and size.bound * size.now <= 0:
            extent = ", by how much can't be told"
        text = f"{name} {words.runs} {way}{extent}"
    if medians is not None:
        was, now = map(_told, medians)
        if now != was:  # where both are in one bin, the shift alone says more
            text += f" (median {now}, {words.usual.format(was)})"
    return text
