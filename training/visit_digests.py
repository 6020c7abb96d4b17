"""The visits (patient and time) that a version was made from, as digests too short to tell of one.

So many other visits have the digest of one in the table that it says nothing of a single patient,
whose id might be found by trying all; of a whole table it still tells how many visits are the same.
"""

import hashlib
import math
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.stats import binom

from training.cohort import Cohort
from training.population import Population

_BYTES: Final = 8
_PLACES_A_ROW: Final = 4  # so a visit that isn't in the table has the digest of one at 22 %
_FEWEST_BITS: Final = 8
_BY_CHANCE: Final = 1e-6
Digests = npt.NDArray[np.uint64]


def visit_digests(cohort: Cohort, rows: Population, *, salt: str, among: int) -> Digests | None:
    """Return the sorted digests of these rows' visits, in a table of `among` rows.

    None where rows have no dates: ids alone, and numbers that only order, occur in any hospital.
    """
    if rows.time is None or rows.time.dtype.kind != "M":
        return None
    ids = cohort.frame["patient_id"].iloc[rows.row].astype(str)
    times = rows.time.astype("datetime64[us]").astype(np.int64)
    key = hashlib.sha256(f"visits {salt}".encode()).digest()
    found = [
        hashlib.blake2b(f"{time} {patient}".encode(), digest_size=_BYTES, key=key).digest()
        for time, patient in zip(times.tolist(), ids, strict=True)
    ]
    whole = np.array([int.from_bytes(digest, "little") for digest in found], dtype=np.uint64)
    return np.sort(whole & np.uint64(_places(among) - 1))


def same_visits(own: Digests, known: Digests, *, among: int) -> int:
    """Return how many of a table's visits are known ones beyond chance, 0 where chance brings them.

    That is where chance has so many equal digests once in a million times or oftener.
    """
    if not len(own) or not len(known):
        return 0
    chance = len(np.unique(known)) / _places(among)
    equal = int(np.isin(own, known).sum())
    if binom.sf(equal - 1, len(own), chance) > _BY_CHANCE:
        return 0
    return round((equal - chance * len(own)) / (1.0 - chance))


def _places(rows: int) -> int:
    return int(2 ** max(_FEWEST_BITS, math.ceil(math.log2(_PLACES_A_ROW * max(rows, 1)))))
