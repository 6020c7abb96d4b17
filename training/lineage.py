"""What a version was made from: the versions beneath it, their tables, and who is among those.

A recalibrated version has its trees of another, which may itself have been recalibrated.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from records.settings import Settings
from training.cohort import Cohort
from training.earlier_runs import JUDGED_PEOPLE, people_digest
from training.evidence import RECALIBRATED, RETRAINING
from training.population import Population
from training.registry import RegisteredVersion, download, find_version, run_tags

MOST_FAMILIAR_SHARE: Final = 0.05
_MOST_REPEATED_SHARE: Final = 0.01  # of the reference: beyond, rows are alike by chance too


@dataclass(frozen=True, eq=False)
class Made:
    """A version, its verified artefact, and the evidence sealed in it."""

    version: RegisteredVersion
    artefact: Path
    evidence: dict[str, Any]

    @property
    def tables(self) -> tuple[str, ...]:
        """The SHA-256 of each table that it was made from."""
        then = self.evidence.get(RETRAINING)
        original = () if then is None else (str(then["original_cohort"]["digest"]),)
        return (self.version.cohort_digest, *original)


def lineage(version: RegisteredVersion, *, settings: Settings) -> tuple[Made, ...]:
    """Return the version and those beneath it, the one last whose trees all of them have.

    Read from the sealed evidence. Raises as `find_version` and `download`.
    """
    found = [_made(version, settings)]
    while RECALIBRATED in found[-1].evidence:
        beneath = str(found[-1].evidence[RECALIBRATED])
        found.append(_made(find_version(version.name, beneath, settings=settings), settings))
    return tuple(found)


def seen_before(
    made: Iterable[Made], cohort: Cohort, rows: Population, *, settings: Settings
) -> str | None:
    """Say how it is known that people of this table are those a version was made from.

    None where nothing tells of any: that their files differ doesn't rule it out.
    """
    for one in made:
        which = f"version {one.version.version}"
        if cohort.digest in one.tables:
            return f"it is the very table that {which} was made from"
        tags = run_tags(one.version, settings=settings)
        every_person_learnt = one.evidence["split"]["nested_folds"] > 0
        if every_person_learnt and tags.get(JUDGED_PEOPLE) == people_digest(cohort, rows):
            return f"its patients are those that {which} was made from, in another file"
        share = _familiar_share(one.artefact, rows)
        if share is not None and share > MOST_FAMILIAR_SHARE:
            return (
                f"{share:.0%} of its rows have in every feature the values of a row that {which} "
                "was made from or judged by"
            )
    return None


def _made(version: RegisteredVersion, settings: Settings) -> Made:
    place = settings.cache / "artefacts" / version.artefact_digest
    artefact = download(version, place, settings=settings)
    return Made(version, artefact, json.loads((artefact / "evidence.json").read_bytes()))


def _familiar_share(artefact: Path, rows: Population) -> float | None:
    """Return the share of rows that are in the version's reference, None where that tells nothing.

    Nothing is told where the reference repeats itself, as with few features of few values.
    """
    reference = pd.read_parquet(artefact / "reference.parquet")
    names = [name for name in rows.columns if name in reference]
    known = _digests({name: reference[name] for name in names})
    if 1 - len(np.unique(known)) / len(known) > _MOST_REPEATED_SHARE:
        return None
    own = _digests({name: pd.Series(rows.columns[name]) for name in names})
    return float(np.isin(own, known).mean())


def _digests(columns: Mapping[str, pd.Series]) -> npt.NDArray[np.uint64]:
    """Return a number for the values of each row, whatever type a file gave their columns."""
    frame = pd.DataFrame(
        {
            name: values.astype("float64")
            if pd.api.types.is_numeric_dtype(values)
            else values.astype("object").where(values.notna(), "").astype("str").astype("object")
            for name, values in columns.items()
        }
    )
    digests: npt.NDArray[np.uint64] = pd.util.hash_pandas_object(frame, index=False).to_numpy()
    return digests
