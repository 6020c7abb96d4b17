"""A scorer's answers: calibrated, additive, the same by every way, and refused if not."""

import json
import logging
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit, logit

from models.errors import ArtefactError, ExplanationMismatch
from models.scoring import kernels
from models.scoring.calibration import LARGEST_RISK, SMALLEST_RISK, Sigmoid, risk_of_margin
from models.scoring.engines import BoosterContributions
from models.scoring.linear import LinearModel, LinearTerm
from models.scoring.scorer import Scorer, load_scorer, save_scorer
from tests.models.scoring.boosters import fit_booster, patients, scorer_of, xgboost_contributions


@pytest.fixture(scope="module")
def booster() -> Any:
    return fit_booster(patients(400, 6), trees=20, max_depth=4)


def linear_scorer(directory: Path, means: float = 0.2) -> Scorer:
    terms = tuple(
        LinearTerm(0.5, (c,), (0.1,), (2.0,), (means,), (), 0.3, 0.1) for c in (1.0, -2.0)
    )
    save_scorer(
        directory,
        features=("a", "b"),
        columns=("a", "b"),
        column_feature=np.arange(2),
        calibration=Sigmoid(0.8, -0.4),
        booster_ubj=None,
        linear=LinearModel(-1.0, terms),
    )
    return load_scorer(directory)


def test_calibrated_contributions_add_up_to_the_risk(booster: Any, tmp_path: Path) -> None:
    X = patients(200, 6, seed=9)
    scorer = scorer_of(booster, tmp_path, calibration=Sigmoid(1.7, -0.35))
    theirs = xgboost_contributions(booster, X)
    batch = scorer.explain_batch(X)
    np.testing.assert_allclose(batch.contributions, 1.7 * theirs[:, :-1], atol=2e-5)
    np.testing.assert_allclose(batch.risk, expit(1.7 * theirs.sum(axis=1) - 0.35), atol=1e-5)
    np.testing.assert_allclose(
        logit(batch.risk), batch.base + batch.contributions.sum(1), atol=1e-6
    )
    one = scorer.explain(X[3])
    assert (one.risk, one.margin, one.base) == pytest.approx(
        (batch.risk[3], batch.margin[3], batch.base), abs=1e-12
    )
    assert logit(one.risk) == pytest.approx(one.base + one.contributions.sum(), abs=1e-6)


def assert_same_bits(scorer: Scorer, X: np.ndarray, step: int = 97) -> None:
    """Compare rows of a batch with the same rows alone, to the last bit."""
    batch = scorer.explain_batch(X)
    assert batch.contributions.shape == (len(X), len(scorer.features))
    for i in range(0, len(X), step):
        one = scorer.explain(X[i])
        np.testing.assert_array_equal(batch.contributions[i], one.contributions)
        assert (batch.margin[i], batch.risk[i]) == (one.margin, one.risk)


@pytest.mark.parametrize("rows", [0, 1, 2, 15, 16, 63, 511, 513, 3000])
def test_a_row_gets_the_same_bits_alone_and_in_a_batch_of_any_size(
    booster: Any, tmp_path: Path, rows: int
) -> None:
    X = patients(rows, 6, seed=rows)
    assert_same_bits(scorer_of(booster, tmp_path, calibration=Sigmoid(1.7, -0.35)), X)


def test_a_row_gets_the_same_bits_alone_and_in_a_batch_without_tables(
    booster: Any, tmp_path: Path
) -> None:
    scorer = scorer_of(booster, tmp_path, table_budget_mb=0.001, calibration=Sigmoid(2, 1))
    assert_same_bits(scorer, patients(600, 6, seed=8), step=37)


@pytest.mark.parametrize("rows", [3, 40, 3000])
def test_a_row_gets_the_same_bits_alone_and_in_a_batch_of_a_linear_model(
    tmp_path: Path, rows: int
) -> None:
    rng = np.random.default_rng(5)
    terms = tuple(
        LinearTerm(0.5, (c, s), (0.1, 0.2), (2.0, 3.0), (0.1, 0.3), (-1.0, 0.0, 1.0), 0.3, 0.1)
        for c, s in rng.normal(size=(25, 2)).tolist()
    )
    owner = np.arange(25) * 7 % 11
    save_scorer(
        tmp_path,
        features=tuple(f"f{i}" for i in range(11)),
        columns=tuple(f"x{i}" for i in range(25)),
        column_feature=owner,
        calibration=Sigmoid(0.8, -0.4),
        booster_ubj=None,
        linear=LinearModel(-1.0, terms),
    )
    assert_same_bits(load_scorer(tmp_path), patients(rows, 25, seed=rows))


