"""Who judged a run, as a sketch too coarse to tell of one patient: it tells of shared people.

Each id has one of so many places that at least every fifth id of elsewhere has a place in which
somebody stands: that one is taken says nothing of a single patient, whose id might be found by
trying all. Of many, it tells how many are the same (Bloom, Commun ACM 1970;13:422, with one hash).
"""

import base64
import hashlib
import math
from collections.abc import Iterable
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.stats import binom

from models.errors import RegistryError

_PLACES_A_PERSON: Final = 4  # and at least half as many, so that 22 to 39 % of places are taken
_MOST_KEPT: Final = 1 << 14  # places, the first of all: those of larger tables are a sample
_BYTES: Final = 8
_BY_CHANCE: Final = 1e-6
Places = npt.NDArray[np.uint64]


def sketch_of(people: Iterable[str], *, salt: str) -> str:
    """Return the sketch of some ids, in 3,000 letters at most; who repeats counts once."""
    ids = set(people)
    bits = max(0, math.floor(math.log2(_PLACES_A_PERSON * max(len(ids), 1))))
    taken = np.zeros(min(1 << bits, _MOST_KEPT), dtype=np.bool_)
    taken[_kept(_places(ids, salt, bits), len(taken))] = True
    return f"{bits}:{base64.b64encode(np.packbits(taken).tobytes()).decode()}"


def shared_share(people: Iterable[str], sketch: str, *, salt: str) -> float:
    """Return the share of some people who are in a sketch beyond coincidence; or 0.

    That is where chance has so many of their places taken once in a million times or oftener.
    Raises RegistryError for a text that is no sketch.
    """
    bits, taken = _read(sketch)
    own = _kept(_places(set(people), salt, bits), len(taken))
    if not len(own):
        return 0.0
    found, chance = int(taken[own].sum()), float(taken.mean())
    if chance == 1.0 or binom.sf(found - 1, len(own), chance) > _BY_CHANCE:
        return 0.0
    return (found / len(own) - chance) / (1.0 - chance)


def _read(sketch: str) -> tuple[int, npt.NDArray[np.bool_]]:
    try:
        bits, _, text = sketch.partition(":")
        kept = min(1 << int(bits), _MOST_KEPT)
        packed = np.frombuffer(base64.b64decode(text, validate=True), dtype=np.uint8)
        return int(bits), np.unpackbits(packed, count=kept).astype(np.bool_)
    except ValueError as error:
        raise RegistryError(f"{sketch[:20]!r} is no sketch of people: {error}") from error


def _places(people: Iterable[str], salt: str, bits: int) -> Places:
    key = hashlib.sha256(f"people {salt}".encode()).digest()
    found = [hashlib.blake2b(one.encode(), digest_size=_BYTES, key=key).digest() for one in people]
    whole = np.array([int.from_bytes(digest, "little") for digest in found], dtype=np.uint64)
    return whole & np.uint64((1 << bits) - 1)


def _kept(places: Places, kept: int) -> Places:
    return places[places < kept]
