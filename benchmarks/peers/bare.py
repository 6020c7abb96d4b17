"""Our scorer on bare uvicorn: numbers in, risk and contributions out; no check, no record."""

import gc
import sys
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import uvicorn

from models.scoring.scorer import Scorer, load_scorer


class Answer(msgspec.Struct):
    """What is answered."""

    risk: float
    base: float
    contributions: dict[str, float]


def make_app(scorer: Scorer) -> Any:
    """Return an ASGI application that scores what it's sent."""
    fields = [(name, float, float("nan")) for name in scorer.features]
    values = msgspec.defstruct("Values", fields)
    decoder = msgspec.json.Decoder(msgspec.defstruct("Body", [("values", values)]))
    encoder = msgspec.json.Encoder()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        parts = []
        more = True
        while more:
            message = await receive()
            parts.append(message["body"])
            more = message.get("more_body", False)
        given: Any = decoder.decode(b"".join(parts))
        found = scorer.explain(np.array(msgspec.structs.astuple(given.values)))
        named = dict(zip(scorer.features, found.contributions.tolist(), strict=True))
        body = encoder.encode(Answer(found.risk, found.base, named))
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", b"%d" % len(body)),
        ]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    return app


def main(directory: str, _: str, port: str) -> None:
    """Serve an artefact's scorer: DIRECTORY --port PORT."""
    app = make_app(load_scorer(Path(directory)))
    gc.collect()
    gc.freeze()
    uvicorn.run(app, port=int(port), log_config=None, access_log=False, lifespan="off")


if __name__ == "__main__":
    main(*sys.argv[1:])
