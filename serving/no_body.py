"""Operations that ask nothing in their body: what stands there would go unheeded (API-3)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec

from serving.contract import read_json

if TYPE_CHECKING:
    from serving.operation import Call


class Nothing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An object without a member."""


class NoParameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """A Parameters resource without a parameter, or nothing at all."""

    resource_type: Literal["Parameters"] | msgspec.UnsetType = msgspec.UNSET
    parameter: Annotated[tuple[Any, ...], msgspec.Meta(max_length=0)] = ()


async def check_no_body(call: Call, kind: type[Nothing] | type[NoParameters]) -> None:
    """Raise MalformedInput, naming the key, for a body that asks anything; NotJson for no JSON."""
    body = await call.body()
    if body.strip():
        read_json(body, kind)
