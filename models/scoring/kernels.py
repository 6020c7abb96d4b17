"""Compiled loops: filling the tables, and looking rows up in them.

Machine code is cached beside this file, or in NUMBA_CACHE_DIR where the package is read-only.
Every kernel allocates its own scratch, so threads may call it at once; none holds the GIL.
"""

import numpy as np
from numba import njit

from models.scoring.calibration import LARGEST_RISK, SMALLEST_RISK

NO_ROW = np.uint32(0xFFFFFFFF)
"""Stands for "no bits to clear" where a row of `cleared` is named."""

BLOCK = 512
TOLERANCE = 1e-6
EPSILON = 2.0**-52
_U1 = np.uint32(1)


@njit(cache=True, nogil=True)
def group_splits(root, parent, left, right, splits):
    """Write the splits above `root`, from the top, then those at and below it; return how many."""
    above = 0
    node = parent[root]
    while node >= 0:
        splits[above] = node
        above += 1
        node = parent[node]
    splits[:above] = splits[:above][::-1].copy()
    count = above
    if left[root] >= 0:
        splits[count] = root
        count += 1
    scan = above
    while scan < count:
        for child in (left[splits[scan]], right[splits[scan]]):
            if left[child] >= 0:
                splits[count] = child
                count += 1
        scan += 1
    return count


@njit(cache=True, nogil=True)
def leaf_shapley(chances, value, points, weights, phi):
    """Write into phi[pattern, i] the Shapley values of one leaf for every pattern of decisions.

    Bit i of the pattern says whether the row satisfies all of feature i's splits on the path;
    chances[i] is the share of training cover that does. phi_i = value * (o_i - z_i) * integral over
    u from 0 to 1 of the product over j != i of (u * o_j + (1 - u) * z_j), a polynomial that the
    Gauss-Legendre rule (points, weights on [0, 1]) integrates exactly.
    """
    n = chances.size
    before = np.empty(n + 1)
    for pattern in range(1 << n):
        phi[pattern, :n] = 0.0
        for q in range(points.size):
            u = points[q]
            before[0] = weights[q] * value
            for i in range(n):
                met = (pattern >> i) & 1
                before[i + 1] = before[i] * (u * met + (1.0 - u) * chances[i])
            after = 1.0
            for i in range(n - 1, -1, -1):
                met = (pattern >> i) & 1
                phi[pattern, i] += (met - chances[i]) * before[i] * after
                after *= u * met + (1.0 - u) * chances[i]


@njit(cache=True, nogil=True)
def leaf_path(leaf, splits, parent, left, column, cover, columns, chances, masks, wanted):
    """Describe a leaf's path by distinct column; return how many there are.

    For each: its chance, the mask of its bits in the group's code and their wanted values.
    """
    count = 0
    child = leaf
    node = parent[leaf]
    while node >= 0:
        slot = 0
        while slot < count and columns[slot] != column[node]:
            slot += 1
        if slot == count:
            columns[slot], chances[slot], masks[slot], wanted[slot] = column[node], 1.0, 0, 0
            count += 1
        bit = 0
        while splits[bit] != node:
            bit += 1
        chances[slot] *= cover[child] / cover[node]
        masks[slot] |= 1 << bit
        if left[node] == child:
            wanted[slot] |= 1 << bit
        child = node
        node = parent[node]
    return count


@njit(cache=True, nogil=True)
def fill_group(
    root, splits, parent, left, right, column, cover, value, place, points, weights, table
):
    """Fill one group's float64 table (codes, features); return its leaves' expected value."""
    n_bits = splits.size
    columns, masks, wanted = np.empty((3, n_bits + 1), np.int64)
    chances = np.empty(n_bits + 1)
    expected = 0.0
    stack = np.empty(n_bits + 2, np.int64)
    stack[0] = root
    waiting = 1
    while waiting:
        waiting -= 1
        node = stack[waiting]
        if left[node] >= 0:
            stack[waiting], stack[waiting + 1] = left[node], right[node]
            waiting += 2
            continue
        n = leaf_path(node, splits, parent, left, column, cover, columns, chances, masks, wanted)
        expected += value[node] * chances[:n].prod()
        phi = np.empty((1 << n, n))
        order = (n + 1) // 2
        leaf_shapley(chances[:n], value[node], points[order, :order], weights[order, :order], phi)
        for code in range(1 << n_bits):
            pattern = 0
            for i in range(n):
                if (code & masks[i]) == wanted[i]:
                    pattern |= 1 << i
            for i in range(n):
                table[code, place[columns[i]]] += phi[pattern, i]
    return expected


