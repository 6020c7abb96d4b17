"""Merkle trees as RFC 6962, section 2.1 defines them."""

from collections.abc import Sequence
from hashlib import sha256


def leaf_hash(data: bytes) -> bytes:
    """Return the hash of a leaf: SHA-256 of 0x00 and the data."""
    return sha256(b"\0" + data).digest()


def root(leaves: Sequence[bytes]) -> bytes:
    """Return the root over leaf hashes, split at the largest power of two below their number.

    Joining neighbours level by level, an odd one out moving up as it is, gives the same tree.
    """
    if not leaves:
        return sha256(b"").digest()
    level = list(leaves)
    while len(level) > 1:
        joined = [
            sha256(b"\1" + left + right).digest()
            for left, right in zip(level[::2], level[1::2], strict=False)
        ]
        if len(level) % 2:
            joined.append(level[-1])
        level = joined
    return level[0]
