"""Small boosters, fitted for real, and the scorers made from them."""

from pathlib import Path
from typing import Any

import numpy as np
import xgboost

from models.scoring.calibration import Sigmoid
from models.scoring.scorer import Scorer, load_scorer, save_scorer


def patients(rows: int, columns: int, seed: int = 0, missing: float = 0.15) -> np.ndarray:
    rng = np.random.default_rng(seed)
    X = np.round(rng.normal(size=(rows, columns)), 2)
    X[rng.random(X.shape) < missing] = np.nan
    return X


def fit_booster(X: np.ndarray, trees: int = 10, **parameters: Any) -> Any:
    rng = np.random.default_rng(1)
    logit = np.nansum(X[:, :3], axis=1) + np.nan_to_num(X[:, 0] * X[:, -1])
    y = (rng.random(len(X)) < 1 / (1 + np.exp(-logit))).astype(int)
    settings = {"objective": "binary:logistic", "max_depth": 3, "nthread": 1}
    return xgboost.train(settings | parameters, xgboost.DMatrix(X, y), trees)


def saved(booster: Any) -> bytes:
    return bytes(booster.save_raw("ubj"))


def xgboost_contributions(booster: Any, X: np.ndarray) -> np.ndarray:
    """(rows, columns + 1), the base last."""
    matrix = xgboost.DMatrix(X.astype(np.float32), nthread=1)
    return np.asarray(booster.predict(matrix, pred_contribs=True), np.float64)


def scorer_of(booster: Any, directory: Path, **changes: Any) -> Scorer:
    names = tuple(f"x{i}" for i in range(booster.num_features()))
    arguments: dict[str, Any] = {
        "features": names,
        "columns": names,
        "column_feature": np.arange(len(names)),
        "calibration": Sigmoid(),
        "booster_ubj": saved(booster),
        "linear": None,
    }
    save_scorer(directory, **(arguments | changes))
    return load_scorer(directory)


def assert_explains_as_xgboost(booster: Any, directory: Path, X: np.ndarray) -> Scorer:
    """Compare rows one by one and in a batch with `pred_contribs`; return the scorer."""
    scorer = scorer_of(booster, directory)
    theirs = xgboost_contributions(booster, X)
    batch = scorer.explain_batch(X)
    tolerance = 1e-5 * np.maximum(1, np.abs(batch.margin))
    assert (np.abs(batch.contributions - theirs[:, :-1]).max(axis=1) <= tolerance).all()
    assert abs(scorer.base - theirs[0, -1]) <= 1e-5 * max(1, abs(theirs[0, -1]))
    rows = [scorer.explain(x) for x in X]
    np.testing.assert_allclose([row.contributions for row in rows], batch.contributions, atol=1e-9)
    np.testing.assert_allclose([row.risk for row in rows], batch.risk, rtol=1e-9)
    scorer.verify(X)
    return scorer
