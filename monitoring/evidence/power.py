"""The smallest change a stream would see in time, so that its silence can be read."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from scipy.special import ndtr, ndtri

from models.errors import StatisticsError
from monitoring.evidence.detector import Budget, CountedStream, Stream, check_state
from monitoring.evidence.numeric import NumericStream
from monitoring.evidence.state import Floats, StreamState

HORIZONS_DAYS = (7, 30, 90)
LARGEST_SHIFT = 5.0
_STEPS = 12


@dataclass(frozen=True)
class Power:
    """The smallest lasting change seen within `days` in half of all cases, and how it reads.

    `shift` is in SDs of the normal score (for rates: of the score behind them); None says that
    no shift of up to 5 SD would be seen.
    """

    days: int
    rows_a_day: float
    shift: float | None
    reading: str


def power(
    stream: CountedStream,
    state: StreamState,
    rows_a_day: float,
    budget: Budget,
    horizons: tuple[int, ...] = HORIZONS_DAYS,
) -> tuple[Power, ...]:
    """Compute the smallest change seen within each horizon with probability about one half.

    The detector runs over the expected counts of changed days, so its day of alarm is about the
    median delay; the change may go either way, and the harder way counts. Evidence is divided as
    the state's dispersion says.
    """
    check_state(stream, state)
    if not (rows_a_day > 0 and math.isfinite(rows_a_day)):
        raise StatisticsError(f"{rows_a_day} rows a day: power needs some")
    reference = state.reference.sum(axis=0).astype(float)
    if not reference.any():
        raise StatisticsError(f"stream {stream.name}: power needs a reference, it has no rows")
    found, smallest, divisor = [], 0.0, state.dispersion.divisor(stream.tau)

    def seen(days: int, shift: float) -> bool:
        return all(
            expected_delay(stream, reference, rows_a_day, budget, sign * shift, days, divisor)
            is not None
            for sign in _signs(stream, reference)
        )

    for days in sorted(horizons, reverse=True):
        shift = _smallest(partial(seen, days), smallest)
        smallest = shift if shift is not None else smallest
        found.append(Power(days, rows_a_day, shift, _reading(stream, reference, shift)))
    return tuple(reversed(found))


def _smallest(seen: Callable[[float], bool], low: float) -> float | None:
    """Bisect for the smallest shift that is seen, above one known not to be seen sooner."""
    high = LARGEST_SHIFT
    if not seen(high):
        return None
    for _ in range(_STEPS):
        middle = (low + high) / 2
        low, high = (low, middle) if seen(middle) else (middle, high)
    return high


def _signs(stream: Stream, reference: Floats) -> tuple[float, ...]:
    # a rare event can hardly become rarer, so rates are judged by their rise
    return (1.0, -1.0) if isinstance(stream, NumericStream) else (1.0,)


def expected_delay(
    stream: CountedStream,
    reference: Floats,
    rows: float,
    budget: Budget,
    shift: float,
    within: int,
    divisor: float = 1.0,
) -> int | None:
    """Return the day on which the expected counts of shifted days alarm, None if not `within`."""
    today = rows * shifted_shares(stream, reference, shift)
    bag, log_m = reference.copy(), np.full(len(stream.bets), -np.inf)
    for day in range(1, within + 1):
        log_evidence = stream.log_evidence(bag + today, today) / divisor
        log_m = log_evidence + np.logaddexp(log_m, 0.0)
        if np.logaddexp.reduce(stream.log_weights + log_m) >= budget.log_limit:
            return day
        if stream.grows:
            bag += today
    return None


def shifted_shares(stream: Stream, reference: Floats, shift: float) -> Floats:
    """Return the bins' shares after the normal score behind them moved by `shift` SDs."""
    shares = reference / reference.sum()
    if isinstance(stream, NumericStream) or stream.bins == 2:
        cuts = ndtri(np.clip(np.cumsum(shares)[:-1], 0.0, 1.0))
        below = ndtr(cuts - shift)
        return np.diff(below, prepend=0.0, append=1.0)
    # the commonest category gains, the others lose in proportion
    commonest = int(np.argmax(shares))
    gained = float(ndtr(ndtri(shares[commonest]) + shift))
    rest = 1 - shares[commonest]
    moved = shares * ((1 - gained) / rest if rest > 0 else 0.0)
    moved[commonest] = gained
    return np.asarray(moved, dtype=np.float64)


def _reading(stream: Stream, reference: Floats, shift: float | None) -> str:
    if shift is None:
        if stream.bins == 2 and not reference[1]:
            return "unknown, none so far"
        numeric = isinstance(stream, NumericStream)
        return f"no shift of up to {LARGEST_SHIFT:g} SD" if numeric else "no rise, however large"
    if isinstance(stream, NumericStream):
        return f"a shift of {shift:.2g} SD"
    before, after = reference / reference.sum(), shifted_shares(stream, reference, shift)
    bin_ = 1 if stream.bins == 2 else int(np.argmax(before))
    return f"a rise from {100 * before[bin_]:.3g} % to {100 * after[bin_]:.3g} %"
