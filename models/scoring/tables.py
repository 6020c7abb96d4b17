"""Exact path-dependent TreeSHAP by table look-up.

What a leaf contributes depends on the row only through which splits on its path the row meets.
Leaves are gathered into groups below a node; the splits above and below that node give a code of
d bits, and the code names one of 2**d rows of a table of contributions, computed once in float64
and kept in float32. The values are those of XGBoost's `pred_contribs` (path-dependent TreeSHAP,
Lundberg et al. 2020, weighted by cover), summed over the columns of each feature.
"""

import hashlib
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np

from models.errors import ArtefactError
from models.scoring import filling
from models.scoring.trees import TreeEnsemble

MAX_BITS = 16  # splits a group, as many as a code of 16 bits holds
_MISS_COST = ((1 << 19, 1.0), (1 << 23, 4.0), (1 << 40, 16.0))


def _gauss_legendre(up_to: int) -> tuple[np.ndarray, np.ndarray]:
    """Return points and weights on [0, 1] of the Gauss-Legendre rules, a row each."""
    size = up_to // 2 + 2
    points, weights = np.zeros((size, size)), np.zeros((size, size))
    for order in range(1, size):
        x, w = np.polynomial.legendre.leggauss(order)
        points[order, :order], weights[order, :order] = (x + 1) / 2, w / 2
    return points, weights


_RULES = _gauss_legendre(MAX_BITS)


@dataclass(frozen=True)
class TreeTables:
    """The tables of one ensemble; group g has bits bit_start[g] to bit_start[g + 1].

    Bit j is set if value(bit_slot[j]) < bit_threshold[j]; the slot is the column, plus n_columns
    where a missing value goes left. The table of group g starts at table_start[g] and has one row
    a code, one value for each of feature[feature_start[g] : feature_start[g + 1]].
    """

    digest: str  # of the booster and of the map from columns to features
    expected: float
    n_columns: int
    n_features: int
    bit_start: np.ndarray  # (groups + 1,) uint32
    bit_slot: np.ndarray  # (bits,) uint32
    bit_threshold: np.ndarray  # (bits,) float32
    feature_start: np.ndarray  # (groups + 1,) uint32
    feature: np.ndarray  # uint32
    table_start: np.ndarray  # (groups,) uint64
    table: np.ndarray  # float32


def tables_digest(booster: bytes, column_feature: np.ndarray) -> str:
    """Return the SHA-256 that ties tables to the booster and features they were made from."""
    return hashlib.sha256(booster + column_feature.astype("<i8").tobytes()).hexdigest()


@dataclass(frozen=True)
class GroupTable:
    """One group's table in float64, before it is rounded."""

    splits: np.ndarray  # (bits,), nodes of the ensemble, bit 0 first
    features: np.ndarray  # (cells,)
    values: np.ndarray  # (2**bits, cells)
    expected: float  # what the group's leaves add to the mean margin


def build_tables(
    ensemble: TreeEnsemble,
    column_feature: np.ndarray,
    *,
    n_features: int,
    budget_mb: float,
    digest: str,
) -> TreeTables | None:
    """Build the tables, or return None where no grouping fits into the budget."""
    roots = choose_groups(ensemble, budget_mb)
    if roots is None:
        return None
    groups = [fill_group_table(ensemble, root, column_feature) for root in roots]
    groups.sort(key=lambda group: len(group.features))  # loops of equal length run faster
    tables = [group.values.astype(np.float32).ravel() for group in groups]
    features = [group.features for group in groups]
    splits = _concatenate([group.splits for group in groups], np.int64)
    slot = ensemble.column[splits] + ensemble.n_columns * ensemble.default_left[splits]
    return TreeTables(
        digest=digest,
        expected=ensemble.base_margin + sum(group.expected for group in groups),
        n_columns=ensemble.n_columns,
        n_features=n_features,
        bit_start=_starts([group.splits for group in groups], np.uint32),
        bit_slot=slot.astype(np.uint32),
        bit_threshold=ensemble.threshold[splits],
        feature_start=_starts(features, np.uint32),
        feature=_concatenate(features, np.uint32),
        table_start=_starts(tables, np.uint64)[:-1],
        table=_concatenate(tables, np.float32),
    )


def fill_group_table(ensemble: TreeEnsemble, root: int, column_feature: np.ndarray) -> GroupTable:
    """Compute the contributions of the leaves below `root` for every code of their splits."""
    nodes = np.empty(MAX_BITS + 1, np.int64)
    count = filling.group_splits(root, ensemble.parent, ensemble.left, ensemble.right, nodes)
    splits = nodes[:count]
    columns = ensemble.column[splits]
    features = np.unique(column_feature[columns])
    place = np.zeros(ensemble.n_columns, np.int64)
    place[columns] = np.searchsorted(features, column_feature[columns])
    values = np.zeros((1 << count, len(features)))
    expected = filling.fill_group(
        root,
        splits,
        ensemble.parent,
        ensemble.left,
        ensemble.right,
        ensemble.column,
        ensemble.cover,
        ensemble.value,
        place,
        *_RULES,
        values,
    )
    return GroupTable(splits, features, values, float(expected))


