"""The tables against XGBoost, against the definition of Shapley's value, and against damage."""

from itertools import combinations
from math import factorial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.errors import ArtefactError
from models.scoring.tables import (
    MAX_BITS,
    TreeTables,
    build_tables,
    choose_groups,
    fill_group_table,
    load_tables,
    save_tables,
)
from models.scoring.trees import TreeEnsemble, read_booster
from tests.models.scoring.boosters import (
    assert_explains_as_xgboost,
    fit_booster,
    patients,
    saved,
    scorer_of,
    xgboost_contributions,
)


def expectation(ensemble: TreeEnsemble, node: int, x: np.ndarray, known: set[int]) -> float:
    """The mean of a tree over the training cover, given the known columns of x."""
    if ensemble.left[node] < 0:
        return float(ensemble.value[node])
    left, right, column = ensemble.left[node], ensemble.right[node], int(ensemble.column[node])
    if column in known:
        value = np.float32(x[column])
        goes_left = (
            ensemble.default_left[node] if np.isnan(value) else value < ensemble.threshold[node]
        )
        return expectation(ensemble, left if goes_left else right, x, known)
    shares = ensemble.cover[[left, right]] / ensemble.cover[node]
    return float(
        shares[0] * expectation(ensemble, left, x, known)
        + shares[1] * expectation(ensemble, right, x, known)
    )


def shapley_by_definition(ensemble: TreeEnsemble, x: np.ndarray) -> np.ndarray:
    n = len(x)
    worth = {
        coalition: sum(expectation(ensemble, root, x, set(coalition)) for root in ensemble.roots)
        for size in range(n + 1)
        for coalition in combinations(range(n), size)
    }
    phi = np.zeros(n)
    for coalition, value in worth.items():
        weight = (
            factorial(len(coalition)) * factorial(n - len(coalition) - 1)
            if len(coalition) < n
            else 0
        )
        for i in set(range(n)) - set(coalition):
            joined = tuple(sorted((*coalition, i)))
            phi[i] += weight / factorial(n) * (worth[joined] - value)
    return phi


def by_tables_before_rounding(ensemble: TreeEnsemble, x: np.ndarray) -> np.ndarray:
    phi = np.zeros(len(x))
    roots = choose_groups(ensemble, 64)
    assert roots is not None
    for root in roots:
        group = fill_group_table(ensemble, root, np.arange(len(x)))
        value = x.astype(np.float32)[ensemble.column[group.splits]]
        left = (value < ensemble.threshold[group.splits]) | (
            np.isnan(value) & ensemble.default_left[group.splits]
        )
        phi[group.features] += group.values[int((left << np.arange(len(left))).sum())]
    return phi


@pytest.mark.parametrize("depth", [1, 2, 4, 6])
def test_tables_are_shapleys_values_by_definition(depth: int) -> None:
    X = patients(250, 5, seed=depth)
    ensemble = read_booster(saved(fit_booster(X, trees=3, max_depth=depth, min_child_weight=0.1)))
    for x in X[:6]:
        expected = shapley_by_definition(ensemble, x)
        np.testing.assert_allclose(by_tables_before_rounding(ensemble, x), expected, atol=1e-9)


@settings(max_examples=20, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    columns=st.integers(1, 12),
    trees=st.integers(1, 12),
    depth=st.integers(1, 7),
    missing=st.sampled_from([0.0, 0.3]),
    method=st.sampled_from(["hist", "exact"]),
    grow=st.sampled_from(["depthwise", "lossguide"]),
)
def test_random_boosters_are_explained_as_by_xgboost(
    tmp_path_factory: pytest.TempPathFactory,
    seed: int,
    columns: int,
    trees: int,
    depth: int,
    missing: float,
    method: str,
    grow: str,
) -> None:
    X = patients(150, columns, seed, missing)
    growth = {"grow_policy": grow} if method == "hist" else {}
    booster = fit_booster(X, trees, max_depth=depth, tree_method=method, seed=seed, **growth)
    rows = with_thresholds(booster, patients(40, columns, seed + 1, missing))
    assert_explains_as_xgboost(booster, tmp_path_factory.mktemp("scorer"), rows)


