"""The rows that a version was made from, as digests, and whether a table holds those rows again.

Ids can be changed and rows put in another order; what they say of a person stays.
"""

import hashlib
import io
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import gammaln

from training.cohort import Cohort
from training.population import Population
from training.visit_digests import visit_digests

FILE: Final = "rows.parquet"
ROWS: Final = "rows"
_BYTES: Final = 8  # of a digest: among a million rows, two collide once in 37 million tables
_BY_CHANCE: Final = 1e-6
Digests = npt.NDArray[np.uint64]


@dataclass(frozen=True, eq=False)
class RowDigests:
    """The sorted digests of the rows that a version learnt from, and of those that judged it only.

    They are salted with the digest of its table, so that two tables' can't be joined. That hides no
    row from who holds the row: they lie in the registry beside the evidence, never in the artefact.
    `visits` are those of `training.visit_digests`, of the learnt and of the judged rows.
    """

    learnt: Digests
    judged: Digests
    visits: tuple[Digests, Digests] | None = None

    def __len__(self) -> int:
        return len(self.learnt) + len(self.judged)

    def to_bytes(self) -> bytes:
        """Return the file that the run keeps, 9 bytes a row before compression."""
        buffer = io.BytesIO()
        digests = np.concatenate([self.learnt, self.judged])
        learnt = np.arange(len(digests)) < len(self.learnt)
        columns = {"digest": digests, "learnt": learnt}
        if self.visits is not None:
            columns["visit"] = np.concatenate(self.visits)
        pd.DataFrame(columns).to_parquet(buffer, index=False)
        return buffer.getvalue()

    @property
    def evidence(self) -> dict[str, Any]:
        """Return what of them is sealed: that they are these."""
        text = hashlib.sha256(self.to_bytes()).hexdigest()
        counts = {"learnt": len(self.learnt), "judged": len(self.judged)}
        return {ROWS: {"digest": text, **counts}}


def read_row_digests(text: bytes) -> RowDigests:
    """Read what `RowDigests.to_bytes` wrote."""
    frame = pd.read_parquet(io.BytesIO(text))
    digests, learnt = frame["digest"].to_numpy(np.uint64), frame["learnt"].to_numpy(np.bool_)
    visits = None
    if "visit" in frame:
        both = frame["visit"].to_numpy(np.uint64)
        visits = (both[learnt], both[~learnt])
    return RowDigests(digests[learnt], digests[~learnt], visits)


def digests_of_run(cohort: Cohort, training: Population, test: Population) -> RowDigests:
    """Return the digests of a run's rows, a row that both learns and judges being one learnt."""
    only_judged = test.part(~np.isin(test.row, training.row))
    parts, salt = (training, only_judged), cohort.digest
    among = sum(map(len, parts))
    learnt, judged = (visit_digests(cohort, part, salt=salt, among=among) for part in parts)
    return RowDigests(
        row_digests(training, salt=salt),
        row_digests(only_judged, salt=salt),
        None if learnt is None or judged is None else (learnt, judged),
    )


def row_digests(rows: Population, *, salt: str) -> Digests:
    """Return the sorted digests of the rows' features and outcomes, without order or id.

    Numbers count to seven digits, for a copy may have been written with fewer than it was read.
    """
    values = [_as_words(rows.columns[name]) for name in sorted(rows.columns)]
    table = np.column_stack([*values, _as_words(rows.outcome)])
    key = hashlib.sha256(salt.encode()).digest()
    digests = [
        hashlib.blake2b(row.tobytes(), digest_size=_BYTES, key=key).digest() for row in table
    ]
    return np.sort(_numbers(digests))


def copied_share(own: Digests, known: Digests) -> float:
    """Return the share of a table's rows that are rows of another table, beyond coincidence; or 0.

    A row that occurs once in each table may do so by chance. Were all rows drawn independently,
    such values would be no more, of whatever two populations, than twice the geometric mean of
    those that occur twice in one table and never in the other (Cauchy and Schwarz, of Poisson
    counts): as heterozygotes are, of two alleles. So a table's own repetitions bound what chance
    brings, of few categorical columns or many, and the exact test of an excess of heterozygotes
    (Wigginton, Am J Hum Genet 2005;76:887) tells. 0 is returned where chance brings as many once in
    a million times. The share counts the copied rows of repeated values too.

    Where no value occurs once, a table's copy is still known by having each as often; that is, if
    the likeliest population would give those counts less than once in a million.
    """
    if len(own) == 0 or len(known) == 0:
        return 0.0
    if np.array_equal(own, known) and _log_chance(own) < np.log(_BY_CHANCE):
        return 1.0
    values = np.unique(np.concatenate([own, known]))
    here, there = _counts(values, own), _counts(values, known)
    shared = int(((here == 1) & (there == 1)).sum())
    twice_here = int(((here == 2) & (there == 0)).sum())
    twice_there = int(((here == 0) & (there == 2)).sum())
    if _chance_of_so_many(shared, twice_here, twice_there) > _BY_CHANCE:
        return 0.0
    beyond = shared - 2.0 * np.sqrt(twice_here * twice_there)
    seen_once = float((there == 1).sum()) / len(known)  # so often a copy is one of those counted
    return float(min(1.0, beyond / (len(own) * seen_once)))


def _as_words(values: npt.NDArray[np.generic]) -> npt.NDArray[np.uint64]:
    """Return 64 bits for each value, the same whatever type a file gave the column."""
    if values.dtype != object:
        numbers = values.astype(np.float32).astype(np.float64) + 0.0  # no negative zero
        numbers[np.isnan(numbers)] = np.nan  # of its many forms, one
        return numbers.view(np.uint64)
    found, places = np.unique(["" if v is None else str(v) for v in values], return_inverse=True)
    digests = [hashlib.blake2b(name.encode(), digest_size=_BYTES).digest() for name in found]
    return _numbers(digests)[places]


def _numbers(digests: list[bytes]) -> Digests:
    return np.array([int.from_bytes(digest, "little") for digest in digests], dtype=np.uint64)


def _counts(values: Digests, among: Digests) -> npt.NDArray[np.intp]:
    return np.bincount(np.searchsorted(values, among), minlength=len(values))


def _chance_of_so_many(shared: int, twice_here: int, twice_there: int) -> float:
    """Return the greatest chance of so many or more shared pairs, given each table's part in all.

    Of so many pairs with so many members here and there: the sum of the exact probabilities.
    """
    here, there = 2 * twice_here + shared, 2 * twice_there + shared
    mixed = np.arange(shared, min(here, there) + 1, 2, dtype=np.float64)
    logs = mixed * np.log(2.0) - gammaln(mixed + 1.0)
    logs -= gammaln((here - mixed) / 2 + 1.0) + gammaln((there - mixed) / 2 + 1.0)
    of_all = gammaln((here + there) / 2 + 1.0) - gammaln(here + there + 1.0)
    logs += of_all + gammaln(here + 1.0) + gammaln(there + 1.0)
    return float(np.exp(logs).sum())


def _log_chance(digests: Digests) -> float:
    """Return the log of the greatest chance that any population has to give just these counts."""
    counts = np.unique(digests, return_counts=True)[1].astype(np.float64)
    total = counts.sum()
    terms = counts * np.log(counts / total) - gammaln(counts + 1.0)
    return float(gammaln(total + 1.0) + terms.sum())
