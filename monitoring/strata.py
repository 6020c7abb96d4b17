"""Which earlier rows a day's rows are compared with: those of weekdays or of weekends.

A stream's reference has a row for training and one for each month's weekdays and weekends. Until
every month has been seen, a day is compared with training and all earlier days of its kind; then
with those of its own month.
"""

from collections.abc import Iterable
from datetime import date, timedelta

import numpy as np

from monitoring.evidence.state import Counts, StreamState

TRAINING, KINDS, MONTHS = 0, 2, 12
YEAR = timedelta(days=366)
ROWS = 1 + KINDS * MONTHS
# a month counts as seen once each kind of its days has so many rows
LEAST_MONTH_ROWS = 200


def kind(day: date) -> int:
    """Return 0 for a weekday, 1 for a day of the weekend."""
    return int(day.weekday() >= 5)


def stratum(day: date) -> int:
    """Return the row of the reference that a day's rows belong to."""
    return 1 + kind(day) * MONTHS + day.month - 1


def opened(training: Counts) -> Counts:
    """Return the reference, [strata, bins], of a stream that has only seen training."""
    reference = np.zeros((ROWS, training.size), dtype=np.int64)
    reference[TRAINING] = training
    return reference


def bag(reference: Counts, row: int) -> Counts:
    """Return the counts that rows of a stratum are compared with, [..., bins]."""
    of_kind = _months(reference, (row - 1) // MONTHS)
    seen = (of_kind.sum(axis=-1) >= LEAST_MONTH_ROWS).all(axis=-1)
    if seen.all():
        return np.asarray(reference[..., row, :])
    whole = reference[..., TRAINING, :] + of_kind.sum(axis=-2)
    return np.asarray(np.where(seen[..., None], reference[..., row, :], whole))


def by_kind(reference: Counts) -> Counts:
    """Return training and all local days together, [weekdays and weekends, bins]."""
    return np.stack([reference[TRAINING] + _months(reference, one).sum(axis=0) for one in (0, 1)])


def local(days: Iterable[tuple[date, Counts]], bins: int) -> Counts:
    """Return the counts of some days, [bins] each, in their rows of a reference."""
    reference = np.zeros((ROWS, bins), dtype=np.int64)
    for day, counts in days:
        reference[stratum(day)] += counts
    return reference


def filled(seen: Counts) -> Counts:
    """Return [weekdays and weekends, bins]; a kind not seen before has the other's counts."""
    return np.asarray(np.where(seen.any(axis=1, keepdims=True), seen, seen.sum(axis=0)))


def without(reference: Counts, joined: Counts) -> Counts:
    """Return a reference, [strata, bins], without rows of it; all of it where none would be left.

    A late row may have been kept out of it, so that no more leave than are in.
    """
    less = np.maximum(reference - joined, 0)
    return less if less.any() else reference


def of_its_kind(day: date, counts: Counts) -> Counts:
    """Return a day's counts, [bins], as [weekdays and weekends, bins]."""
    placed = np.zeros((KINDS, counts.size), dtype=np.int64)
    placed[kind(day)] = counts
    return placed


def admitted(state: StreamState, reference: Counts) -> StreamState:
    """Let rows join a stream's reference, each in its stratum."""
    return state.changed(reference=state.reference + reference)


def withdrawn(state: StreamState, reference: Counts) -> StreamState:
    """Take rows out of a stream's reference; no more can leave than is in."""
    leaving = np.minimum(reference, state.reference)
    for row in np.flatnonzero(reference.any(axis=1)):
        state = state.withdraw(leaving[row], int(row))
    return state


def _months(reference: Counts, of_kind: int) -> Counts:
    start = 1 + of_kind * MONTHS
    return np.asarray(reference[..., start : start + MONTHS, :])
