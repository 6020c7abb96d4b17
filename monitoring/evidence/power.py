"""The smallest change a stream would see in time, so that its silence can be read."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, partial

import numpy as np
from scipy.special import ndtr, ndtri

from models.errors import StatisticsError
from monitoring.evidence.detector import Budget, check_state
from monitoring.evidence.numeric import NumericStream
from monitoring.evidence.state import Floats, StreamState
from monitoring.evidence.stream import CountedStream, Stream

HORIZONS_DAYS = (7, 30, 90)
LARGEST_SHIFT = 5.0
# shifts are found to 1 %, finer than they are read out
_PRECISION = 0.01
_KNOWN_DAYS = 12
_BEYOND_BOUND = 0.05
_NO_RISE = "no rise, so few rows come"


@dataclass(frozen=True)
class Power:
    """The smallest lasting change seen within `days` in half of all cases, and how it reads.

    `shift` is in SDs of the normal score (for rates: of the score behind them); None says that
    no shift of up to 5 SD would be seen, or that of a rate none happened so far.
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
    divisor = state.dispersion.divisor(stream.tau)
    if stream.bins == 2 and not reference[1]:
        return _from_none(stream, reference, rows_a_day, budget, horizons, divisor)
    found, smallest = [], 0.0

    def seen(days: int, shift: float) -> bool:
        changed = (
            shifted_shares(stream, reference, sign * shift) for sign in _signs(stream, reference)
        )
        return all(
            expected_delay(stream, reference, rows_a_day * shares, budget, days, divisor)
            is not None
            for shares in changed
        )

    for days in sorted(horizons, reverse=True):
        shift = _smallest(partial(seen, days), smallest)
        smallest = shift if shift is not None else smallest
        found.append(Power(days, rows_a_day, shift, _reading(stream, reference, shift)))
    return tuple(reversed(found))


def _from_none(
    stream: CountedStream,
    reference: Floats,
    rows: float,
    budget: Budget,
    horizons: tuple[int, ...],
    divisor: float,
) -> tuple[Power, ...]:
    """Compute the smallest rate that is seen of what never happened: there is no score behind it.

    The highest rate that is credible before, by the 95 % bound on none of so many, is said too.
    """
    found, smallest = [], 0.0
    bound = 1 - _BEYOND_BOUND ** (1 / reference[0])

    def seen(days: int, rate: float) -> bool:
        changed = rows * np.array([1 - rate, rate])
        return expected_delay(stream, reference, changed, budget, days, divisor) is not None

    before = f"none in {reference[0]:,.0f} (so at most {100 * bound:.2g} %)"
    for days in sorted(horizons, reverse=True):
        rate = _smallest(partial(seen, days), smallest, 1.0)
        smallest = rate if rate is not None else smallest
        reading = _NO_RISE
        if rate is not None:
            reading = f"a rise from {before} to {100 * rate:.2g} %, {rows * rate:.2g} a day"
        found.append(Power(days, rows, None, reading))
    return tuple(reversed(found))


def _smallest(
    seen: Callable[[float], bool], low: float, high: float = LARGEST_SHIFT
) -> float | None:
    """Bisect for the smallest change that is seen, above one known not to be seen sooner."""
    if not seen(high):
        return None
    while high - low > _PRECISION * high:
        middle = (low + high) / 2
        low, high = (low, middle) if seen(middle) else (middle, high)
    return high


def _signs(stream: Stream, reference: Floats) -> tuple[float, ...]:
    # a rare event can hardly become rarer, so rates are judged by their rise
    return (1.0, -1.0) if isinstance(stream, NumericStream) else (1.0,)


def expected_delay(
    stream: CountedStream,
    reference: Floats,
    today: Floats,
    budget: Budget,
    within: int,
    divisor: float = 1.0,
) -> int | None:
    """Return the day on which days of expected counts, [bins], alarm, None if not `within`.

    The evidence of a day changes slowly as the reference takes the days in, so it is computed on
    some days and interpolated on the others: M_n, the sum over s of E_s ... E_n, from its logs.
    """
    known, weights = _days(within if stream.grows else 1)
    evidence = np.stack(
        [stream.log_evidence(reference + day * today, today) / divisor for day in known]
    )
    whole = np.cumsum(
        weights @ evidence if stream.grows else np.repeat(evidence, within, 0), axis=0
    )
    before = np.vstack([np.zeros(whole.shape[1]), whole[:-1]])
    log_m = whole + np.logaddexp.accumulate(-before, axis=0)
    total = np.logaddexp.reduce(stream.log_weights + log_m, axis=1)
    alarmed = np.flatnonzero(total >= budget.log_limit)
    return int(alarmed[0]) + 1 if alarmed.size else None


@lru_cache(maxsize=8)
def _days(within: int) -> tuple[tuple[int, ...], Floats]:
    """Return some of the days until `within`, ever further apart, and each day's weights on them.

    [days, some days], linear in the day's logarithm.
    """
    known = np.unique(np.ceil(np.geomspace(1, within, min(within, _KNOWN_DAYS))).astype(np.int64))
    logs, all_logs = np.log(known), np.log(np.arange(1, within + 1))
    columns = [np.interp(all_logs, logs, row) for row in np.eye(known.size)]
    return tuple(known.tolist()), np.stack(columns, axis=1)


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
        numeric = isinstance(stream, NumericStream)
        return f"no shift of up to {LARGEST_SHIFT:g} SD" if numeric else _NO_RISE
    if isinstance(stream, NumericStream):
        return f"a shift of {shift:.2g} SD"
    before, after = reference / reference.sum(), shifted_shares(stream, reference, shift)
    bin_ = 1 if stream.bins == 2 else int(np.argmax(before))
    return f"a rise from {100 * before[bin_]:.3g} % to {100 * after[bin_]:.3g} %"