def test_threads_give_the_same_bits(booster: Any, tmp_path: Path) -> None:
    X = patients(5000, 6, seed=4)
    scorer = scorer_of(booster, tmp_path)
    one, four = scorer.explain_batch(X), scorer.explain_batch(X, threads=4)
    np.testing.assert_array_equal(one.contributions, four.contributions)
    np.testing.assert_array_equal(one.risk, four.risk)


def test_many_threads_may_explain_at_once(booster: Any, tmp_path: Path) -> None:
    X = patients(400, 6, seed=4)
    scorer = scorer_of(booster, tmp_path)
    expected = [scorer.explain(x).contributions for x in X]
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda x: scorer.explain(x).contributions, X))
    np.testing.assert_array_equal(answers, expected)


def test_a_loaded_scorer_gives_the_same_bits_every_time(booster: Any, tmp_path: Path) -> None:
    X = patients(100, 6, seed=8)
    first = scorer_of(booster, tmp_path).explain_batch(X)
    np.testing.assert_array_equal(
        load_scorer(tmp_path).explain_batch(X).contributions, first.contributions
    )


def test_without_room_for_tables_xgboost_explains_and_it_is_said_once(
    booster: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    X = patients(60, 6, seed=8)
    with caplog.at_level(logging.WARNING, "models.scoring"):
        scorer = scorer_of(booster, tmp_path, table_budget_mb=0.001, calibration=Sigmoid(2, 1))
        batch = scorer.explain_batch(X)
        one = scorer.explain(X[0])
    assert len(caplog.records) == 1
    assert isinstance(scorer._engine, BoosterContributions)
    np.testing.assert_allclose(batch.contributions, 2 * xgboost_contributions(booster, X)[:, :-1])
    assert one.risk == pytest.approx(batch.risk[0])
    scorer.verify(X)


def test_a_linear_scorer_is_calibrated_and_additive(tmp_path: Path) -> None:
    scorer = linear_scorer(tmp_path)
    X = patients(50, 2)
    batch = scorer.explain_batch(X)
    filled = np.where(np.isnan(X), 0.5, X)
    score = -1 + ((filled - 0.1) / 2) @ [1.0, -2.0] + 0.3 * np.isnan(X).sum(axis=1)
    np.testing.assert_allclose(batch.risk, expit(0.8 * score - 0.4), rtol=1e-12)
    np.testing.assert_allclose(
        batch.base + batch.contributions.sum(1), logit(batch.risk), atol=1e-9
    )
    assert scorer.explain(X[0]).risk == batch.risk[0]
    scorer.verify(X)


def test_a_linear_explanation_that_does_not_add_up_is_not_answered(tmp_path: Path) -> None:
    scorer = linear_scorer(tmp_path)
    scorer.base += 1e-3
    scorer._engine.expected += 2e-3
    with pytest.raises(ExplanationMismatch, match="nothing is answered"):
        scorer.explain(np.array([0.1, 0.2]))
    with pytest.raises(ExplanationMismatch, match="nothing is answered"):
        scorer.explain_batch(np.array([[0.1, 0.2]]))


def test_verifying_finds_tables_that_are_wrong(booster: Any, tmp_path: Path) -> None:
    scorer = scorer_of(booster, tmp_path)
    scorer._engine._table[:] *= np.float32(1.01)
    with pytest.raises(ExplanationMismatch, match="in XGBoost"):
        scorer.verify(patients(50, 6))


def test_a_table_that_became_nan_is_not_answered(booster: Any, tmp_path: Path) -> None:
    scorer = scorer_of(booster, tmp_path)
    scorer._engine._table[:] = np.nan
    with pytest.raises(ExplanationMismatch):
        scorer.explain(np.zeros(6))
    with pytest.raises(ExplanationMismatch):
        scorer.explain_batch(np.zeros((20, 6)))


@given(st.floats(-1000, 1000))
def test_a_risk_lies_strictly_between_0_and_1(margin: float) -> None:
    risk = float(risk_of_margin(margin))
    assert 0 < risk < 1
    assert kernels.close(margin, np.zeros(2), margin) == pytest.approx(risk, rel=1e-15)
    if abs(margin) < 20:
        assert risk == pytest.approx(expit(margin), rel=1e-14)


def test_the_ends_of_the_range_are_the_nearest_numbers_inside() -> None:
    assert np.nextafter(1.0, 0.0) == LARGEST_RISK
    assert np.finfo(float).tiny == SMALLEST_RISK
    assert risk_of_margin(np.array([900.0, -900.0])).tolist() == [LARGEST_RISK, SMALLEST_RISK]


@given(st.floats(-15, 15), st.floats(2e-6, 1))
def test_a_gap_above_a_millionth_is_no_risk(margin: float, gap: float) -> None:
    assert np.isnan(kernels.close(margin, np.array([gap]), margin))


@pytest.mark.parametrize(
    ("a", "b"), [(0.0, 0.0), (-1.0, 0.0), (np.nan, 0.0), (np.inf, 0.0), (1.0, np.nan)]
)
def test_a_calibration_that_turns_ranks_or_is_not_finite_is_refused(a: float, b: float) -> None:
    with pytest.raises(ArtefactError, match="calibration"):
        Sigmoid(a, b)


@pytest.mark.parametrize("vector", [np.zeros(5), np.zeros((1, 6)), np.zeros(6, np.float32)])
def test_a_row_of_another_form_is_refused(booster: Any, tmp_path: Path, vector: np.ndarray) -> None:
    with pytest.raises(ValueError, match="a row of 6 float64"):
        scorer_of(booster, tmp_path).explain(vector)


def test_rows_of_another_width_are_refused(booster: Any, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="6 columns"):
        scorer_of(booster, tmp_path).explain_batch(np.zeros((3, 5)))


@pytest.mark.parametrize("name", ["scorer.json", "trees.ubj", "tables.npz"])
def test_a_missing_file_is_named(booster: Any, tmp_path: Path, name: str) -> None:
    scorer_of(booster, tmp_path)
    (tmp_path / name).unlink()
    with pytest.raises(ArtefactError, match=name):
        load_scorer(tmp_path)


@pytest.mark.parametrize(
    "change",
    [
        {"format": 99},
        {"column_feature": [0]},
        {"column_feature": [0, 1, 2, 3, 4, 6]},
        {"new": 1},
        {"features": list("abcdefg")},
    ],
)
def test_a_manifest_that_does_not_fit_is_refused(
    booster: Any, tmp_path: Path, change: dict[str, Any]
) -> None:
    scorer_of(booster, tmp_path)
    manifest = json.loads((tmp_path / "scorer.json").read_bytes())
    (tmp_path / "scorer.json").write_text(json.dumps(manifest | change))
    with pytest.raises(ArtefactError):
        load_scorer(tmp_path)


def test_tables_of_another_booster_are_refused(booster: Any, tmp_path: Path) -> None:
    scorer_of(booster, tmp_path / "a")
    scorer_of(fit_booster(patients(300, 6), trees=3), tmp_path / "b")
    (tmp_path / "a" / "tables.npz").replace(tmp_path / "b" / "tables.npz")
    with pytest.raises(ArtefactError, match="another booster"):
        load_scorer(tmp_path / "b")


def test_a_scorer_is_of_one_kind(tmp_path: Path) -> None:
    with pytest.raises(ArtefactError, match="one of the two"):
        save_scorer(
            tmp_path,
            features=("a",),
            columns=("a",),
            column_feature=np.arange(1),
            calibration=Sigmoid(),
            booster_ubj=None,
            linear=None,
        )


def test_scoring_never_loads_xgboost_shap_or_scipy(booster: Any, tmp_path: Path) -> None:
    scorer_of(booster, tmp_path)
    program = (
        "import sys, numpy as np; from pathlib import Path;"
        "from models.scoring.scorer import load_scorer;"
        f"load_scorer(Path({str(tmp_path)!r})).explain(np.zeros(6));"
        "print(sorted({'xgboost', 'shap', 'pandas', 'sklearn'} & set(sys.modules)))"
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    answer = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, env=environment, check=True
    )
    assert answer.stdout.strip() == "[]"
