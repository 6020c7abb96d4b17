"""BentoML's way: a native API with XGBoost and a shap explainer that is kept."""

import os
from typing import Any

import bentoml
import numpy as np


@bentoml.service(name="peer", workers=1)
class Explained:
    """Returns the risk and the contributions of one row."""

    def __init__(self) -> None:
        import shap
        import xgboost

        self._booster = xgboost.Booster({"nthread": 1})
        self._booster.load_model(os.environ["PEER_BOOSTER"])
        self._explainer = shap.TreeExplainer(self._booster)

    @bentoml.api  # type: ignore[untyped-decorator]  # it is untyped
    def predict(self, values: list[float | None]) -> dict[str, Any]:
        """Score and explain one row."""
        row = np.array([values], dtype=float)
        risk = float(self._booster.inplace_predict(row)[0])
        return {"risk": risk, "contributions": self._explainer.shap_values(row)[0].tolist()}
