"""What the service says of itself: whether it lives and is ready, its figures, its description."""

from typing import Any

import msgspec

from serving.counters import CONTENT_TYPE
from serving.documentation import POLICY, page
from serving.examples import with_examples
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
    if call.premises.writer.ready:
        return Answer(b"ready\n", media_type=b"text/plain")
    return Answer(b"predictions can't be recorded\n", 503, b"text/plain")


async def expose_figures(call: Call) -> Answer:
    """Return the counters in Prometheus' text format."""
    return Answer(call.premises.counters.expose(), media_type=CONTENT_TYPE)


async def describe_operations(call: Call) -> Answer:
    """Return the OpenAPI description, every body with an example."""
    return Answer(msgspec.json.encode(_description(call)))


async def show_documentation(call: Call) -> Answer:
    """Return the same description as a page for people."""
    return Answer(page(_description(call)), media_type=b"text/html; charset=utf-8", policy=POLICY)


def _description(call: Call) -> dict[str, Any]:
    return with_examples(call.scope["app"].openapi(), call.premises.models, call.now)


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
            in_browser=True,
        ),
        Operation(
            "GET",
            "/docs",
            show_documentation,
            scopes=("predict", "read"),
            summary="This description as a page",
            in_browser=True,
        ),
    ]
