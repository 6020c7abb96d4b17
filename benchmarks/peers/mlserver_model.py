"""MLServer's way: a custom runtime with XGBoost and a shap explainer that is kept.

    python benchmarks/peers/mlserver_model.py BOOSTER --port PORT

It runs in an environment of its own, in one process, with neither metrics nor traces.
"""

import asyncio
import sys

import shap
import xgboost
from mlserver import MLModel, MLServer, ModelSettings, Settings
from mlserver.codecs import NumpyCodec
from mlserver.types import InferenceRequest, InferenceResponse

NAME = "explained"


class Explained(MLModel):  # type: ignore[misc]  # MLServer isn't installed where this is checked
    """Returns the risk and the contributions of every row."""

    async def load(self) -> bool:
        """Load the booster once, and make its explainer once."""
        self._booster = xgboost.Booster({"nthread": 1})
        self._booster.load_model(self.settings.parameters.uri)
        self._explainer = shap.TreeExplainer(self._booster)
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        """Score and explain the rows of a tensor."""
        rows = self.decode(payload.inputs[0], default_codec=NumpyCodec)
        found = {
            "risk": self._booster.inplace_predict(rows),
            "contributions": self._explainer.shap_values(rows),
        }
        outputs = [NumpyCodec.encode_output(name, value) for name, value in found.items()]
        return InferenceResponse(model_name=self.name, outputs=outputs)


async def serve(booster: str, port: int) -> None:
    """Serve the model, and nothing beside it that MLServer can leave out."""
    settings = Settings(
        debug=False,
        host="127.0.0.1",
        http_port=port,
        grpc_port=port + 1,
        metrics_endpoint=None,
        parallel_workers=0,
    )
    parameters = {"uri": booster}
    model = ModelSettings(name=NAME, implementation=Explained, parameters=parameters)
    await MLServer(settings).start([model])


def main(booster: str, _: str, port: str) -> None:
    """Serve a booster: BOOSTER --port PORT."""
    asyncio.run(serve(booster, int(port)))


if __name__ == "__main__":
    main(*sys.argv[1:])
