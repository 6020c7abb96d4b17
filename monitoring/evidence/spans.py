"""When a change was there: from its onset until what followed took its evidence back clearly."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np

from monitoring.evidence.bets import Bet
from monitoring.evidence.binary import log_odds_evidence
from monitoring.evidence.categorical import bin_of
from monitoring.evidence.state import Counts, Floats
from monitoring.evidence.stream import CountedStream, Stream

# of what is rarer than that, or never was, days without it take next to nothing back from a
# stream's own bets, which end at five times as often
RARE, LEAST_EVENTS = 0.01, 0.5
_LOG_ODDS = np.log(2.0) * np.arange(1, 21)
# spans with no longer a pause between them are one
LONGEST_PAUSE = timedelta(days=3)


@dataclass(frozen=True)
class Span:
    """The days from first to last, both changed; `last` is None while the change goes on."""

    first: date
    last: date | None = None

    def holds(self, day: date) -> bool:
        """Say whether a day is one of the span's."""
        return self.first <= day and (self.last is None or day <= self.last)


def of_one_form(stream: Stream, bet: Bet) -> list[int]:
    """Return which of a stream's bets are of a bet's form: as it in all but size."""
    form = (bet.family, bet.direction)
    return [at for at, one in enumerate(stream.bets) if (one.family, one.direction) == form]


def daily_evidence(stream: CountedStream, bet: Bet, bags: Counts, rows: Counts) -> Floats:
    """Return log E, [days, bets], of the bets of a bet's form; counts are [days, bins].

    `bags` are what each day's rows are compared with, without the rows themselves.
    """
    if bet.family == "rate":
        before, now = (_events(stream, bet, counts) for counts in (bags, rows))
        if before[:, 1].sum() < RARE * before.sum():
            return _of_rare(stream.tau, before, now)
    found = stream.log_evidence((bags + rows).astype(np.float64), rows.astype(np.float64))
    return np.asarray(found[:, of_one_form(stream, bet)], dtype=np.float64)


def _events(stream: CountedStream, bet: Bet, counts: Counts) -> Floats:
    """Return how many rows are without and with what a bet says there is more of, [days, 2]."""
    own = counts[:, bin_of(stream, bet)]
    others = counts.sum(axis=1) - own
    # less of it is more of all else
    pair = (others, own) if bet.size > 1 else (own, others)
    return np.stack(pair, axis=1).astype(np.float64)


def _of_rare(tau: float, before: Floats, now: Floats) -> Floats:
    """Return log E, [days, odds], that what was rare or never has become commoner, up to always.

    Rates of before are those without the day's rows, so that a bet is on the same rate each day;
    what never was counts as half an event.
    """
    rates = np.maximum(before[:, 1], LEAST_EVENTS) / before.sum(axis=1)
    rows = now.sum(axis=1)
    return log_odds_evidence(rates[:, None], now[:, 1:], rows, tau, _LOG_ODDS)[:, 0]


def spans_of(days: Sequence[date], gains: Floats, raised_on: date, limit: float) -> list[Span]:
    """Return on which of some days a change was there that begins with the first of them.

    `gains` is each day's log evidence, [days, bets]. A change has ended where its evidence was
    greatest, whichever bet had it, once the evidence of every bet is lower than that by `limit`; it
    is back since it rose by as much from where it was least (Page, Biometrika 1954). What is
    decided by a day stays so on later ones, but for pauses that prove to be none.
    """
    found: list[Span] = []
    first: int | None = 0
    while first is not None:
        last = _last(gains[first:], limit, days[first:], raised_on)
        _add(found, Span(days[first], None if last is None else days[first + last]))
        if last is None:
            break
        rest = first + last + 1
        again = _begins_again(gains[rest:], limit)
        first = None if again is None else rest + again
    return found


def _last(gains: Floats, limit: float, days: Sequence[date], raised_on: date) -> int | None:
    """Return the last day of a change that begins with the first, None while it goes on."""
    best = np.cumsum(gains, axis=0).max(axis=1)
    most = np.maximum.accumulate(best)
    known = np.array([day > raised_on for day in days])
    ended = np.flatnonzero(known & (most > 0) & (most - best >= limit))
    return int(best[: ended[0]].argmax()) if ended.size else None


def _begins_again(gains: Floats, limit: float) -> int | None:
    """Return the first day of a change that comes again, None while it hasn't."""
    total = np.cumsum(gains, axis=0)
    before = np.vstack([np.zeros((1, gains.shape[1])), total])[:-1]
    least = np.minimum.accumulate(before, axis=0)
    risen = np.argwhere(total - least >= limit)
    if not risen.size:
        return None
    day, bet = risen[0]
    return int(before[: day + 1, bet].argmin())


def _add(found: list[Span], span: Span) -> None:
    """Add a span to earlier ones, or make the last of them longer."""
    if found and found[-1].last and span.first - found[-1].last <= LONGEST_PAUSE:
        found[-1] = Span(found[-1].first, span.last)
    else:
        found.append(span)


def words_of(spans: Sequence[Span]) -> str:
    """Word when a change was there: "since" a day, or "from" one "to" another."""
    return " and ".join(
        f"since {span.first.isoformat()}"
        if span.last is None
        else f"on {span.first.isoformat()}"
        if span.first == span.last
        else f"from {span.first.isoformat()} to {span.last.isoformat()}"
        for span in spans
    )
