"""Compiled writing of contributions: prepared pieces of text, joined with a row's numbers.

To format sixty numbers and join two hundred pieces in Python costs more than to score the row.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit

from models.scoring.kernels import pack, part

MISSING, FIRST_CATEGORY = 1, 2  # variants of a feature's text; 0 is of a number
AMOUNT_DECIMALS = 2
_PIECES = 5  # of each variant: head, middle, words, end of words, the same behind a 1
_LONGEST_NUMBER = 25  # the shortest text that is read as the same double
_LONGEST_FIXED = 24  # below 2**52 with six decimals
_SPLIT = 134217729.0  # 2**27 + 1, halves a double's digits (Veltkamp)
_WHOLE = 2.0**52
_HUNDRED = 10.0**AMOUNT_DECIMALS
_COMMA, _MINUS, _PLUS, _POINT, _ZERO, _ONE = 44, 45, 43, 46, 48, 49
Variant = tuple[bytes, bytes, bytes, bytes, bytes]


@dataclass(frozen=True, slots=True)
class FeatureText:
    """The text around one feature's numbers.

    `variants` are for a number, for none, and for each category: the pieces before the value,
    before the contribution, before the words' own value, and after that, or after it where it
    is written as a mere 1.
    """

    decimals: int
    variants: Sequence[Variant]


class Sentences:
    """Writes all features' contributions, the largest first, as one text; safe for threads."""

    def __init__(
        self,
        features: Sequence[FeatureText],
        end: bytes,
        *,
        frame: tuple[bytes, bytes, bytes],
        small: tuple[bytes, bytes],
    ) -> None:
        """Prepare the features' texts, each closed by `end`, in a frame: before, between, after.

        `small` stands for a contribution of nothing, and for one that rounds to nothing.
        """
        variants = [variant for feature in features for variant in feature.variants]
        pieces = [piece for variant in variants for piece in variant] + [end, *frame, *small]
        first = np.cumsum([0, *(len(feature.variants) for feature in features)])[:-1]
        self._block = pack(
            np.frombuffer(b"".join(pieces), np.uint8),
            np.cumsum([0, *map(len, pieces)]).astype(np.int64),
            first.astype(np.int64),
            np.array([feature.decimals for feature in features], np.int64),
        )
        longest = sum(max(sum(map(len, v)) for v in feature.variants) for feature in features)
        written = max(_LONGEST_FIXED, *map(len, small))
        numbers = len(features) * 2 * (_LONGEST_NUMBER + written)
        self._room = longest + numbers + (len(features) + 1) * len(end + b"".join(frame))

    def write(
        self, values: np.ndarray, variants: np.ndarray, amounts: np.ndarray, texts: bytes
    ) -> bytes | None:
        """Return the text of one row, or None where a number is too large to be written so.

        `values` (features,) are float64, NaN for none; `variants` (features,) int64 say which
        text is taken, where it's neither a number's nor none; `amounts` (features,) float64 are
        the contributions; `texts` has every value, then every amount, in as few digits as
        read as the same double, each with a comma behind it.
        """
        out = np.empty(self._room, np.uint8)
        length = _write(values, variants, amounts, np.frombuffer(texts, np.uint8), self._block, out)
        return None if length < 0 else out[:length].tobytes()


def warm() -> None:
    """Compile what writes (or load it from the cache), so that no request waits for it."""
    one = FeatureText(AMOUNT_DECIMALS, ((b"", b"", b"", b"", b""),) * 2)
    number, variant = np.zeros(1), np.zeros(1, np.int64)
    made = Sentences([one], b"", frame=(b"", b"", b""), small=(b"", b""))
    made.write(number, variant, number, b"0.0,0.0,")


@njit(cache=True)
def _put(out: np.ndarray, at: int, text: np.ndarray) -> int:
    for i in range(text.size):
        out[at + i] = text[i]
    return at + text.size


@njit(cache=True)
def _rounded(size: float, scale: float) -> Any:
    """Return size * scale rounded as exact arithmetic would, halves to even."""
    product = size * scale
    big = _SPLIT * size
    size_high = big - (big - size)
    big = _SPLIT * scale
    scale_high = big - (big - scale)
    size_low, scale_low = size - size_high, scale - scale_high
    # what the product lost when it was rounded (Dekker)
    lost = size_high * scale_high - product + size_high * scale_low + size_low * scale_high
    lost += size_low * scale_low
    whole = np.floor(product)
    beyond = product - whole - 0.5
    if beyond > 0 or (beyond == 0 and (lost > 0 or (lost == 0 and whole % 2 == 1))):
        return whole + 1
    return whole