def choose_groups(ensemble: TreeEnsemble, budget_mb: float) -> np.ndarray | None:
    """Return the root nodes of the cheapest grouping whose tables fit into the budget."""
    bits = _bits_of_groups(ensemble)
    best, best_cost = None, np.inf
    for limit in range(1, MAX_BITS + 1):
        roots = _roots(ensemble, bits, limit)
        if bits[roots].max(initial=0) > MAX_BITS:
            continue
        wide = np.minimum(bits[roots], ensemble.n_columns)
        size = float((4.0 * wide * 2.0 ** bits[roots]).sum())
        if size > budget_mb * 2**20:
            continue
        miss = next(cost for ceiling, cost in _MISS_COST if size <= ceiling)
        cost = float((wide + 1 + miss).sum())
        if cost < best_cost:
            best, best_cost = roots, cost
    return best


def save_tables(tables: TreeTables, path: Path) -> None:
    """Write the tables as .npz, without pickle."""
    arrays = {item.name: np.asarray(getattr(tables, item.name)) for item in fields(TreeTables)}
    with path.open("wb") as file:
        np.savez(file, allow_pickle=False, **arrays)


def load_tables(path: Path) -> TreeTables:
    """Read tables and check that no look-up can leave them; raises ArtefactError."""
    try:
        with np.load(path, allow_pickle=False) as stored:
            values = {item.name: stored[item.name] for item in fields(TreeTables)}
        tables = TreeTables(
            **{name: value if value.ndim else value.item() for name, value in values.items()}
        )
    except (OSError, KeyError, ValueError, EOFError) as error:
        raise ArtefactError(
            f"{path.name} can't be read ({error}): package the model again"
        ) from error
    if not _is_sound(tables):
        raise ArtefactError(f"{path.name} is damaged: package the model again")
    return tables


_DTYPES = {
    "bit_start": np.uint32, "bit_slot": np.uint32, "bit_threshold": np.float32,
    "feature_start": np.uint32, "feature": np.uint32, "table_start": np.uint64,
    "table": np.float32,
}  # fmt: skip


def _is_sound(tables: TreeTables) -> bool:
    for name, dtype in _DTYPES.items():
        array = getattr(tables, name)
        if not isinstance(array, np.ndarray) or array.dtype != dtype or array.ndim != 1:
            return False
    bits, widths = lengths(tables.bit_start), lengths(tables.feature_start)
    if len(bits) != len(tables.table_start) or len(widths) != len(bits):
        return False
    if np.any(bits < 0) or np.any(bits > MAX_BITS) or np.any(widths < 0):
        return False
    ends = np.cumsum(widths << bits)
    return bool(
        tables.bit_start[0] == 0
        and tables.feature_start[0] == 0
        and tables.bit_start[-1] == len(tables.bit_slot) == len(tables.bit_threshold)
        and tables.feature_start[-1] == len(tables.feature)
        and np.array_equal(tables.table_start, np.concatenate([[0], ends])[:-1])
        and len(tables.table) == (ends[-1] if len(ends) else 0)
        and np.all(tables.bit_slot < 2 * tables.n_columns)
        and np.all(tables.feature < tables.n_features)
        and np.all(np.isfinite(tables.table))
        and np.all(np.isfinite(tables.bit_threshold))
        and np.isfinite(tables.expected)
    )


def lengths(starts: np.ndarray) -> np.ndarray:
    """Return how far each start is from the next."""
    places = starts.astype(np.int64)
    return np.asarray(places[1:] - places[:-1])


def _bits_of_groups(ensemble: TreeEnsemble) -> np.ndarray:
    """Return, for a group below each node, how many splits lie above, at and below that node."""
    above = np.zeros(len(ensemble.left), np.int64)
    below = (ensemble.left >= 0).astype(np.int64)
    levels = [ensemble.roots]
    while len(levels[-1]):
        inner = levels[-1][ensemble.left[levels[-1]] >= 0]
        levels.append(np.concatenate([ensemble.left[inner], ensemble.right[inner]]))
        above[levels[-1]] = len(levels) - 1
    for level in levels[:0:-1]:
        np.add.at(below, ensemble.parent[level], below[level])
    return above + below


def _roots(ensemble: TreeEnsemble, bits: np.ndarray, limit: int) -> np.ndarray:
    """Return the topmost nodes with at most `limit` bits (and leaves beyond), tree by tree.

    A node never has fewer bits than its children, so one that fits is topmost if its parent
    doesn't.
    """
    fits = (bits <= limit) | (ensemble.left < 0)
    roots = np.flatnonzero(fits & ((ensemble.parent < 0) | ~fits[ensemble.parent]))
    return roots[np.argsort(ensemble.tree[roots], kind="stable")]


def _starts(pieces: list[np.ndarray], dtype: type) -> np.ndarray:
    return np.concatenate([[0], np.cumsum([len(piece) for piece in pieces])]).astype(dtype)


def _concatenate(pieces: list[np.ndarray], dtype: type) -> np.ndarray:
    return np.concatenate([*pieces, np.empty(0, dtype)]).astype(dtype)
