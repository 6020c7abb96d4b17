"""The three ways in which a row is explained: table look-up, closed form, XGBoost itself."""

from typing import Any, Protocol

import numpy as np

from models.scoring import kernels
from models.scoring.codes import index_codes
from models.scoring.linear import LinearModel
from models.scoring.tables import TreeTables

_BLOCKS_FROM = 16  # rows; fewer are quicker one by one


class Engine(Protocol):
    """Explains rows on the scale of log-odds, times the calibration's slope a."""

    expected: float

    def explain_row(
        self, vector: np.ndarray, a: float, base: float, contributions: np.ndarray
    ) -> tuple[float, float]:
        """Fill `contributions` (features,); return the margin and the risk (NaN: a mismatch)."""

    def explain_rows(
        self,
        X: np.ndarray,
        a: float,
        base: float,
        contributions: np.ndarray,
        margins: np.ndarray,
    ) -> None:
        """Fill `contributions` (rows, features) and `margins` (rows,)."""


class TreeLookup:
    """Explains trees from tables, in microseconds."""

    def __init__(self, tables: TreeTables) -> None:
        self.expected = tables.expected
        index = index_codes(tables)
        self._block = kernels.pack(
            index.threshold_start,
            index.threshold,
            index.state_row,
            index.state_flips,
            index.flip_group,
            index.flip_bit,
            tables.feature_start,
            index.cell_place,
            tables.table_start,
            index.feature_cells,
        )
        self._cleared = index.cleared
        self._table = tables.table
        self._of_rows = (
            tables.bit_start,
            tables.bit_slot,
            tables.bit_threshold,
            tables.feature_start,
            index.cell_lane,
            tables.table_start,
            tables.table,
        )

    def explain_row(
        self, vector: np.ndarray, a: float, base: float, contributions: np.ndarray
    ) -> tuple[float, float]:
        """Fill `contributions`; return margin and risk."""
        answer: tuple[float, float] = kernels.explain_row(
            vector, self._block, self._cleared, self._table, a, base, contributions
        )
        return answer

    def explain_rows(
        self,
        X: np.ndarray,
        a: float,
        base: float,
        contributions: np.ndarray,
        margins: np.ndarray,
    ) -> None:
        """Fill `contributions` and `margins`."""
        if len(X) < _BLOCKS_FROM:
            for row, vector in enumerate(X):
                margins[row], _ = self.explain_row(vector, a, base, contributions[row])
        else:
            kernels.explain_rows(X, *self._of_rows, a, base, contributions, margins)


class LinearEngine:
    """Explains a linear model in closed form."""

    def __init__(self, model: LinearModel, column_feature: np.ndarray) -> None:
        self.expected = model.expected
        self._model = model
        self._column_feature = column_feature

    def explain_row(
        self, vector: np.ndarray, a: float, base: float, contributions: np.ndarray
    ) -> tuple[float, float]:
        """Fill `contributions`; return margin and risk."""
        return _only_row(self, vector, a, base, contributions)

    def explain_rows(
        self,
        X: np.ndarray,
        a: float,
        base: float,
        contributions: np.ndarray,
        margins: np.ndarray,
    ) -> None:
        """Fill `contributions` and `margins`, each from the model, so that they can disagree."""
        contributions += a * self._model.contributions(
            X, self._column_feature, contributions.shape[1]
        )
        margins[:] = base + a * (self._model.margins(X) - self.expected)


class BoosterContributions:
    """Lets XGBoost explain an ensemble whose tables would need too much memory."""

    def __init__(self, booster: bytes, column_feature: np.ndarray) -> None:
        self._booster = _open(booster)
        self._column_feature = column_feature
        one_row = self._predict(np.full((1, len(column_feature)), np.nan))
        self.expected = float(one_row[0, -1])

    def explain_row(
        self, vector: np.ndarray, a: float, base: float, contributions: np.ndarray
    ) -> tuple[float, float]:
        """Fill `contributions`; return margin and risk."""
        return _only_row(self, vector, a, base, contributions)

    def explain_rows(
        self,
        X: np.ndarray,
        a: float,
        base: float,
        contributions: np.ndarray,
        margins: np.ndarray,
    ) -> None:
        """Fill `contributions` and `margins`."""
        phi = self._predict(X)
        for column, feature in enumerate(self._column_feature):
            contributions[:, feature] += a * phi[:, column]
        margins[:] = base + contributions.sum(axis=1)

    def _predict(self, X: np.ndarray) -> np.ndarray:
        import xgboost  # here, since only a model without tables needs it while serving

        matrix = xgboost.DMatrix(X.astype(np.float32), nthread=1)
        return np.asarray(self._booster.predict(matrix, pred_contribs=True), np.float64)


def booster_margins(booster: bytes, X: np.ndarray) -> np.ndarray:
    """Return XGBoost's own margins, without calibration."""
    import xgboost  # here, since serving doesn't need it

    matrix = xgboost.DMatrix(X.astype(np.float32), nthread=1)
    return np.asarray(_open(booster).predict(matrix, output_margin=True), np.float64)


def _open(booster: bytes) -> Any:
    import xgboost  # here, since serving doesn't need it where there are tables

    opened = xgboost.Booster({"nthread": 1})
    opened.load_model(bytearray(booster))
    return opened


def _only_row(
    engine: Engine, vector: np.ndarray, a: float, base: float, contributions: np.ndarray
) -> tuple[float, float]:
    margins = np.empty(1)
    engine.explain_rows(vector[np.newaxis], a, base, contributions[np.newaxis], margins)
    margin = float(margins[0])
    risk: float = kernels.close(base, contributions, margin)
    return margin, risk