@njit(cache=True, nogil=True)
def close(base, contributions, margin):
    """Return the risk of a margin, or NaN if logit(risk) isn't base + contributions to 1e-6.

    Close to 0 and 1 the risk's own rounding is allowed for, and at the ends of its range (see
    `calibration`) only the side is checked.
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
def close_rows(base, contributions, margins, risks):
    """Write the risk of every row, NaN where its explanation doesn't add up."""
    for r in range(margins.size):
        risks[r] = close(base, contributions[r], margins[r])


@njit(cache=True, nogil=True)
def explain_row(
    vector,
    threshold_start,
    threshold,
    state_row,
    state_flips,
    flip_group,
    flip_bit,
    cleared,
    full,
    feature_start,
    feature,
    table_start,
    table,
    a,
    base,
    contributions,
):
    """Write one row's contributions, times a; return its margin and risk (see `close`)."""
    codes = full.copy()
    for c in range(vector.size):
        x = np.float32(vector[c])
        state = threshold_start[c] + c * 2
        if np.isnan(x):
            state = threshold_start[c + 1] + c * 2 + 1
        else:
            low, high = threshold_start[c], threshold_start[c + 1]
            while low < high:
                middle = (low + high) >> _U1
                if x < threshold[middle]:
                    high = middle
                else:
                    low = middle + _U1
            state = low + c * 2
        row = state_row[state]
        if row != NO_ROW:
            bits = cleared[row]
            for g in range(codes.size):
                codes[g] ^= bits[g]
        for i in range(state_flips[state, 0], state_flips[state, 1]):
            codes[flip_group[i]] ^= flip_bit[i]
    for g in range(codes.size):
        first = feature_start[g]
        width = feature_start[g + 1] - first
        cell = table_start[g] + np.uint64(codes[g]) * width
        for k in range(width):
            contributions[feature[first + k]] += table[cell + k]
    margin = base
    for f in range(contributions.size):
        contributions[f] *= a
        margin += contributions[f]
    return margin, close(base, contributions, margin)


@njit(cache=True, nogil=True)
def explain_block(
    values, bit_start, bit_slot, bit_threshold, feature_start, feature, table_start, table, phi
):
    """Add the contributions of a block of rows to `phi` (features, rows).

    values (2 * columns, rows) float32 holds each column twice: missing as +inf, which goes right,
    then missing as -inf, which goes left.
    """
    rows = values.shape[1]
    cells = np.empty(rows, np.uint32)
    for g in range(table_start.size):
        first, last = feature_start[g], feature_start[g + 1]
        cells[:] = 0
        step = last - first
        for j in range(bit_start[g], bit_start[g + 1]):
            x = values[bit_slot[j]]
            threshold = bit_threshold[j]
            for r in range(rows):
                cells[r] += step if x[r] < threshold else np.uint32(0)
            step <<= _U1
        part = table[table_start[g] :]
        k = first
        while k + 4 <= last:
            sums0, sums1 = phi[feature[k]], phi[feature[k + 1]]
            sums2, sums3 = phi[feature[k + 2]], phi[feature[k + 3]]
            for r in range(rows):
                cell = cells[r]
                sums0[r] += part[cell]
                sums1[r] += part[cell + _U1]
                sums2[r] += part[cell + np.uint32(2)]
                sums3[r] += part[cell + np.uint32(3)]
            part = part[4:]
            k += 4
        while k < last:
            sums0 = phi[feature[k]]
            for r in range(rows):
                sums0[r] += part[cells[r]]
            part = part[1:]
            k += 1


@njit(cache=True, nogil=True)
def explain_blocks(
    X,
    bit_start,
    bit_slot,
    bit_threshold,
    feature_start,
    feature,
    table_start,
    table,
    a,
    base,
    contributions,
    margins,
):
    """Write the contributions, times a, and margins of many rows, a block at a time."""
    n, columns = X.shape
    features = contributions.shape[1]
    for start in range(0, n, BLOCK):
        rows = min(BLOCK, n - start)
        values = np.empty((2 * columns, rows), np.float32)
        phi = np.zeros((features, rows))
        for r in range(rows):
            for c in range(columns):
                x = np.float32(X[start + r, c])
                missing = np.isnan(x)
                values[c, r] = np.inf if missing else x
                values[columns + c, r] = -np.inf if missing else x
        explain_block(
            values,
            bit_start,
            bit_slot,
            bit_threshold,
            feature_start,
            feature,
            table_start,
            table,
            phi,
        )
        for r in range(rows):
            margin = base
            for f in range(features):
                value = a * phi[f, r]
                contributions[start + r, f] = value
                margin += value
            margins[start + r] = margin
