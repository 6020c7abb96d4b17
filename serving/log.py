"""The service's log: JSON lines of allow-listed fields, without bodies, texts or identifiers."""

import logging
import sys
import traceback
from collections.abc import MutableMapping
from typing import Any, BinaryIO, cast

import orjson
import structlog
from structlog.typing import FilteringBoundLogger

FIELDS = frozenset(
    {"event", "level", "timestamp", "operation", "status", "problem", "reason", "error", "where"}
    | {"client", "milliseconds", "models"}
)


def make_log(level: str, stream: BinaryIO | None = None) -> FilteringBoundLogger:
    """Return a logger that writes from `level` on; other fields than FIELDS are dropped."""
    return cast(
        FilteringBoundLogger,
        structlog.wrap_logger(
            structlog.BytesLogger(stream or sys.stderr.buffer),
            processors=[
                structlog.processors.add_log_level,
                structlog.processors.TimeStamper(fmt="iso", utc=True),
                _allowed,
                structlog.processors.JSONRenderer(serializer=orjson.dumps),
            ],
            wrapper_class=structlog.make_filtering_bound_logger(
                logging.getLevelNamesMapping()[level.upper()]
            ),
        ).bind(),
    )


def silence_access_log() -> None:
    """Keep uvicorn from logging URLs, whose queries and paths may hold anything."""
    access = logging.getLogger("uvicorn.access")
    access.addFilter(_nothing)
    # without a handler anywhere uvicorn doesn't even make the lines
    access.handlers, access.propagate = [], False


def places(error: BaseException) -> list[str]:
    """Return where an error came from, without its text, which may quote a patient's data."""
    frames = traceback.extract_tb(error.__traceback__)
    return [f"{frame.name}:{frame.lineno}" for frame in frames]


def _nothing(_: logging.LogRecord) -> bool:
    return False


def _allowed(_: object, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    return {key: value for key, value in event.items() if key in FIELDS}