def with_thresholds(booster: Any, X: np.ndarray) -> np.ndarray:
    """Put into every column values that equal thresholds, lie just beside them, or are far off."""
    ensemble = read_booster(saved(booster))
    for column in range(X.shape[1]):
        own = np.unique(ensemble.threshold[(ensemble.left >= 0) & (ensemble.column == column)])
        beside = np.nextafter(own, np.float32(np.inf)), np.nextafter(own, np.float32(-np.inf))
        special = np.concatenate([own, *beside, own.astype(float) * (1 + 1e-9), [1e300, -1e300]])
        count = min(len(special), len(X) // 2)
        with np.errstate(over="ignore"):
            X[:count, column] = np.random.default_rng(column).permutation(special)[:count]
    return np.where(np.abs(X) > 1e38, np.sign(X) * 1e38, X)


@pytest.mark.parametrize("depth", range(1, 11))
def test_every_depth_from_1_to_10_is_explained(depth: int, tmp_path: Path) -> None:
    X = patients(400, 6, seed=depth)
    booster = fit_booster(X, trees=3, max_depth=depth, min_child_weight=0, reg_lambda=0.01)
    scorer = assert_explains_as_xgboost(booster, tmp_path, with_thresholds(booster, X[:100]))
    assert (tmp_path / "tables.npz").exists()
    assert scorer.kind == "trees"


def test_20000_rows_are_explained_with_missing_values_and_values_equal_to_thresholds(
    tmp_path: Path,
) -> None:
    X = patients(20_000, 20, missing=0.1)
    booster = fit_booster(X, trees=60, max_depth=5, eta=0.2)
    assert_explains_as_xgboost(booster, tmp_path, with_thresholds(booster, X))


def test_2000_trees_are_explained(tmp_path: Path) -> None:
    X = patients(200, 8)
    booster = fit_booster(X, trees=2000, max_depth=2, eta=0.05)
    assert_explains_as_xgboost(booster, tmp_path, X[:60])


def test_constant_trees_and_unused_columns_add_nothing(tmp_path: Path) -> None:
    X = np.column_stack([patients(300, 2), np.zeros(300)])
    X[:, -1] = 0.0
    booster = fit_booster(X, trees=6, gamma=6.0)
    ensemble = read_booster(saved(booster))
    assert (ensemble.left[ensemble.roots] < 0).any()
    scorer = assert_explains_as_xgboost(booster, tmp_path, X[:50])
    assert (scorer.explain_batch(X).contributions[:, 2] == 0).all()


def test_a_model_of_constant_trees_gives_everybody_the_base(tmp_path: Path) -> None:
    X = patients(50, 2)
    booster = fit_booster(X, trees=2, gamma=1e6)
    scorer = assert_explains_as_xgboost(booster, tmp_path, X)
    assert scorer.explain(X[0]).margin == scorer.base


def test_a_random_forest_inside_the_booster_is_explained(tmp_path: Path) -> None:
    X = patients(200, 4)
    booster = fit_booster(X, trees=2, num_parallel_tree=3, subsample=0.7, base_score=0.2)
    assert_explains_as_xgboost(booster, tmp_path, X[:50])


def test_columns_of_one_feature_are_one_contribution(tmp_path: Path) -> None:
    X = patients(300, 5)
    booster = fit_booster(X, trees=8)
    owner = np.array([0, 2, 2, 1, 2])
    scorer = scorer_of(booster, tmp_path, features=("a", "b", "c"), column_feature=owner)
    theirs = xgboost_contributions(booster, X)[:, :-1] @ (owner[:, None] == np.arange(3))
    np.testing.assert_allclose(scorer.explain_batch(X).contributions, theirs, atol=1e-5)


def test_a_feature_without_a_column_contributes_nothing(tmp_path: Path) -> None:
    X = patients(100, 2)
    scorer = scorer_of(
        fit_booster(X), tmp_path, features=("a", "raw", "b"), column_feature=np.array([0, 2])
    )
    assert scorer.explain(X[0]).contributions[1] == 0


@pytest.fixture(scope="module")
def tables() -> TreeTables:
    ensemble = read_booster(saved(fit_booster(patients(300, 4), max_depth=4)))
    built = build_tables(ensemble, np.arange(4), n_features=4, budget_mb=64, digest="d")
    assert built is not None
    return built


def test_tables_are_equal_to_the_bit_after_saving_and_loading(
    tables: TreeTables, tmp_path: Path
) -> None:
    save_tables(tables, tmp_path / "tables.npz")
    loaded = load_tables(tmp_path / "tables.npz")
    for name, value in vars(tables).items():
        np.testing.assert_array_equal(getattr(loaded, name), value)
    assert loaded.expected == tables.expected


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("bit_slot", lambda array: array + 8),
        ("feature", lambda array: array + 4),
        ("table_start", lambda array: array + np.uint64(1)),
        ("table_start", lambda array: array[:-1]),
        ("bit_start", lambda array: array[::-1].copy()),
        ("feature_start", lambda array: array + 1),
        ("table", lambda array: array[:-1]),
        ("table", lambda array: array * np.float32(np.nan)),
        ("table", lambda array: array.astype(np.float64)),
        ("bit_threshold", lambda array: array[:-1]),
        ("expected", lambda _: np.array(np.inf)),
    ],
)
def test_damaged_tables_are_refused_before_a_look_up_could_leave_them(
    tables: TreeTables, tmp_path: Path, name: str, change: Any
) -> None:
    arrays = {key: np.asarray(value) for key, value in vars(tables).items()}
    with (tmp_path / "tables.npz").open("wb") as file:
        np.savez(file, **(arrays | {name: change(arrays[name])}))
    with pytest.raises(ArtefactError, match="damaged"):
        load_tables(tmp_path / "tables.npz")


