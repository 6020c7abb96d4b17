"""Merkle trees as RFC 6962, section 2.1 defines them."""

from collections.abc import Sequence
from hashlib import sha256

# hashlib lets go of the interpreter's lock for more than 2,047 bytes, which costs more than to hash
_AT_ONCE = 2047


def leaf_hash(data: bytes) -> bytes:
    """Return the hash of a leaf: SHA-256 of 0x00 and the data."""
    return digest_of(data, first=b"\0")


def digest_of(data: bytes, *, first: bytes = b"") -> bytes:
    """Return the SHA-256 of what comes first and the data, without letting go of the lock."""
    digest = sha256(first)
    for start in range(0, len(data), _AT_ONCE):
        digest.update(data[start : start + _AT_ONCE])
    return digest.digest()


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
