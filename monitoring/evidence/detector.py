"""The daily step that turns counts into evidence and, past a budgeted limit, into an alarm.

An e-detector of Shiryaev-Roberts form: each bet's M becomes E (1 + M), and the mixture alarms at
365 days x budget in years x number of streams (Shin, Ramdas and Rinaldo, NEJSDS 2024). E is at most
1 in mean given the bag of rows (Maclaurin's inequality), whatever the order of rows within a day.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike

from models.errors import EvidenceError, StatisticsError
from monitoring.evidence.bets import Bet
from monitoring.evidence.dispersion import Dispersion
from monitoring.evidence.state import Counts, Floats, StreamState, opened

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
        """Return each bet's log E of today's counts, given the counts of the bag they lie in."""
        ...


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
    return np.asarray(reference[stratum])


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
    check_state(stream, state)
    log_evidence = np.zeros(len(stream.bets))
    for stratum in np.flatnonzero(state.today.any(axis=1)).tolist():
        today, earlier = state.today[stratum], bag(state.reference, stratum)
        log_evidence += stream.log_evidence((earlier + today).astype(float), today * 1.0)
    log_evidence /= state.dispersion.divisor(stream.tau)
    then = _with_today(state, day, ordered=stream.ordered)
    return advance(stream, state, day, budget, log_evidence, joins=joins, then=then)


def advance(
    stream: Stream,
    state: StreamState,
    day: date,
    budget: Budget,
    log_evidence: Floats,
    *,
    joins: bool = True,
    then: Dispersion | None = None,
) -> Closing:
    """Close the open day with evidence that was computed elsewhere (see `exact`).

    `then` is how days vary once this one is among them.
    """
    ordinal = day.toordinal()
    if ordinal <= state.closed_through:
        raise EvidenceError(
            f"stream {stream.name}: {day} can't be closed, {state.last_closed} already is; "
            "count late rows into the next open day"
        )
    if not state.today.any():
        closed = state.changed(closed_through=ordinal)
        total = _log_sum(stream.log_weights + state.log_m)
        return _closing(stream, closed, day, budget, log_evidence, total, state.today, False)
    fresh = ~(state.log_run > NO_EVIDENCE)
    log_m = log_evidence + np.logaddexp(state.log_m, 0.0)
    total = _log_sum(stream.log_weights + log_m)
    joined = stream.grows and joins and total < budget.log_limit
    stepped = state.changed(
        log_m=log_m,
        log_run=log_evidence + np.where(fresh, 0.0, state.log_run),
        run_start=np.where(fresh, ordinal, state.run_start).astype(np.int32),
        closed_through=ordinal,
        today=np.zeros_like(state.today),
        reference=state.reference + state.today if joined else state.reference,
        dispersion=then if joined and then is not None else state.dispersion,
        epoch=state.epoch + int(stream.grows and not joined and state.joining),
        joining=joined or (state.joining and not stream.grows),
    )
    return _closing(stream, stepped, day, budget, log_evidence, total, state.today, joined)


def _with_today(state: StreamState, day: date, *, ordered: bool) -> Dispersion:
    rows = state.today.sum(axis=0)
    if not rows.any():
        return state.dispersion
    bag = (state.reference.sum(axis=0) + rows).astype(float)
    return state.dispersion.after(rows, int(day.weekday() >= 5), bag, ordered=ordered)


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
    day: date,
    budget: Budget,
    log_evidence: Floats,
    log_total: float,
    counts: Counts,
    joined: bool,
) -> Closing:
    alarm = bool(counts.any()) and log_total >= budget.log_limit
    leading, onset = None, None
    if np.isfinite(log_total):
        best = int(np.argmax(stream.log_weights + state.log_m))
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
        budget.log_limit,
        leading,
        onset,
        counts,
        joined,
    )


def _log_sum(terms: Floats) -> float:
    """Return log(sum(exp(terms))), in one order and so always to the same bit."""
    top = float(terms.max())
    if top == -math.inf:
        return top
    return top + math.log(float(np.exp(terms - top).sum()))
