"""Compiled loops that look rows up in the tables.

Machine code is cached beside this file, or in NUMBA_CACHE_DIR where the package is read-only.
Every kernel allocates its own scratch, so threads may call it at once; none holds the GIL.
"""

from typing import Any

import numpy as np
from numba import njit

from models.scoring.calibration import LARGEST_RISK, SMALLEST_RISK

NO_ROW = np.uint32(0xFFFFFFFF)  # stands where no row of bits is to be cleared
BLOCK = 512  # rows at a time; their codes stay in the first cache
TOLERANCE = 1e-6
EPSILON = 2.0**-52
_1, _2, _3 = np.uint32(1), np.uint32(2), np.uint32(3)


def pack(*parts: np.ndarray) -> np.ndarray:
    """Return the arrays of `explain_row` as one block of bytes, behind a list of their places.

    To hand a compiled function an array costs 0.2 microseconds, a tenth of a small row's score.
    """
    places = np.empty((len(parts), 2), np.int64)
    place = -(-places.nbytes // 64) * 64
    for index, part in enumerate(parts):
        places[index] = place, place + part.nbytes
        place = -(-(place + part.nbytes) // 64) * 64
    block = np.zeros(place, np.uint8)
    block[: places.nbytes] = places.ravel().view(np.uint8)
    for (start, end), part in zip(places, parts, strict=True):
        block[start:end] = np.ascontiguousarray(part).ravel().view(np.uint8)
    return block


@njit(cache=True, nogil=True)
def part(block: np.ndarray, index: int) -> np.ndarray:
    """Return the bytes of one of the arrays that `pack` put into a block."""
    place = block[16 * index : 16 * index + 16].view(np.int64)
    return block[place[0] : place[1]]


@njit(cache=True, nogil=True)
def close(base: float, contributions: np.ndarray, margin: float) -> Any:
    """Return the risk of a margin, or NaN if logit(risk) isn't base + contributions to 1e-6.

    Close to 0 and 1 the risk's own rounding is allowed for, and at the ends of its range (see
    `calibration`) the margin alone is checked.
    """
    small = np.exp(-abs(margin))
    risk = (1.0 if margin >= 0 else small) / (1.0 + small)
    total = base + contributions.sum()
    if not abs(total - margin) <= TOLERANCE:
        return np.nan
    if risk > LARGEST_RISK:
        return LARGEST_RISK
    if risk < SMALLEST_RISK:
        return SMALLEST_RISK
    rounding = EPSILON / (risk * (1.0 - risk))
    if not abs(np.log(risk) - np.log1p(-risk) - total) <= TOLERANCE + rounding:
        return np.nan
    return risk


@njit(cache=True, nogil=True)
def close_rows(
    base: float, contributions: np.ndarray, margins: np.ndarray, risks: np.ndarray
) -> None:
    """Write the risk of every row, NaN where its explanation doesn't add up."""
    for r in range(margins.size):
        risks[r] = close(base, contributions[r], margins[r])


@njit(cache=True, nogil=True)
def _state(x: np.float32, column: int, starts: np.ndarray, threshold: np.ndarray) -> Any:
    """Return the state of a column: the rank of x among its thresholds, or missing."""
    low, high = starts[column], starts[column + 1]
    if np.isnan(x):
        return high + np.uint32(2 * column + 1)
    while low < high:
        middle = (low + high) >> _1
        if x < threshold[middle]:
            high = middle
        else:
            low = middle + _1
    return low + np.uint32(2 * column)


@njit(cache=True, nogil=True)
def _row_codes(vector: np.ndarray, block: np.ndarray, cleared: np.ndarray) -> Any:
    """Return the code of every group for one row."""
    starts, threshold = part(block, 0).view(np.uint32), part(block, 1).view(np.float32)
    state_row, state_flips = part(block, 2).view(np.uint32), part(block, 3).view(np.uint32)
    flip_group, flip_bit = part(block, 4).view(np.uint32), part(block, 5).view(cleared.dtype)
    codes = cleared[0].copy()
    for column in range(vector.size):
        state = _state(np.float32(vector[column]), column, starts, threshold)
        if state_row[state] != NO_ROW:
            bits = cleared[state_row[state]]
            for g in range(codes.size):
                codes[g] ^= bits[g]
        for i in range(state_flips[2 * state], state_flips[2 * state + 1]):
            codes[flip_group[i]] ^= flip_bit[i]
    return codes


@njit(cache=True, nogil=True)
def _ordered_cells(codes: np.ndarray, block: np.ndarray, table: np.ndarray) -> Any:
    """Return the cells that the codes name, all of one feature together.

    To add them here, straight to their features, would make each addition wait for the last.
    """
    width_start, order = part(block, 6).view(np.uint32), part(block, 7).view(np.uint32)
    table_start = part(block, 8).view(np.uint64)
    cells = np.empty(order.size, np.float32)
    for g in range(codes.size):
        first = width_start[g]
        width = width_start[g + 1] - first
        cell = table_start[g] + np.uint64(codes[g]) * width
        for k in range(width):
            cells[order[first + k]] = table[cell + k]
    return cells


@njit(cache=True, nogil=True)
def _sum(cells: np.ndarray) -> Any:
    """Return the float64 sum, by four running sums that don't wait for each other."""
    sum0, sum1, sum2, sum3 = 0.0, 0.0, 0.0, 0.0
    whole = cells.size - cells.size % 4
    for i in range(0, whole, 4):
        sum0 += cells[i]
        sum1 += cells[i + 1]
        sum2 += cells[i + 2]
        sum3 += cells[i + 3]
    for i in range(whole, cells.size):
        sum0 += cells[i]
    return (sum0 + sum1) + (sum2 + sum3)


# it holds the interpreter's lock: letting go of it costs more than so short a wait of others
@njit(cache=True)
def explain_row(
    vector: np.ndarray,
    block: np.ndarray,
    cleared: np.ndarray,
    table: np.ndarray,
    a: float,
    base: float,
    contributions: np.ndarray,
) -> tuple[float, float]:
    """Write one row's contributions, times a; return its margin and risk (see `close`)."""
    cells = _ordered_cells(_row_codes(vector, block, cleared), block, table)
    feature_start = part(block, 9).view(np.uint32)
    margin = base
    for f in range(contributions.size):
        contributions[f] = a * _sum(cells[feature_start[f] : feature_start[f + 1]])
        margin += contributions[f]
    return margin, close(base, contributions, margin)


@njit(cache=True, nogil=True)
def _group_cells(
    g: int,
    values: np.ndarray,
    bit_start: np.ndarray,
    bit_slot: np.ndarray,
    bit_threshold: np.ndarray,
    width: np.uint32,
    cells: np.ndarray,
) -> None:
    """Write the first cell of each row's code in the table of group g."""
    cells[:] = 0
    step = width
    for j in range(bit_start[g], bit_start[g + 1]):
        x = values[bit_slot[j]]
        threshold = bit_threshold[j]
        for r in range(cells.size):
            cells[r] += step if x[r] < threshold else np.uint32(0)
        step <<= _1


@njit(cache=True, nogil=True)
def _add_cells(part: np.ndarray, cells: np.ndarray, lane: np.ndarray, phi: np.ndarray) -> None:
    """Add one group's contributions; four features at a time share the reading of a cell."""
    rows, k = cells.size, 0
    while k + 4 <= lane.size:
        phi0, phi1 = phi[lane[k]], phi[lane[k + 1]]
        phi2, phi3 = phi[lane[k + 2]], phi[lane[k + 3]]
        for r in range(rows):
            cell = cells[r]
            phi0[r] += part[cell]
            phi1[r] += part[cell + _1]
            phi2[r] += part[cell + _2]
            phi3[r] += part[cell + _3]
        part = part[4:]
        k += 4
    while k < lane.size:
        phi0 = phi[lane[k]]
        for r in range(rows):
            phi0[r] += part[cells[r]]
        part = part[1:]
        k += 1


@njit(cache=True, nogil=True)
def _split_values(X: np.ndarray) -> np.ndarray:
    """Return (2 * columns, rows) float32: missing as +inf (goes right), then as -inf (left)."""
    rows, columns = X.shape
    values = np.empty((2 * columns, rows), np.float32)
    for r in range(rows):
        for c in range(columns):
            x = np.float32(X[r, c])
            missing = np.isnan(x)
            values[c, r] = np.inf if missing else x
            values[columns + c, r] = -np.inf if missing else x
    return values


@njit(cache=True, nogil=True)
def explain_rows(
    X: np.ndarray,
    bit_start: np.ndarray,
    bit_slot: np.ndarray,
    bit_threshold: np.ndarray,
    feature_start: np.ndarray,
    lane: np.ndarray,
    table_start: np.ndarray,
    table: np.ndarray,
    a: float,
    base: float,
    contributions: np.ndarray,
    margins: np.ndarray,
) -> None:
    """Write the contributions, times a, and the margins of many rows, a block at a time.

    `lane` says to which running sum of which feature a cell goes, so that each sum is added up
    in the order of `_sum` and comes out the same to the last bit.
    """
    for start in range(0, len(X), BLOCK):
        values = _split_values(X[start : start + BLOCK])
        rows, features = values.shape[1], contributions.shape[1]
        phi = np.zeros((4 * features, rows))
        cells = np.empty(rows, np.uint32)
        for g in range(table_start.size):
            first, last = feature_start[g], feature_start[g + 1]
            _group_cells(g, values, bit_start, bit_slot, bit_threshold, last - first, cells)
            _add_cells(table[table_start[g] :], cells, lane[first:last], phi)
        margins[start : start + rows] = base
        for f in range(features):
            sum0, sum1, sum2, sum3 = phi[4 * f], phi[4 * f + 1], phi[4 * f + 2], phi[4 * f + 3]
            for r in range(rows):
                value = a * ((sum0[r] + sum1[r]) + (sum2[r] + sum3[r]))
                contributions[start + r, f] = value
                margins[start + r] += value