def test_tables_that_would_need_pickle_are_refused(tables: TreeTables, tmp_path: Path) -> None:
    arrays = {key: np.asarray(value) for key, value in vars(tables).items()}
    with (tmp_path / "tables.npz").open("wb") as file:
        np.savez(file, **(arrays | {"feature": np.array([{}], object)}))
    with pytest.raises(ArtefactError, match="can't be read"):
        load_tables(tmp_path / "tables.npz")


def test_a_smaller_budget_gives_smaller_tables_until_none_fit() -> None:
    ensemble = read_booster(saved(fit_booster(patients(800, 8), trees=20, max_depth=6)))
    sizes = []
    for budget in (64.0, 0.36, 0.31):
        built = build_tables(ensemble, np.arange(8), n_features=8, budget_mb=budget, digest="")
        assert built is not None
        assert built.table.nbytes <= budget * 2**20
        sizes.append(built.table.nbytes)
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[0] > sizes[-1]
    assert choose_groups(ensemble, 0.01) is None


def test_a_tree_too_deep_for_a_code_has_no_tables() -> None:
    rng = np.random.default_rng(0)
    X = np.sort(rng.normal(size=(400, 1)), axis=0)
    booster = fit_booster(
        X, 1, max_depth=0, max_leaves=200, grow_policy="lossguide", min_child_weight=0, reg_lambda=0
    )
    assert deepest(read_booster(saved(booster))) > MAX_BITS
    assert choose_groups(read_booster(saved(booster)), 64) is None


def deepest(ensemble: TreeEnsemble) -> int:
    depth = np.zeros(len(ensemble.parent), int)
    for node, parent in enumerate(ensemble.parent):
        depth[node] = depth[parent] + 1 if parent >= 0 else 0
    return int(depth.max())
