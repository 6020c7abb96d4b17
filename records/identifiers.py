"""Identifiers of predictions: random, and in the order of time."""

import secrets
from datetime import datetime
from uuid import UUID

_VERSION_AND_VARIANT = 7 << 76 | 2 << 62
_RANDOM_BITS = ~(15 << 76 | 3 << 62) & (1 << 80) - 1


def ordered_id(at: datetime) -> UUID:
    """Return a UUID of version 7 (RFC 9562, section 5.7): the milliseconds, then 74 random bits.

    An index that grows at its end only has one page to write for a commit, not one for each row.
    """
    milliseconds = int(at.timestamp() * 1000)
    random = secrets.randbits(80) & _RANDOM_BITS
    return UUID(int=milliseconds << 80 | _VERSION_AND_VARIANT | random)
