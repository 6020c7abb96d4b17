"""A bare FastAPI route: a patient's values in, the risk out; no check, explanation or record.

The risk is our scorer's, or by --xgboost that of the library that fitted the trees.
"""

import argparse
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import uvicorn
import xgboost
from fastapi import FastAPI
from numpy.typing import NDArray
from pydantic import create_model

from models.definition import read_definition
from models.encoding import encode
from models.scoring.scorer import load_scorer


def make_app(directory: Path, *, by_xgboost: bool) -> FastAPI:
    """Return an application with one route, as one writes it in an afternoon."""
    definition = read_definition(directory / "model.toml").definition
    risk = (_risk_by_xgboost if by_xgboost else _risk)(directory)
    fields: dict[str, Any] = {
        feature.name: (float | None if feature.kind == "numeric" else str | None, None)
        for feature in definition.features
    }
    body = create_model("Values", **fields)
    app = FastAPI()

    @app.post("/score")
    async def score(values: body) -> dict[str, float]:  # type: ignore[valid-type]  # made above
        given: dict[str, Any] = dict(values)
        vector = encode(definition, {f.name: given[f.name] for f in definition.features})
        return {"risk": risk(vector)}

    return app


def _risk(directory: Path) -> Callable[[NDArray[np.float64]], float]:
    scorer = load_scorer(directory)
    return lambda vector: float(scorer.explain(vector).risk)


def _risk_by_xgboost(directory: Path) -> Callable[[NDArray[np.float64]], float]:
    booster = xgboost.Booster({"nthread": 1}, model_file=directory / "trees.ubj")
    calibration = load_scorer(directory).calibration

    def risk(vector: NDArray[np.float64]) -> float:
        margin = float(booster.inplace_predict(vector[np.newaxis], predict_type="margin")[0])
        return 1 / (1 + math.exp(-(calibration.a * margin + calibration.b)))

    return risk


def main() -> None:
    """Serve an artefact's model: DIRECTORY --port PORT."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("directory", type=Path)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--xgboost", action="store_true")
    asked = parser.parse_args()
    app = make_app(asked.directory, by_xgboost=asked.xgboost)
    uvicorn.run(app, port=asked.port, log_config=None, access_log=False)


if __name__ == "__main__":
    main()