@njit(cache=True)
def _put_fixed(out: np.ndarray, at: int, value: float, decimals: int, plus: bool) -> int:
    """Write a number with so many decimals, or return -1 if it's too large."""
    scale = 1
    for _ in range(decimals):
        scale *= 10
    if not abs(value) * scale < _WHOLE:
        return -1
    digits = int(_rounded(abs(value), float(scale)))
    if digits and value < 0:
        out[at] = _MINUS
        at += 1
    elif plus:
        out[at] = _PLUS
        at += 1
    length, tens = 1 + decimals, scale
    while digits >= 10 * tens:
        tens *= 10
        length += 1
    length += 1 if decimals else 0
    for place in range(length - 1, -1, -1):
        if decimals and place == length - 1 - decimals:
            out[at + place] = _POINT
        else:
            out[at + place] = _ZERO + digits % 10
            digits //= 10
    return at + length


@njit(cache=True)
def _put_amount(out: np.ndarray, at: int, amount: float, small: np.ndarray) -> Any:
    """Write a contribution, or `small` where it rounds to nothing; return -1 if it's too large."""
    if abs(amount) < 1 and _rounded(abs(amount), _HUNDRED) == 0:
        return _put(out, at, small)
    return _put_fixed(out, at, amount, AMOUNT_DECIMALS, True)


@njit(cache=True)
def _ends(texts: np.ndarray, count: int) -> np.ndarray:
    """Return where each text ends, its comma not counted."""
    ends = np.empty(count, np.int64)
    found = 0
    for i in range(texts.size):
        if texts[i] == _COMMA:
            ends[found] = i
            found += 1
    return ends


@njit(cache=True)
def _largest_first(amounts: np.ndarray) -> np.ndarray:
    """Return the order of the sizes; of equal ones the first stays first."""
    order = np.empty(amounts.size, np.int64)
    for i in range(amounts.size):
        size, place = abs(amounts[i]), i
        while place > 0 and abs(amounts[order[place - 1]]) < size:
            order[place] = order[place - 1]
            place -= 1
        order[place] = i
    return order


@njit(cache=True)
def _write(
    values: np.ndarray,
    variants: np.ndarray,
    amounts: np.ndarray,
    texts: np.ndarray,
    block: np.ndarray,
    out: np.ndarray,
) -> Any:
    pieces, cut = part(block, 0), part(block, 1).view(np.int64)
    first, decimals = part(block, 2).view(np.int64), part(block, 3).view(np.int64)
    count, end = values.size, cut.size - 7  # behind it come the frame's pieces and the small ones
    ends = _ends(texts, 2 * count)
    at = _put(out, 0, pieces[cut[end + 1] : cut[end + 2]])
    start = at
    for f in _largest_first(amounts):
        if at > start:
            at = _put(out, at, pieces[cut[end + 2] : cut[end + 3]])
        variant = MISSING if variants[f] == 0 and np.isnan(values[f]) else variants[f]
        p = _PIECES * (first[f] + variant)
        at = _put(out, at, pieces[cut[p] : cut[p + 1]])
        if variant == 0:
            at = _put(out, at, texts[ends[f - 1] + 1 if f else 0 : ends[f]])
        at = _put(out, at, pieces[cut[p + 1] : cut[p + 2]])
        at = _put(out, at, texts[ends[count + f - 1] + 1 : ends[count + f]])
        at = _put(out, at, pieces[cut[p + 2] : cut[p + 3]])
        if variant == 0:
            started = at
            at = _put_fixed(out, at, values[f], decimals[f], False)
            if at < 0:
                return -1
            if at == started + 1 and out[started] == _ONE:
                p += 1
        at = _put(out, at, pieces[cut[p + 3] : cut[p + 4]])
        small = end + 4 if amounts[f] == 0 else end + 5
        at = _put_amount(out, at, amounts[f], pieces[cut[small] : cut[small + 1]])
        if at < 0:
            return -1
        at = _put(out, at, pieces[cut[end] : cut[end + 1]])
    return _put(out, at, pieces[cut[end + 3] : cut[end + 4]])
