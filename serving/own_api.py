"""What the service says of itself: whether it lives and is ready, its figures, its description."""

import msgspec

from serving.counters import CONTENT_TYPE
from serving.message import Answer
from serving.operation import PUBLIC, Call, Operation


async def greet(_: Call) -> Answer:
    """Say what this is, to whoever asks."""
    return Answer(b'{"service":"Auscult","models":"/v1/models","description":"/openapi.json"}')


async def is_alive(_: Call) -> Answer:
    """Answer, which is all that being alive means."""
    return Answer(b"alive\n", media_type=b"text/plain")


async def is_ready(call: Call) -> Answer:
    """Say whether a prediction could be answered now."""
    if call.premises.writer.alive:
        return Answer(b"ready\n", media_type=b"text/plain")
    return Answer(b"predictions can't be recorded\n", 503, b"text/plain")


async def expose_figures(call: Call) -> Answer:
    """Return the counters in Prometheus' text format."""
    return Answer(call.premises.counters.expose(), media_type=CONTENT_TYPE)


async def describe_operations(call: Call) -> Answer:
    """Return the OpenAPI description."""
    return Answer(msgspec.json.encode(call.scope["app"].openapi()))


def operations() -> list[Operation]:
    """Return the operations about the service itself."""
    return [
        Operation("GET", "/", greet, scopes=PUBLIC, summary="What this is"),
        Operation("GET", "/livez", is_alive, scopes=PUBLIC, summary="Whether it lives"),
        Operation("GET", "/readyz", is_ready, scopes=PUBLIC, summary="Whether it is ready"),
        Operation("GET", "/metrics", expose_figures, scopes=("read",), summary="Figures"),
        Operation(
            "GET",
            "/openapi.json",
            describe_operations,
            scopes=("predict", "read"),
            summary="This description",
        ),
    ]
