"""One compiled pass over a JSON body that tells whether its form needs any closer look."""

from typing import Any

import numpy as np
from numba import njit, types

NUL = rb"\u0000"  # as JSON writes it; PostgreSQL takes it in no text
MAX_DEPTH = 64
MOST_KEYS = 512  # of all the objects that are open at one place
_QUOTE, _BACKSLASH, _COLON, _OPENS, _CLOSES = range(1, 6)
_KINDS = np.zeros(256, np.uint8)
_KINDS[list(b'"\\:{}[]')] = _QUOTE, _BACKSLASH, _COLON, _OPENS, _CLOSES, _OPENS, _CLOSES
_IS_MARK = (_KINDS > 0).astype(np.uint8)
_BYTES = types.Array(types.uint8, 1, "C", readonly=True)
# numba looks at every signed index whether it counts from the end
_ONE = np.uintp(1)


def is_plain(body: bytes) -> bool:
    """Say whether JSON is surely not nested too deep and surely has no key twice in one object.

    False says nothing: `check_depth` and `check_keys` look closely, and name what is wrong.
    """
    return bool(_is_plain(np.frombuffer(body, np.uint8)))


@njit(cache=True, nogil=True)
def _is_new(body: np.ndarray, start: Any, end: Any, others: np.ndarray) -> Any:
    """Say whether a key is none of the others; with an escape in it, that can't be told here."""
    for at in range(start, end):
        if _KINDS[body[at]] == _BACKSLASH:
            return False
    for i in range(others.shape[0]):
        if others[i, 1] - others[i, 0] == end - start:
            shift = others[i, 0] - start
            at = start
            while at < end and body[at] == body[at + shift]:
                at += _ONE
            if at == end:
                return False
    return True


@njit(cache=True, nogil=True)
def _places(body: np.ndarray) -> Any:
    """Return where quotes, backslashes, colons and brackets are, and behind them the end."""
    found = np.empty(body.size + 1, np.uint32)
    count = np.uintp(0)
    # without a branch, since nobody could guess it
    for at in range(body.size):
        found[count] = at
        count += np.uintp(_IS_MARK[body[np.uintp(at)]])
    found[count] = body.size
    return found[: count + _ONE]


@njit(cache=True, nogil=True)
def _end_of_string(body: np.ndarray, places: np.ndarray, i: Any) -> Any:
    """Return which place ends the string that begins before the place `i`; the last is none."""
    count = np.uintp(places.size) - _ONE
    while i < count and _KINDS[body[places[i]]] != _QUOTE:
        at, kind = places[i], _KINDS[body[places[i]]]
        i += _ONE
        # what is escaped ends nothing
        if kind == _BACKSLASH and i < count and places[i] == at + 1:
            i += _ONE
    return i


@njit(types.boolean(_BYTES), cache=True, nogil=True)
def _is_plain(body: np.ndarray) -> Any:
    places = _places(body)
    first = np.zeros(MAX_DEPTH + 2, np.int64)  # of each open object, its first key
    cuts = np.empty((MOST_KEYS, 2), np.uintp)
    keys, depth = 0, 0
    i, start, end, count = np.uintp(0), np.uintp(0), np.uintp(0), np.uintp(places.size) - _ONE
    while i < count:
        kind = _KINDS[body[places[i]]]
        if kind == _QUOTE:
            start = np.uintp(places[i]) + _ONE
            i = _end_of_string(body, places, i + _ONE)
            end = np.uintp(places[i])
        elif kind == _COLON:  # outside of strings it follows a key
            if keys == MOST_KEYS or not _is_new(body, start, end, cuts[first[depth] : keys]):
                return False
            cuts[keys] = start, end
            keys += 1
        elif kind != _BACKSLASH:
            depth += 1 if kind == _OPENS else -1
            if not 0 <= depth <= MAX_DEPTH:
                return False
            if kind == _OPENS:
                first[depth] = keys
            keys = first[depth if kind == _OPENS else depth + 1]
        i += _ONE
    # a string without an end leads beyond it
    return i == count
