"""A reader for UBJSON, the binary form in which XGBoost saves a booster (ubjson.org, draft 12)."""

from typing import Any

import numpy as np

from models.errors import ArtefactError

_NUMBERS = {
    b"i": ">i1",
    b"U": ">u1",
    b"I": ">i2",
    b"l": ">i4",
    b"L": ">i8",
    b"d": ">f4",
    b"D": ">f8",
}
_INTEGERS = (b"i", b"U", b"I", b"l", b"L")
_CONSTANTS = {b"T": True, b"F": False, b"Z": None}
_MAX_NESTING = 64


def read_ubjson(data: bytes) -> Any:
    """Return the value that `data` holds; typed arrays become numpy arrays."""
    reader = _Reader(data)
    value = reader.value(reader.take(1), 0)
    if reader.position != len(data):
        raise ArtefactError(f"UBJSON: {len(data) - reader.position} bytes follow the value")
    return value


class _Reader:
    """A position in the bytes, and what can be read from there."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.position = 0

    def take(self, count: int) -> bytes:
        end = self.position + count
        if count < 0 or end > len(self.data):
            raise ArtefactError(
                f"UBJSON: {count} bytes wanted at {self.position} of {len(self.data)};"
                " the file is cut short or damaged"
            )
        piece = self.data[self.position : end]
        self.position = end
        return piece

    def peek(self) -> bytes:
        return self.data[self.position : self.position + 1]

    def numbers(self, marker: bytes, count: int) -> np.ndarray:
        dtype = np.dtype(_NUMBERS[marker])
        array = np.frombuffer(self.take(count * dtype.itemsize), dtype)
        return array.astype(dtype.newbyteorder("="))

    def length(self) -> int:
        marker = self.take(1)
        if marker not in _INTEGERS:
            raise ArtefactError(f"UBJSON: {marker!r} at {self.position - 1} isn't a length")
        return int(self.numbers(marker, 1)[0])

    def text(self) -> str:
        start = self.position
        try:
            return self.take(self.length()).decode()
        except UnicodeDecodeError as error:
            raise ArtefactError(f"UBJSON: the text at {start} isn't UTF-8") from error

    def value(self, marker: bytes, nesting: int) -> Any:
        if nesting > _MAX_NESTING:
            raise ArtefactError(f"UBJSON: nested deeper than {_MAX_NESTING} levels")
        if marker in _NUMBERS:
            return self.numbers(marker, 1)[0].item()
        if marker in _CONSTANTS:
            return _CONSTANTS[marker]
        if marker == b"S":
            return self.text()
        if marker == b"[":
            return self.array(nesting)
        if marker == b"{":
            return self.object(nesting)
        raise ArtefactError(f"UBJSON: unknown marker {marker!r} at {self.position - 1}")

    def array(self, nesting: int) -> Any:
        kind = self._after(b"$")
        if self.peek() == b"#":
            self.take(1)
            count = self.length()
            if kind in _NUMBERS:
                return self.numbers(kind, count)
            if kind:
                raise ArtefactError(f"UBJSON: arrays of {kind!r} aren't part of a booster")
            return [self.value(self.take(1), nesting + 1) for _ in range(count)]
        values = []
        while (marker := self.take(1)) != b"]":
            values.append(self.value(marker, nesting + 1))
        return values

    def object(self, nesting: int) -> dict[str, Any]:
        members: dict[str, Any] = {}
        while self.peek() != b"}":
            key = self.text()
            members[key] = self.value(self.take(1), nesting + 1)
        self.take(1)
        return members

    def _after(self, sign: bytes) -> bytes:
        if self.peek() != sign:
            return b""
        self.take(1)
        return self.take(1)
