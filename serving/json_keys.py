"""Refusing JSON in which a key stands twice: readers differ in which of the two they take."""

import json
import re
from typing import Any

import orjson

from models.errors import MalformedInput

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,62}")


class _TwiceError(ValueError):
    """A key stands twice in one object."""


def check_keys(body: bytes) -> None:
    """Raise MalformedInput that names the key; what isn't JSON is for its reader to tell."""
    if _surely_unique(body):
        return
    try:
        _decoder.decode(body.decode("utf-8"))
    except _TwiceError as error:
        key = str(error)
        # a key that is no plain name may be anything, a person's name too
        name = key if _NAME.fullmatch(key) else "(not shown)"
        raise MalformedInput(
            f"the key {name} stands twice in one object", field=name, reason="duplicate_key"
        ) from None
    except (ValueError, RecursionError):
        return


def _surely_unique(body: bytes) -> bool:
    """Say whether no key was lost: read and written again, the body has as many colons as before.

    A colon could hide in an escape only, and what has one, or isn't JSON, needs a closer look.
    """
    if b"\\" in body:
        return False
    try:
        return orjson.dumps(orjson.loads(body)).count(b":") == body.count(b":")
    except (ValueError, TypeError):
        return False


def _unique(pairs: list[tuple[str, Any]]) -> None:
    if len(pairs) > 1 and len(dict(pairs)) < len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise _TwiceError(key)
            seen.add(key)


# numbers aren't needed, and a long one would take long to convert
_decoder = json.JSONDecoder(object_pairs_hook=_unique, parse_int=len, parse_float=len)
