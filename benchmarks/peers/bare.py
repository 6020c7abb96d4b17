"""Our scorer on bare uvicorn: numbers in, risk and contributions out; no check, no record.

With SYNC_TO, each answer is first appended to that file and synced, by the thread that answers: the
least that a durable answer can cost on this disk, whatever else it's worth.
"""

import gc
import os
import sys
from collections.abc import Callable
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


def make_app(scorer: Scorer, keep: Callable[[bytes], None]) -> Any:
    """Return an ASGI application that scores what it's sent, and keeps what it answers."""
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
        keep(body)
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", b"%d" % len(body)),
        ]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    return app


def keeper(name: str) -> Callable[[bytes], None]:
    """Return what appends to a file of this name and syncs it, or does nothing without one."""
    if not name:
        return lambda body: None
    file = os.open(name, os.O_CREAT | os.O_APPEND | os.O_WRONLY)

    def keep(body: bytes) -> None:
        os.write(file, body)
        os.fdatasync(file)

    return keep


def main(directory: str, _: str, port: str) -> None:
    """Serve an artefact's scorer: DIRECTORY --port PORT."""
    app = make_app(load_scorer(Path(directory)), keeper(os.environ.get("SYNC_TO", "")))
    gc.collect()
    gc.freeze()
    uvicorn.run(app, port=int(port), log_config=None, access_log=False, lifespan="off")


if __name__ == "__main__":
    main(*sys.argv[1:])
