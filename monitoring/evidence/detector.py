"""The daily step that turns counts into evidence and, past a budgeted limit, into an alarm.

An e-detector of Shiryaev-Roberts form: each bet's M becomes E (1 + M), and the mixture alarms at
365 days x budget in years x number of streams (Shin, Ramdas and Rinaldo, NEJSDS 2024). E is at most
1 in mean given the bag of rows (Maclaurin's inequality), whatever the order of rows within a day.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
from numpy.typing import ArrayLike

from models.errors import EvidenceError, StatisticsError
from monitoring.evidence.bets import Bet
from monitoring.evidence.dispersion import Dispersion, after_day
from monitoring.evidence.state import Counts, Floats, StreamState, opened
from monitoring.evidence.stream import CountedStream, Stream

DAYS_A_YEAR = 365
# a reference that doesn't grow must hold so many rows, or its own chance error alarms in time
LEAST_ROWS_FIXED = 5_000
# log evidence up to this is rounding (a day's sums over a million rows differ by 1e-9 or so)
NO_EVIDENCE = 1e-6


@dataclass(frozen=True)
class Budget:
    """At most one false alarm in `years`, shared by all of a model's streams."""

    years: float
    streams: int

    def __post_init__(self) -> None:
        if not (self.years > 0 and math.isfinite(self.years) and self.streams >= 1):
            raise StatisticsError(
                f"a budget of {self.years} years over {self.streams} streams can't be kept: "
                "give years above 0 and at least one stream"
            )

    @property
    def log_limit(self) -> float:
        """Return the log of the sum of evidence at which a stream alarms."""
        return math.log(DAYS_A_YEAR * self.years * self.streams)


@dataclass(frozen=True, eq=False)
class Closing:
    """What closing a day gave; `log_total` is the mixture's log evidence, compared with the limit.

    `leading` is the bet with most evidence and `onset` its estimate of the first changed day;
    `counts` are the day's rows, [strata, bins], and `joined` says if they became reference.
    """

    state: StreamState
    day: date
    alarm: bool
    log_evidence: Floats
    log_total: float
    log_limit: float
    leading: Bet | None
    onset: date | None
    counts: Counts
    joined: bool


def open_stream(stream: Stream, reference: ArrayLike) -> StreamState:
    """Open a stream's state with its reference's counts, [bins] or [strata, bins]."""
    return check_state(stream, opened(reference, len(stream.bets)))


def check_state(stream: Stream, state: StreamState) -> StreamState:
    """Return the state if it belongs to a stream of this shape."""
    if state.reference.shape[1] != stream.bins or state.log_m.size != len(stream.bets):
        raise EvidenceError(
            f"stream {stream.name}: its state has {state.reference.shape[1]} bins and "
            f"{state.log_m.size} bets, {stream.bins} and {len(stream.bets)} are expected"
        )
    return state


def own_stratum(reference: Counts, stratum: int) -> Counts:
    """Compare the rows of a stratum with its own earlier rows."""
    return np.asarray(reference[..., stratum, :])


def close_day(
    stream: CountedStream,
    state: StreamState,
    day: date,
    budget: Budget,
    *,
    joins: bool = True,
    bag: Callable[[Counts, int], Counts] = own_stratum,
) -> Closing:
    """Close the open day: weigh its rows, alarm if due, and let them join the reference.

    `bag` chooses what rows of a stratum are compared with, from the reference alone.

    Evidence is divided by what the days before varied more than their rows explain (see
    `dispersion`).

    Pass `joins=False` while an alarm is open or its fault confirmed: such rows never become
    reference, nor do those of the day that alarms. A day without rows leaves evidence as it was.
    """
    return close_alike([stream], [state], day, budget, joins=[joins], bag=bag)[0]


def alike(stream: CountedStream) -> tuple[object, ...]:
    """Return what streams must share to be closed together."""
    return type(stream), stream.bins, stream.tau, stream.grows


def close_alike(
    streams: Sequence[CountedStream],
    states: Sequence[StreamState],
    day: date,
    budget: Budget,
    *,
    joins: Sequence[bool],
    bag: Callable[[Counts, int], Counts] = own_stratum,
) -> list[Closing]:
    """Close the open day of streams that are `alike`, each to the same bit as by itself.

    `bag` takes references of [streams, strata, bins].
    """
    for stream, state in zip(streams, states, strict=True):
        check_state(stream, state)
    today = np.array([state.today for state in states])
    reference = np.array([state.reference for state in states])
    log_evidence = np.zeros((len(streams), len(streams[0].bets)))
    held = np.asarray(today.any(axis=2))
    for stratum in np.flatnonzero(held.any(axis=0)).tolist():
        of = held[:, stratum]
        some = slice(None) if of.all() else of
        rows, earlier = today[some, stratum], bag(reference[some], stratum)
        log_evidence[some] += streams[0].log_evidence((earlier + rows).astype(float), rows * 1.0)
    known = [state.dispersion for state in states]
    log_evidence /= np.array([[one.divisor(streams[0].tau)] for one in known])
    if streams[0].grows:
        seen = today.sum(axis=1)
        chosen = np.flatnonzero(seen.any(axis=1) & np.array(joins))
        bags = (reference.sum(axis=1) + seen)[chosen].astype(float)
        kind, ordered = int(day.weekday() >= 5), streams[0].ordered
        then = after_day([known[at] for at in chosen], seen[chosen], kind, bags, ordered=ordered)
        for at, one in zip(chosen.tolist(), then, strict=True):
            known[at] = one
    return _advance(streams, states, day, budget, log_evidence, joins, known)


