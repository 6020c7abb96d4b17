"""A FHIR server that takes its time: a patient for every read, no final result for a search."""

import asyncio
import sys
from typing import Any

import msgspec
import uvicorn

PATIENT = {"resourceType": "Patient", "id": "p1", "gender": "female", "birthDate": "1954-06-30"}
CANCELLED = {"resourceType": "Observation", "id": "o1", "status": "cancelled", "code": {}}
FOUND = {
    "resourceType": "Bundle",
    "type": "searchset",
    "total": 1,
    "entry": [{"resource": {**CANCELLED, "subject": {"reference": "Patient/p1"}}}],
}


def make_app(seconds: float) -> Any:
    """Return an ASGI application that waits before each answer."""

    async def app(scope: Any, _: Any, send: Any) -> None:
        if scope["method"] == "GET":
            await asyncio.sleep(seconds)
        is_search = scope["path"].endswith("/Observation")
        body = msgspec.json.encode(FOUND if is_search else PATIENT)
        headers = [
            (b"content-type", b"application/fhir+json"),
            (b"content-length", b"%d" % len(body)),
        ]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    return app


def main(seconds: str, _: str, port: str) -> None:
    """Answer late: SECONDS --port PORT."""
    app = make_app(float(seconds))
    uvicorn.run(app, port=int(port), log_config=None, access_log=False, lifespan="off")


if __name__ == "__main__":
    main(*sys.argv[1:])
