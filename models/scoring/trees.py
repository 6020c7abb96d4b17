"""A boosted tree ensemble as plain arrays, read from XGBoost's UBJSON or JSON without XGBoost."""

from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np

from models.errors import ArtefactError, ModelNotSupported
from models.scoring.ubjson import read_ubjson


@dataclass(frozen=True)
class TreeEnsemble:
    """All nodes of all trees, level by level, so that a parent comes before its children.

    A row goes left at node i if float32(value) < threshold[i], or if the value is missing and
    default_left[i]. Leaves have left = right = -1. The margin is base_margin + the leaf values.
    """

    n_columns: int
    base_margin: float
    roots: np.ndarray  # (trees,) int32
    tree: np.ndarray  # (nodes,) int32, and so are parent, left, right and column
    parent: np.ndarray
    left: np.ndarray
    right: np.ndarray
    column: np.ndarray
    threshold: np.ndarray  # (nodes,) float32
    default_left: np.ndarray  # (nodes,) bool
    cover: np.ndarray  # (nodes,) float64, the sum of hessians
    value: np.ndarray  # (nodes,) float64, 0 at inner nodes

    def margins(self, X: np.ndarray) -> np.ndarray:
        """Return the margin of each row by walking the trees: slow, and independent of tables."""
        rows = np.arange(len(X))
        X = X.astype(np.float32)
        total = np.full(len(X), self.base_margin)
        for root in self.roots:
            node = np.full(len(X), root)
            while (inner := self.left[node] >= 0).any():
                x = X[rows, self.column[node]]
                goes_left = (x < self.threshold[node]) | (np.isnan(x) & self.default_left[node])
                node = np.where(inner, np.where(goes_left, self.left[node], self.right[node]), node)
            total += self.value[node]
        return total


def read_booster(data: bytes, n_columns: int | None = None) -> TreeEnsemble:
    """Read a saved binary logistic booster (UBJSON or JSON).

    Raises ModelNotSupported for anything that the tables can't explain exactly, and ArtefactError
    for a damaged file or another number of columns than `n_columns`.
    """
    try:
        learner = _decode(data)["learner"]
        _refuse_unsupported(learner)
        parameters = learner["learner_model_param"]
        columns = int(parameters["num_feature"])
        if n_columns is not None and columns != n_columns:
            raise ArtefactError(f"the booster has {columns} columns, the definition {n_columns}")
        trees = learner["gradient_booster"]["model"]["trees"]
        return _join(trees, columns, _base_margin(parameters["base_score"]))
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise ArtefactError(f"the booster isn't of XGBoost's form: {error!r}") from error


def _decode(data: bytes) -> Any:
    if data[:2] == b"{L" or data[:2] == b"{i":
        return read_ubjson(data)
    try:
        return msgspec.json.decode(data)
    except msgspec.DecodeError as error:
        raise ArtefactError(f"the booster is neither UBJSON nor JSON: {error}") from error


def _refuse_unsupported(learner: dict[str, Any]) -> None:
    booster = learner["gradient_booster"]
    if booster.get("name") != "gbtree":
        raise ModelNotSupported(f"booster {booster.get('name')!r}: only gbtree can be explained")
    if learner["objective"]["name"] != "binary:logistic":
        raise ModelNotSupported(
            f"objective {learner['objective']['name']!r}: only binary:logistic can be explained"
        )
    parameters = learner["learner_model_param"]
    if int(parameters.get("num_class", 0)) > 1 or int(parameters.get("num_target", 1)) > 1:
        raise ModelNotSupported("a model of several classes or outputs can't be explained")
    for tree in booster["model"]["trees"]:
        if np.any(tree["split_type"]) or len(tree["categories"]):
            raise ModelNotSupported(
                "categorical splits: give the categories as one-hot columns and train again"
            )
        if int(tree["tree_param"].get("size_leaf_vector", 1)) > 1:
            raise ModelNotSupported("trees with several outputs a leaf can't be explained")


