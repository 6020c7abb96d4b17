"""The model as plain `mlflow.pyfunc.load_model` runs it: the same features, the same risks.

MLflow copies this file beside the artefact and runs it there; it holds no pickle.
"""

from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
from mlflow.pyfunc import PythonModel, PythonModelContext

from models.risk_model import RiskModel


class RiskFunction(PythonModel):
    """Calibrated risks of a table whose columns are the definition's features."""

    def load_context(self, context: PythonModelContext) -> None:
        """Verify and load the artefact that was logged with the model."""
        directory = Path(context.artifacts["artefact"])
        digest = context.model_config["artefact_digest"]
        self.model = RiskModel.load(directory, version="pyfunc", digest=digest)

    def predict(
        self,
        context: PythonModelContext,
        model_input: pd.DataFrame,
        params: dict[str, Any] | None = None,
    ) -> np.ndarray:
        """Return one risk a row; raises InputError for a table with an unusable value."""
        columns = {name: model_input[name].to_numpy() for name in model_input.columns}
        return self.model.risks(columns)


mlflow.models.set_model(RiskFunction())
