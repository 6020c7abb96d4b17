"""Compiled loops that fill the tables with the Shapley values of the leaves."""

import numpy as np
from numba import njit


@njit(cache=True, nogil=True)
def group_splits(
    root: int, parent: np.ndarray, left: np.ndarray, right: np.ndarray, splits: np.ndarray
) -> int:
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
def leaf_shapley(
    chances: np.ndarray, value: float, points: np.ndarray, weights: np.ndarray, phi: np.ndarray
) -> None:
    """Write into phi[pattern, i] the Shapley values of one leaf for every pattern of decisions.

    Bit i of the pattern says whether the row meets all splits of column i on the path (o_i), and
    chances[i] is the share of training cover that does (z_i). phi_i = value * (o_i - z_i) * the
    integral over u from 0 to 1 of the product over j != i of u * o_j + (1 - u) * z_j: a polynomial
    that the Gauss-Legendre rule with `points` and `weights` on [0, 1] integrates exactly.
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
def _leaf_path(
    leaf: int,
    splits: np.ndarray,
    parent: np.ndarray,
    left: np.ndarray,
    column: np.ndarray,
    cover: np.ndarray,
    path: np.ndarray,
    chances: np.ndarray,
) -> int:
    """Describe a leaf's path by distinct column; return how many there are.

    path[:, i] holds the column, the mask of its bits in the group's code, and the bits wanted.
    """
    count, child, node = 0, leaf, parent[leaf]
    while node >= 0:
        slot = 0
        while slot < count and path[0, slot] != column[node]:
            slot += 1
        if slot == count:
            path[0, slot], path[1, slot], path[2, slot] = column[node], 0, 0
            chances[slot] = 1.0
            count += 1
        bit = 0
        while splits[bit] != node:
            bit += 1
        chances[slot] *= cover[child] / cover[node]
        path[1, slot] |= 1 << bit
        if left[node] == child:
            path[2, slot] |= 1 << bit
        child = node
        node = parent[node]
    return count


@njit(cache=True, nogil=True)
def _add_leaf(path: np.ndarray, phi: np.ndarray, place: np.ndarray, table: np.ndarray) -> None:
    """Add a leaf's values to every code of its group; `place` is the column's cell in a row."""
    n = path.shape[1]
    for code in range(len(table)):
        pattern = 0
        for i in range(n):
            if (code & path[1, i]) == path[2, i]:
                pattern |= 1 << i
        for i in range(n):
            table[code, place[path[0, i]]] += phi[pattern, i]


@njit(cache=True, nogil=True)
def fill_group(
    root: int,
    splits: np.ndarray,
    parent: np.ndarray,
    left: np.ndarray,
    right: np.ndarray,
    column: np.ndarray,
    cover: np.ndarray,
    value: np.ndarray,
    place: np.ndarray,
    points: np.ndarray,
    weights: np.ndarray,
    table: np.ndarray,
) -> float:
    """Fill one group's float64 table (codes, cells); return the expected value of its leaves."""
    path = np.empty((3, splits.size + 1), np.int64)
    chances = np.empty(splits.size + 1)
    stack = np.empty(splits.size + 2, np.int64)
    stack[0] = root
    waiting, expected = 1, 0.0
    while waiting:
        waiting -= 1
        node = stack[waiting]
        if left[node] >= 0:
            stack[waiting], stack[waiting + 1] = left[node], right[node]
            waiting += 2
            continue
        n = _leaf_path(node, splits, parent, left, column, cover, path, chances)
        expected += value[node] * chances[:n].prod()
        phi = np.empty((1 << n, n))
        rule = (n + 1) // 2
        leaf_shapley(chances[:n], value[node], points[rule, :rule], weights[rule, :rule], phi)
        _add_leaf(path[:, :n], phi, place, table)
    return expected