def advance(
    stream: Stream,
    state: StreamState,
    day: date,
    budget: Budget,
    log_evidence: Floats,
    *,
    joins: bool = True,
) -> Closing:
    """Close the open day with evidence that was computed elsewhere (see `exact`)."""
    known = [state.dispersion]
    return _advance([stream], [state], day, budget, log_evidence[None], [joins], known)[0]


def _advance(
    streams: Sequence[Stream],
    states: Sequence[StreamState],
    day: date,
    budget: Budget,
    log_evidence: Floats,
    joins: Sequence[bool],
    then: Sequence[Dispersion],
) -> list[Closing]:
    """Close the open day of streams with as many bets; evidence is [streams, bets].

    `then` is how each stream's days vary once this one is among them.
    """
    _refuse_closed(streams, states, day)
    log_m, log_run, run_start = (
        np.array([getattr(state, part) for state in states])
        for part in ("log_m", "log_run", "run_start")
    )
    seen = [bool(state.today.any()) for state in states]
    fresh = ~(log_run > NO_EVIDENCE)
    log_m = np.where(np.array(seen)[:, None], log_evidence + np.logaddexp(log_m, 0.0), log_m)
    log_run = log_evidence + np.where(fresh, 0.0, log_run)
    run_start = np.where(fresh, day.toordinal(), run_start).astype(np.int32)
    terms = streams[0].log_weights + log_m
    totals, best = _log_sums(terms), terms.argmax(axis=1).tolist()
    empty, limit = np.zeros_like(states[0].today), budget.log_limit
    closings = []
    for at, (stream, state, total) in enumerate(zip(streams, states, totals, strict=True)):
        joined = seen[at] and stream.grows and joins[at] and total < limit
        if seen[at]:
            state = state.changed(
                log_m=log_m[at],
                log_run=log_run[at],
                run_start=run_start[at],
                today=empty,
                reference=state.reference + state.today if joined else state.reference,
                dispersion=then[at] if joined else state.dispersion,
                epoch=state.epoch + int(stream.grows and not joined and state.joining),
                joining=joined or (state.joining and not stream.grows),
            )
        step = (log_evidence[at], total, best[at])
        closings.append(_closing(stream, state, states[at].today, day, limit, step, joined))
    return closings


def _refuse_closed(streams: Sequence[Stream], states: Sequence[StreamState], day: date) -> None:
    for stream, state in zip(streams, states, strict=True):
        if day.toordinal() <= state.closed_through:
            raise EvidenceError(
                f"stream {stream.name}: {day} can't be closed, {state.last_closed} already is; "
                "count late rows into the next open day"
            )


def close_days(
    stream: CountedStream,
    state: StreamState,
    days: Sequence[tuple[date, Counts]],
    budget: Budget,
    *,
    joins: bool = True,
) -> list[Closing]:
    """Observe and close several days of [strata, bins] counts; the last holds the new state."""
    closings = []
    for day, counts in days:
        for stratum, row in enumerate(np.atleast_2d(counts)):
            state = state.observe(row, stratum)
        closing = close_day(stream, state, day, budget, joins=joins)
        closings.append(closing)
        state = closing.state
    return closings


def _closing(
    stream: Stream,
    state: StreamState,
    counts: Counts,
    day: date,
    limit: float,
    step: tuple[Floats, float, int],
    joined: bool,
) -> Closing:
    """Return what closing gave; `step` is log E of each bet, their mixture and the leading bet."""
    log_evidence, log_total, best = step
    alarm = log_total >= limit and bool(counts.any())
    leading, onset = None, None
    if math.isfinite(log_total):
        leading, onset = stream.bets[best], date.fromordinal(int(state.run_start[best]))
    state = state.changed(closed_through=day.toordinal())
    if alarm:
        nothing = np.full_like(state.log_m, -np.inf)
        state = state.changed(
            log_m=nothing, log_run=nothing, run_start=np.zeros_like(state.run_start)
        )
    return Closing(
        state,
        day,
        alarm,
        log_evidence,
        log_total,
        limit,
        leading,
        onset,
        counts,
        joined,
    )


def _log_sums(terms: Floats) -> list[float]:
    """Return log(sum(exp(terms))) of each row, in one order and so always to the same bit."""
    top = terms.max(axis=1)
    sums = np.exp(terms - np.where(np.isfinite(top), top, 0.0)[:, None]).sum(axis=1)
    return [
        high + math.log(total) if high > -math.inf else high
        for high, total in zip(top.tolist(), sums.tolist(), strict=True)
    ]
