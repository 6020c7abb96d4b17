"""How one operation is described in OpenAPI 3.1: its address, bodies, answers and scopes."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

COMPONENTS = "#/components/schemas/{name}"


def describe_operation(
    path: str,
    scopes: Sequence[str],
    query: Sequence[str],
    request: Sequence[Any],
    answers: Mapping[int, Any],
    *,
    media_type: str,
) -> dict[str, Any]:
    """Return what FastAPI can't tell of an operation; `request` and `answers` are msgspec types."""
    parts = [part[1:-1] for part in path.split("/") if part.startswith("{")]
    extra: dict[str, Any] = {
        "parameters": [_parameter(name, "path", required=True) for name in parts]
        + [_parameter(name, "query", required=False) for name in query],
        "security": [{"api_key": [scope]} for scope in scopes],
        "responses": {"default": {"description": "A problem (RFC 9457) or OperationOutcome"}},
    }
    if request:
        extra["requestBody"] = {"required": True, "content": _content(request, media_type)}
    for status, answer in answers.items():
        if answer is not None:
            extra["responses"][str(status)] = {"content": _content([answer], "application/json")}
    return extra


def _parameter(name: str, place: str, *, required: bool) -> dict[str, Any]:
    return {"name": name, "in": place, "required": required, "schema": {"type": "string"}}


def _content(types: Sequence[Any], media_type: str) -> dict[str, Any]:
    schemas, _ = msgspec.json.schema_components(types, ref_template=COMPONENTS)
    schema = schemas[0] if len(schemas) == 1 else {"anyOf": list(schemas)}
    return {media_type: {"schema": schema}}
