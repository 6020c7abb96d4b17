"""A bare FastAPI route: a patient's values in, the risk out; no check, explanation or record."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import uvicorn
from fastapi import FastAPI
from pydantic import create_model

from models.definition import read_definition
from models.encoding import encode
from models.scoring.scorer import load_scorer


def make_app(directory: Path) -> FastAPI:
    """Return an application with one route, as one writes it in an afternoon."""
    definition = read_definition(directory / "model.toml").definition
    scorer = load_scorer(directory)
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
        return {"risk": float(scorer.explain(np.asarray(vector)).risk)}

    return app


def main(directory: str, _: str, port: str) -> None:
    """Serve an artefact's scorer: DIRECTORY --port PORT."""
    uvicorn.run(make_app(Path(directory)), port=int(port), log_config=None, access_log=False)


if __name__ == "__main__":
    main(*sys.argv[1:])