def _base_margin(base_score: Any) -> float:
    """Return the log-odds of the base score, in float32 arithmetic as XGBoost does."""
    texts = str(base_score).strip("[]").split(",")
    if len(texts) != 1:
        raise ModelNotSupported(f"base_score {base_score} has several values")
    probability = np.float32(texts[0])
    if not 0 < probability < 1:
        raise ArtefactError(f"base_score {base_score} must lie between 0 and 1")
    one = np.float32(1)
    return float(-np.log(one / probability - one))


def _join(trees: list[dict[str, Any]], n_columns: int, base_margin: float) -> TreeEnsemble:
    sizes = [len(tree["left_children"]) for tree in trees]
    starts = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)

    def gather(key: str, dtype: Any) -> np.ndarray:
        with np.errstate(over="ignore"):  # what becomes infinite is refused by _check
            pieces = [np.asarray(tree[key], dtype) for tree in trees]
        if [len(piece) for piece in pieces] != sizes:
            raise ArtefactError(f"the booster's {key} are not one a node")
        return np.concatenate(pieces) if pieces else np.empty(0, dtype)

    offset = np.repeat(starts[:-1], sizes)
    left, right = gather("left_children", np.int64), gather("right_children", np.int64)
    size = np.repeat(sizes, sizes)
    if np.any((left < 0) != (right < 0)) or np.any(left >= size) or np.any(right >= size):
        raise ArtefactError("the booster has a node with a child that isn't there")
    inner = left >= 0
    left, right = np.where(inner, left + offset, -1), np.where(inner, right + offset, -1)
    order, parent = _by_level(starts[:-1], left, right)
    place = np.full(len(left) + 1, -1, np.int32)
    place[order] = np.arange(len(order))
    condition = gather("split_conditions", np.float32)[order]
    inner = inner[order]
    ensemble = TreeEnsemble(
        n_columns=n_columns,
        base_margin=base_margin,
        roots=place[starts[:-1]],
        tree=np.repeat(np.arange(len(trees)), sizes)[order].astype(np.int32),
        parent=place[parent],
        left=place[left[order]],
        right=place[right[order]],
        column=np.where(inner, gather("split_indices", np.int64)[order], 0).astype(np.int32),
        threshold=np.where(inner, condition, 0).astype(np.float32),
        default_left=inner & gather("default_left", np.uint8)[order].astype(bool),
        cover=gather("sum_hessian", np.float32)[order].astype(np.float64),
        value=np.where(inner, 0.0, condition.astype(np.float64)),
    )
    _check(ensemble)
    return ensemble


def _by_level(
    roots: np.ndarray, left: np.ndarray, right: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the reachable nodes level by level, and the parent of each (-1 for a root)."""
    levels, parents = [roots], [np.full(len(roots), -1, np.int64)]
    seen = len(roots)
    while True:
        inner = levels[-1][left[levels[-1]] >= 0]
        if len(inner) == 0:
            break
        levels.append(np.column_stack([left[inner], right[inner]]).ravel())
        parents.append(np.repeat(inner, 2))
        seen += len(levels[-1])
        if seen > len(left):
            raise ArtefactError("the booster has a tree that runs in a circle")
    order = np.concatenate(levels)
    if len(np.unique(order)) != len(order):
        raise ArtefactError("the booster has a node with two parents")
    return order, np.concatenate(parents)


def _check(ensemble: TreeEnsemble) -> None:
    inner = ensemble.left >= 0
    columns = ensemble.column[inner]
    if np.any((columns < 0) | (columns >= ensemble.n_columns)):
        raise ArtefactError(f"the booster splits on a column outside 0-{ensemble.n_columns - 1}")
    if not (np.all(np.isfinite(ensemble.threshold)) and np.all(np.isfinite(ensemble.value))):
        raise ArtefactError("the booster has a split or leaf that isn't finite")
    if not np.all(ensemble.cover[inner] > 0) or not np.all(ensemble.cover >= 0):
        raise ModelNotSupported(
            "the booster has a split without cover (sum_hessian 0): train again"
        )
