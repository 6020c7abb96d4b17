"""Reading a booster without XGBoost, and refusing what can't be explained exactly."""

import json
from typing import Any

import numpy as np
import pytest
import xgboost
from hypothesis import given
from hypothesis import strategies as st

from models.errors import ArtefactError, ModelNotSupported
from models.scoring.trees import read_booster
from models.scoring.ubjson import read_ubjson
from tests.models.scoring.boosters import fit_booster, patients, saved


def changed(booster: Any, change: Any) -> bytes:
    tree = json.loads(booster.save_raw("json"))
    change(tree["learner"])
    return json.dumps(tree).encode()


@pytest.fixture(scope="module")
def booster() -> Any:
    return fit_booster(patients(300, 4))


def test_ubjson_and_json_hold_the_same_trees(booster: Any) -> None:
    binary = read_booster(saved(booster))
    text = read_booster(bytes(booster.save_raw("json")))
    for name in ("roots", "parent", "left", "right", "column", "threshold", "value", "cover"):
        np.testing.assert_array_equal(getattr(binary, name), getattr(text, name))
    assert binary.base_margin == text.base_margin


def test_walking_the_trees_gives_xgboosts_margin(booster: Any) -> None:
    X = patients(500, 4, seed=5)
    matrix = xgboost.DMatrix(X)
    theirs = booster.predict(matrix, output_margin=True)
    np.testing.assert_allclose(read_booster(saved(booster)).margins(X), theirs, atol=2e-6)


@pytest.mark.parametrize("base_score", ["2.5E-1", "[2.5E-1]"])
def test_base_score_is_read_as_a_number_or_as_a_vector(booster: Any, base_score: str) -> None:
    def change(learner: Any) -> None:
        learner["learner_model_param"]["base_score"] = base_score

    assert read_booster(changed(booster, change)).base_margin == pytest.approx(-np.log(3), abs=1e-6)


def test_pruned_trees_keep_only_the_nodes_that_can_be_reached() -> None:
    X = patients(400, 4)
    booster = fit_booster(X, gamma=3.0, max_depth=5, tree_method="exact")
    ensemble = read_booster(saved(booster))
    theirs = booster.predict(xgboost.DMatrix(X), output_margin=True)
    np.testing.assert_allclose(ensemble.margins(X), theirs, atol=2e-6)
    assert len(ensemble.left) == 2 * (ensemble.left >= 0).sum() + len(ensemble.roots)


def test_another_number_of_columns_is_refused(booster: Any) -> None:
    with pytest.raises(ArtefactError, match="4 columns, the definition 5"):
        read_booster(saved(booster), 5)


@pytest.mark.parametrize(
    ("parameters", "named"),
    [
        ({"booster": "dart"}, "dart"),
        ({"objective": "reg:squarederror"}, "reg:squarederror"),
        ({"objective": "multi:softprob", "num_class": 3}, "multi:softprob"),
    ],
)
def test_other_kinds_of_models_are_refused_by_name(parameters: dict[str, Any], named: str) -> None:
    booster = fit_booster(patients(200, 3, missing=0), trees=2, **parameters)
    with pytest.raises(ModelNotSupported, match=named):
        read_booster(saved(booster))


def test_categorical_splits_are_refused() -> None:
    rng = np.random.default_rng(0)
    X = rng.integers(0, 6, (300, 2)).astype(np.float32)
    matrix = xgboost.DMatrix(
        X, np.isin(X[:, 0], [1, 4]).astype(int), feature_types=["c", "c"], enable_categorical=True
    )
    booster = xgboost.train({"objective": "binary:logistic", "nthread": 1}, matrix, 2)
    with pytest.raises(ModelNotSupported, match="one-hot"):
        read_booster(saved(booster))


def _set_tree(key: str, index: int, value: float) -> Any:
    def change(learner: Any) -> None:
        learner["gradient_booster"]["model"]["trees"][0][key][index] = value

    return change


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (_set_tree("left_children", 0, 900), "isn't there"),
        (_set_tree("left_children", 0, -1), "isn't there"),
        (_set_tree("left_children", 0, 0), "circle|two parents"),
        (_set_tree("split_indices", 0, 4), "outside 0-3"),
        (_set_tree("split_conditions", 0, 1e39), "finite"),
        (_set_tree("sum_hessian", 0, 0.0), "cover"),
        (lambda learner: learner.pop("objective"), "objective"),
        (lambda learner: learner["gradient_booster"].update(name="gblinear"), "gblinear"),
        (lambda learner: learner["learner_model_param"].update(base_score="1"), "base_score"),
        (lambda learner: learner["learner_model_param"].update(base_score="[.5,.5]"), "several"),
        (lambda learner: learner["learner_model_param"].update(num_class="3"), "classes"),
    ],
)
def test_a_damaged_booster_is_refused(booster: Any, change: Any, match: str) -> None:
    with pytest.raises(ArtefactError, match=match):
        read_booster(changed(booster, change))


def test_a_booster_cut_short_at_any_place_is_refused(booster: Any) -> None:
    data = saved(booster)
    for end in range(0, len(data) - 1, 37):
        with pytest.raises(ArtefactError):
            read_booster(data[:end])


def refusal(data: bytes) -> str:
    try:
        read_ubjson(data)
    except ArtefactError as error:
        return str(error)
    return ""


@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_refused_as_ubjson(data: bytes) -> None:
    for start in (b"", b"{", b"[", b"[$d#"):
        assert refusal(start + data)[:7] in ("", "UBJSON:")


def test_ubjson_of_every_kind_is_read() -> None:
    numbers = b"i\xffU\xffI\x01\x00l\0\0\0\x02L\0\0\0\0\0\0\0\x03"
    value = read_ubjson(b"{i\x01a[" + numbers + b"TFZSi\x02ok]i\x01b[$U#i\x02\x01\x02}")
    assert value["a"] == [-1, 255, 256, 2, 3, True, False, None, "ok"]
    assert value["b"].tolist() == [1, 2]


def test_ubjson_nested_without_end_is_refused() -> None:
    with pytest.raises(ArtefactError, match="nested"):
        read_ubjson(b"[" * 10_000)
