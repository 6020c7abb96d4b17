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
from monitoring.evidence.state import Counts, Floats, Rows, StreamState, opened, with_rows
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
    `rows` are the day's, and `joined` says if they became reference.
    """

    state: StreamState
    day: date
    alarm: bool
    log_evidence: Floats
    log_total: float
    log_limit: float
    leading: Bet | None
    onset: date | None
    rows: Rows
    joined: bool

    @property
    def counts(self) -> Counts:
        """Return the day's rows as [strata, bins]."""
        counts = np.zeros_like(self.state.reference)
        for stratum, row in self.rows.items():
            counts[stratum] = row
        return counts


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
    return close_alike([stream], [state], [state.open_rows], day, budget, joins=[joins], bag=bag)[0]


def alike(stream: CountedStream) -> tuple[object, ...]:
    """Return what streams must share to be closed together."""
    return type(stream), stream.bins, stream.tau, stream.grows


def close_alike(
    streams: Sequence[CountedStream],
    states: Sequence[StreamState],
    rows: Sequence[Rows],
    day: date,
    budget: Budget,
    *,
    joins: Sequence[bool],
    bag: Callable[[Counts, int], Counts] = own_stratum,
) -> list[Closing]:
    """Close a day of streams that are `alike`, each to the same bit as by itself.

    `rows` are all of the day's, whatever the states have observed of it; `bag` takes references
    of [streams, strata, bins].
    """
    for stream, state in zip(streams, states, strict=True):
        check_state(stream, state)
    reference = np.array([state.reference for state in states])
    log_evidence = np.zeros((len(streams), len(streams[0].bets)))
    for stratum in sorted(set().union(*rows)):
        of = np.array([stratum in one for one in rows])
        some = slice(None) if of.all() else of
        new, earlier = _of_stratum(rows, stratum), bag(reference[some], stratum)
        log_evidence[some] += streams[0].log_evidence(
            (earlier + new).astype(np.float64), new.astype(np.float64)
        )
    known = [state.dispersion for state in states]
    log_evidence /= np.array([[one.divisor(streams[0].tau)] for one in known])
    chosen = [at for at, one in enumerate(rows) if one and joins[at]]
    if streams[0].grows and chosen:
        today = np.array([sum(rows[at].values()) for at in chosen])
        bags = (reference[chosen].sum(axis=1) + today).astype(float)
        kind, ordered = int(day.weekday() >= 5), streams[0].ordered
        then = after_day([known[at] for at in chosen], today, kind, bags, ordered=ordered)
        for at, one in zip(chosen, then, strict=True):
            known[at] = one
    return _advance(streams, states, rows, day, budget, log_evidence, joins, known)


def _of_stratum(rows: Sequence[Rows], stratum: int) -> Counts:
    """Return the rows of the streams that have any in a stratum, [streams, bins]."""
    return np.array([one[stratum] for one in rows if stratum in one])


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
    rows, known = [state.open_rows], [state.dispersion]
    return _advance([stream], [state], rows, day, budget, log_evidence[None], [joins], known)[0]


def _advance(
    streams: Sequence[Stream],
    states: Sequence[StreamState],
    rows: Sequence[Rows],
    day: date,
    budget: Budget,
    log_evidence: Floats,
    joins: Sequence[bool],
    then: Sequence[Dispersion],
) -> list[Closing]:
    """Close a day of streams with as many bets; evidence is [streams, bets].

    `then` is how each stream's days vary once this one is among them.
    """
    _refuse_closed(streams, states, day)
    log_m, log_run, run_start = (
        np.array([getattr(state, part) for state in states])
        for part in ("log_m", "log_run", "run_start")
    )
    fresh = ~(log_run > NO_EVIDENCE)
    seen = np.array([bool(one) for one in rows])
    log_m = np.where(seen[:, None], log_evidence + np.logaddexp(log_m, 0.0), log_m)
    log_run = log_evidence + np.where(fresh, 0.0, log_run)
    run_start = np.where(fresh, day.toordinal(), run_start).astype(np.int32)
    terms = streams[0].log_weights + log_m
    totals, best = _log_sums(terms), terms.argmax(axis=1).tolist()
    limit, nothing = budget.log_limit, np.zeros_like(states[0].today)
    closings = []
    for at, (stream, state, total) in enumerate(zip(streams, states, totals, strict=True)):
        parts: dict[str, object] = {"closed_through": day.toordinal(), "today": nothing}
        joined = bool(rows[at]) and stream.grows and joins[at] and total < limit
        if rows[at]:
            parts |= {"log_m": log_m[at], "log_run": log_run[at], "run_start": run_start[at]}
        if joined:
            parts |= {"reference": with_rows(state.reference, rows[at]), "joining": True}
            parts |= {"dispersion": then[at]}
        elif rows[at] and stream.grows:
            parts |= {"epoch": state.epoch + int(state.joining), "joining": False}
        step = (log_evidence[at], total, limit, best[at])
        closings.append(_closing(stream, state.changed(**parts), rows[at], day, step, joined))
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
    rows: Rows,
    day: date,
    step: tuple[Floats, float, float, int],
    joined: bool,
) -> Closing:
    """Return what closing gave; `step` is log E of each bet, their mixture, limit and best bet."""
    log_evidence, log_total, limit, best = step
    alarm = bool(rows) and log_total >= limit
    leading, onset = None, None
    if math.isfinite(log_total):
        leading, onset = stream.bets[best], date.fromordinal(int(state.run_start[best]))
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
        rows,
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
