"""Days of UTC, and which of a patient's rows on days on end count: the first of a stay."""

from collections.abc import Collection, Sequence
from datetime import UTC, date, datetime, time, timedelta

import numpy as np
from numpy.typing import NDArray

ONE_DAY = timedelta(days=1)


def start_of(day: date) -> datetime:
    """Return a day's first moment; days are those of UTC."""
    return datetime.combine(day, time(), UTC)


def firsts(
    patients: Sequence[str],
    days: NDArray[np.datetime64],
    eve: Collection[str],
    first: date,
) -> NDArray[np.bool_]:
    """Return which rows, in order of time, are the first of a stay, from the day `first` on.

    `eve` holds the patients seen on the day before. A row without a patient is a stay of its own.
    """
    last_seen = dict.fromkeys(eve, int(np.datetime64(first - ONE_DAY).astype(int)))
    found = np.ones(len(patients), dtype=np.bool_)
    for row, (patient, day) in enumerate(zip(patients, days.astype(int).tolist(), strict=True)):
        if patient:
            found[row] = day - last_seen.get(patient, day - 2) > 1
            last_seen[patient] = day
    return found
