"""Canonical JSON (RFC 8785), so that a record has one sequence of bytes, written or read back."""

import math
from collections.abc import Iterable
from typing import Any

import orjson

from models.errors import RecordError

LARGEST_INTEGER = 2**53
# between these, the shortest decimal that rounds back has no exponent, in every notation
_PLAIN_FROM, _PLAIN_TO = 1e-4, 1e15


def canonical(value: Any) -> bytes:
    """Return the RFC 8785 form: sorted keys, no spaces, numbers as ECMAScript writes doubles.

    Keys must be ASCII, where the standard's UTF-16 order is the byte order. Every number is a
    finite double, integers beyond 2**53 too. Raises RecordError for anything else.
    """
    try:
        return orjson.dumps(_plain(value), option=orjson.OPT_SORT_KEYS)
    except orjson.JSONEncodeError as error:
        raise RecordError(f"a record can't be written as canonical JSON: {error}") from error


def number(value: float) -> Any:
    """Return what orjson has to be given to write a double as RFC 8785 does."""
    if _PLAIN_FROM <= abs(value) < _PLAIN_TO:
        return int(value) if value.is_integer() else value
    if not math.isfinite(value):
        raise RecordError(f"{value} can't be recorded as a number; leave it out or record null")
    if value == 0:
        return 0
    return orjson.Fragment(_ecmascript(value))


def _plain(value: Any) -> Any:
    kind = type(value)
    if kind is float:
        return number(value)
    if value is None or kind is str or kind is bool:
        return value
    if kind is dict:
        _check_keys(value)
        return {
            key: item
            # as most are: a number that stands as it is (see `number`), or none
            if (type(item) is float and _PLAIN_FROM <= abs(item) < _PLAIN_TO and item % 1)
            or item is None
            or type(item) is str
            else _plain(item)
            for key, item in value.items()
        }
    if kind is list or kind is tuple:
        return [item if type(item) is str else _plain(item) for item in value]
    if isinstance(value, int):
        return int(value) if abs(value) <= LARGEST_INTEGER else number(_as_double(value))
    return _plain(_of_json(value))


def _of_json(value: Any) -> Any:
    """Return a value of a type derived from one of JSON's as the latter."""
    kinds: tuple[type[Any], ...] = (float, str, dict, list, tuple)
    for kind in kinds:
        if isinstance(value, kind):
            return kind(value)
    raise RecordError(f"a {type(value).__name__} has no canonical JSON form")


def _as_double(value: int) -> float:
    """Return the double that a large integer stands for, as when it's read back."""
    try:
        return float(value)
    except OverflowError as error:
        raise RecordError("an integer beyond every double can't be recorded") from error


def _check_keys(keys: Iterable[Any]) -> None:
    try:
        plain = "".join(keys).isascii()
    except TypeError:
        plain = False
    if not plain:
        raise RecordError(f"the keys {[*keys]} of a record must be ASCII strings")


def _ecmascript(value: float) -> str:
    """Write a double as `Number::toString` of ECMA-262, section 6.1.6.1.20, does."""
    mantissa, _, exponent = f"{abs(value)!r}".partition("e")
    whole, _, fraction = mantissa.partition(".")
    point = len(whole) + int(exponent or 0)
    digits = whole + ("" if fraction == "0" else fraction)
    leading = len(digits) - len(digits.lstrip("0"))
    digits, point = digits[leading:].rstrip("0"), point - leading
    sign = "-" if value < 0 else ""
    if len(digits) <= point <= 21:
        return f"{sign}{digits}{'0' * (point - len(digits))}"
    if 0 < point <= 21:
        return f"{sign}{digits[:point]}.{digits[point:]}"
    if -6 < point <= 0:
        return f"{sign}0.{'0' * -point}{digits}"
    tail = f".{digits[1:]}" if len(digits) > 1 else ""
    return f"{sign}{digits[0]}{tail}e{point - 1:+d}"
