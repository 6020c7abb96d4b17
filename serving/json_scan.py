"""One compiled pass over a JSON body that tells whether its form needs any closer look."""

from typing import Any

import numpy as np
from numba import njit, types

from serving.json_depth import MAX_DEPTH

MOST_KEYS = 512  # of all the objects that are open at one place
_QUOTE, _BACKSLASH, _COLON = ord('"'), ord("\\"), ord(":")
_STEPS = np.zeros(256, np.int64)
_STEPS[[ord("{"), ord("[")]] = 1
_STEPS[[ord("}"), ord("]")]] = -1
_BYTES = types.Array(types.uint8, 1, "C", readonly=True)
# numba looks at every signed index whether it counts from the end
_ONE = np.uintp(1)


def is_plain(body: bytes) -> bool:
    """Say whether JSON is surely not nested too deep and surely has no key twice in one object.

    False says nothing: `check_depth` and `check_keys` look closely, and name what is wrong.
    """
    return bool(_is_plain(np.frombuffer(body, np.uint8)))


@njit(cache=True, nogil=True)
def _end_of_string(body: np.ndarray, start: Any) -> Any:
    """Return where the string that starts here ends, or behind the body if it doesn't."""
    at, length = start, np.uintp(body.size)
    while at < length and body[at] != _QUOTE:
        at += _ONE + np.uintp(body[at] == _BACKSLASH)
    return at


@njit(cache=True, nogil=True)
def _is_new(body: np.ndarray, start: Any, end: Any, others: np.ndarray) -> Any:
    """Say whether a key is none of the others; with an escape in it, that can't be told here."""
    for at in range(start, end):
        if body[at] == _BACKSLASH:
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


@njit(types.boolean(_BYTES), cache=True, nogil=True)
def _is_plain(body: np.ndarray) -> Any:
    first = np.zeros(MAX_DEPTH + 2, np.int64)  # of each open object, its first key
    cuts = np.empty((MOST_KEYS, 2), np.uintp)
    keys, depth = 0, 0
    at, start, end, length = np.uintp(0), np.uintp(0), np.uintp(0), np.uintp(body.size)
    while at < length:
        byte = body[at]
        if byte == _QUOTE:
            start = at + _ONE
            at = end = _end_of_string(body, start)
        elif _STEPS[byte] != 0:
            depth += _STEPS[byte]
            if not 0 <= depth <= MAX_DEPTH:
                return False
            if _STEPS[byte] > 0:
                first[depth] = keys
            keys = first[depth if _STEPS[byte] > 0 else depth + 1]
        elif byte == _COLON:  # outside of strings it follows a key
            if not _is_new(body, start, end, cuts[first[depth] : keys]) or keys == MOST_KEYS:
                return False
            cuts[keys] = start, end
            keys += 1
        at += _ONE
    # beyond it, the last string has no end
    return at == length
