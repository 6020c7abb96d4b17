"""MLflow's way: a pyfunc model with XGBoost and a shap explainer that is kept."""

from typing import Any

import mlflow
import shap
import xgboost


class Explained(mlflow.pyfunc.PythonModel):  # type: ignore[misc]
    """Returns the risk and the contributions of every row."""

    def load_context(self, context: Any) -> None:
        """Load the booster once, and make its explainer once."""
        self._booster = xgboost.Booster({"nthread": 1})
        self._booster.load_model(context.artifacts["booster"])
        self._explainer = shap.TreeExplainer(self._booster)

    def predict(self, context: Any, model_input: Any, params: Any = None) -> list[dict[str, Any]]:
        """Score and explain the rows of a table."""
        rows = model_input.to_numpy(dtype=float)
        risks = self._booster.inplace_predict(rows)
        contributions = self._explainer.shap_values(rows)
        return [
            {"risk": float(risk), "contributions": row.tolist()}
            for risk, row in zip(risks, contributions, strict=True)
        ]


mlflow.models.set_model(Explained())
