"""The codes of all groups for one row, found from the rank of each value among its thresholds.

Only a value's rank among the thresholds of its column matters. Every few ranks of each column
(and for a missing value) the bits that are 0 there are stored for all groups at once, so a row's
codes are one XOR with such a row a column, and a few single flips. The bit vectors are those of
QuickScorer (Lucchese et al., SIGIR 2015), laid out by group.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from models.scoring.kernels import NO_ROW
from models.scoring.tables import TreeTables, lengths

_RANKS_APART = 16  # the work of one row's XOR is that of about groups / 16 single flips


@dataclass(frozen=True)
class CodeIndex:
    """How a row's codes follow from its values.

    Column c has the sorted thresholds threshold[threshold_start[c] : threshold_start[c + 1]] and
    one state a rank (0 to their number), then one for missing. The state names a row of `cleared`
    and a range of flips, which together turn the codes with all bits set into those of the row.
    """

    threshold_start: np.ndarray  # (columns + 1,) uint32
    threshold: np.ndarray  # float32
    state_row: np.ndarray  # (states,) uint32
    state_flips: np.ndarray  # (states, 2) uint32
    flip_group: np.ndarray  # (bits,) uint32
    flip_bit: np.ndarray  # (bits,), of the codes' type
    cell_place: (
        np.ndarray
    )  # (cells a row,) uint32, where each goes so that a feature's are together
    cell_lane: np.ndarray  # (cells a row,) uint32, 4 * feature + which of its four running sums
    feature_cells: np.ndarray  # (features + 1,) uint32, where each feature's begin
    cleared: np.ndarray  # (rows, groups), uint8 or, beyond 8 bits a group, uint16; row 0: all bits


def index_codes(tables: TreeTables) -> CodeIndex:
    """Arrange the bits of all groups by column and threshold."""
    counts = lengths(tables.bit_start)
    code = np.uint8 if counts.max(initial=0) <= 8 else np.uint16
    place = np.arange(len(tables.bit_slot)) - np.repeat(tables.bit_start[:-1], counts)
    bit = (1 << place).astype(code)
    group = np.repeat(np.arange(len(counts)), counts).astype(np.uint32)
    column = tables.bit_slot % max(tables.n_columns, 1)
    goes_left = tables.bit_slot >= tables.n_columns
    by_feature = np.argsort(tables.feature, kind="stable")
    cell_place = np.argsort(by_feature)
    feature_cells = np.searchsorted(tables.feature[by_feature], np.arange(tables.n_features + 1))
    order = np.lexsort((tables.bit_threshold, column))
    starts = np.searchsorted(column[order], np.arange(tables.n_columns + 1))
    rows = [((1 << counts) - 1).astype(code)]
    thresholds, state_rows, state_flips = [], [], []

    def add_row(bits: np.ndarray) -> int:
        if len(bits) == 0:
            return int(NO_ROW)
        row = np.zeros(len(counts), code)
        np.bitwise_or.at(row, group[bits], bit[bits])
        rows.append(row)
        return len(rows) - 1

    for start, end in pairwise(starts):
        bits = order[start:end]
        distinct, first = np.unique(tables.bit_threshold[bits], return_index=True)
        below = np.append(first, len(bits))  # how many bits are 0 at each rank
        stops, nearest = _stops(below, max(32, len(counts) // _RANKS_APART))
        stop_rows = np.array([add_row(bits[: below[stop]]) for stop in stops])
        reach = np.sort(np.column_stack([below, below[stops[nearest]]]), axis=1)
        thresholds.append(distinct)
        state_rows.append([*stop_rows[nearest], add_row(bits[~goes_left[bits]])])
        state_flips.append(np.vstack([start + reach, [[0, 0]]]))
    return CodeIndex(
        threshold_start=np.cumsum([0, *map(len, thresholds)]).astype(np.uint32),
        threshold=np.concatenate([*thresholds, np.empty(0)]).astype(np.float32),
        state_row=np.concatenate([*state_rows, []]).astype(np.uint32),
        state_flips=np.vstack([*state_flips, np.empty((0, 2))]).astype(np.uint32),
        flip_group=group[order],
        flip_bit=bit[order],
        cell_place=cell_place.astype(np.uint32),
        cell_lane=_lanes(tables.feature.astype(np.int64), cell_place, feature_cells),
        feature_cells=feature_cells.astype(np.uint32),
        cleared=np.array(rows),
    )


def _lanes(feature: np.ndarray, place: np.ndarray, feature_cells: np.ndarray) -> np.ndarray:
    """Return the running sum that each cell is added to, as `kernels._sum` takes them in turn."""
    count = np.diff(feature_cells)[feature]
    nth = place - feature_cells[feature]
    return (4 * feature + np.where(nth < count - count % 4, nth % 4, 0)).astype(np.uint32)


def _stops(below: np.ndarray, step: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the ranks that get a row of their own, and for every rank the nearest of them."""
    stops = np.unique(np.searchsorted(below, np.arange(0, below[-1] + 1, step)))
    distance = np.abs(below[:, np.newaxis] - below[stops][np.newaxis, :])
    return stops, distance.argmin(axis=1)
