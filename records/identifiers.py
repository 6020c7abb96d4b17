"""Identifiers of predictions: random, and in the order of time."""

import os
from datetime import datetime
from uuid import UUID

_VERSION_AND_VARIANT = 7 << 76 | 2 << 62
_RANDOM_BITS = ~(15 << 76 | 3 << 62) & (1 << 80) - 1
_RANDOM_BYTES, _AT_ONCE = 10, 256

# drawn ahead, since to ask the system lets go of the interpreter's lock; never shared by a fork
_drawn: list[int] = []
os.register_at_fork(after_in_child=_drawn.clear)


def ordered_id(at: datetime) -> UUID:
    """Return a UUID of version 7 (RFC 9562, section 5.7): the milliseconds, then 74 random bits.

    An index that grows at its end only has one page to write for a commit, not one for each row.
    """
    milliseconds = int(at.timestamp() * 1000)
    return UUID(int=milliseconds << 80 | _VERSION_AND_VARIANT | _random())


def _random() -> int:
    while True:
        try:
            return _drawn.pop()
        except IndexError:
            drawn = os.urandom(_RANDOM_BYTES * _AT_ONCE)
            _drawn.extend(
                int.from_bytes(drawn[start : start + _RANDOM_BYTES]) & _RANDOM_BITS
                for start in range(0, len(drawn), _RANDOM_BYTES)
            )
