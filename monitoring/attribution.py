"""Attribution drift: each feature's share of what explanations add up, as streams.

A prediction's contributions in absolute size, divided by their sum, are its shares. They say on
what the scores of a day rest. Since a version's contributions are a function of its features,
shares move when these do; they see features that go together otherwise, which no feature alone
shows. Bins are a fixed grid, finer near none, so that a day's rows are counted at once. Training
keeps no contributions, so a stream's own past is its reference.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from models.definition import Definition
from models.edges import Edges
from models.feature import Feature
from monitoring.evidence.numeric import NumericStream
from monitoring.evidence.state import Counts
from monitoring.streams import DayRows, Seen, Watched

SHARE = "share:"
BINS = 32
# bin i begins at (i / 32) squared: an exact number
GRID = Edges(tuple((step / BINS) ** 2 for step in range(1, BINS)))


def attribution_streams(definition: Definition) -> Iterator[Watched]:
    """Yield the stream of each feature's share; of a single one, the share is always all."""
    if len(definition.features) < 2:
        return
    for place, feature in enumerate(definition.features):
        yield _share(place, feature, definition.monitoring.smallest_drift_sd)


def _share(place: int, feature: Feature, tau: float) -> Watched:
    title = f"{feature.title}, its share of explanations"
    stream = NumericStream(title, GRID, tau)

    def see(rows: DayRows) -> Seen:
        counts, means, told = rows.once(SHARE, lambda: counted(rows.contributions))
        if not told:
            return Seen(np.zeros(BINS, dtype=np.int64), 0, 0, None)
        return Seen(counts[place], told, 0, float(means[place]))

    nothing = np.zeros(BINS, dtype=np.int64)
    return Watched(
        f"{SHARE}{feature.name}", "share", title, "numeric", stream, nothing, see, feature.name
    )


def counted(
    contributions: NDArray[np.float64],
) -> tuple[Counts, NDArray[np.float64], int]:
    """Return rows a bin, [features, bins], each feature's mean share, and the rows counted.

    A row to which nothing contributes has no shares, and isn't counted.

    >>> counts, means, rows = counted(np.array([[1.0, -3.0], [0.0, 0.0]]))
    >>> means.tolist(), rows
    ([0.25, 0.75], 1)
    """
    counts, sums, told = _count_shares(np.ascontiguousarray(contributions, dtype=np.float64))
    return counts, sums / max(told, 1), told


@njit(cache=True, nogil=True)
def _count_shares(contributions: Any) -> Any:
    """Return rows a bin, [features, bins], each feature's summed shares, and the rows counted."""
    features = contributions.shape[1]
    counts = np.zeros((features, BINS), dtype=np.int64)
    sums = np.zeros(features)
    told = 0
    for row in contributions:
        whole = np.abs(row).sum()
        if not whole > 0:
            continue
        told += 1
        for feature in range(features):
            share = abs(row[feature]) / whole
            sums[feature] += share
            counts[feature, min(int(np.sqrt(share) * BINS), BINS - 1)] += 1
    return counts, sums, told
