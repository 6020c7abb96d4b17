"""What a version was made from: the versions beneath it, their tables, and who is among those.

A recalibrated version has its trees of another, which may itself have been recalibrated.
"""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from models.errors import ArtefactError
from records.settings import Settings
from training.cohort import Cohort
from training.earlier_runs import JUDGED_PEOPLE, people_digest
from training.evidence import RECALIBRATED, RETRAINING
from training.population import Population
from training.registry import (
    RegisteredVersion,
    download,
    find_version,
    read_run_file,
    run_tags,
)
from training.row_digests import (
    FILE,
    ROWS,
    RowDigests,
    copied_share,
    read_row_digests,
    row_digests,
)
from training.visit_digests import same_visits, visit_digests

MOST_COPIED_SHARE: Final = 0.05  # so few can't flatter a figure by more than its interval's width


@dataclass(frozen=True, eq=False)
class Made:
    """A version, and the evidence sealed in its verified artefact."""

    version: RegisteredVersion
    evidence: dict[str, Any]

    @property
    def tables(self) -> tuple[str, ...]:
        """The SHA-256 of each table that it was made from."""
        then = self.evidence.get(RETRAINING)
        original = () if then is None else (str(then["original_cohort"]["digest"]),)
        return (self.version.cohort_digest, *original)


@dataclass(frozen=True, slots=True)
class Familiar:
    """How it is known that people of a table are a version's own, and whether it learnt from them.

    It hasn't learnt from those of its held-out part, who only judged it.
    """

    words: str
    learnt: bool


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
) -> Familiar | None:
    """Say how it is known that people of this table are those a version was made from.

    None where nothing tells of any: that their files differ doesn't rule it out, and of a version
    without digests of its rows (see `untold`) copies can't be told. Raises ArtefactError where a
    version's digests are not as they were registered.
    """
    for one in made:
        which = f"version {one.version.version}"
        if cohort.digest in one.tables:
            return Familiar(f"it is the very table that {which} was made from", learnt=True)
        tags = run_tags(one.version, settings=settings)
        if tags.get(JUDGED_PEOPLE) == people_digest(cohort, rows):
            learnt = one.evidence["split"]["nested_folds"] > 0
            made_or_judged = f"{which} was made from" if learnt else f"judged {which}"
            return Familiar(
                f"its patients are those that {made_or_judged}, in another file", learnt
            )
        if ROWS not in one.evidence:
            continue
        known = _row_digests(one, settings)
        own = row_digests(rows, salt=one.version.cohort_digest)
        for learnt, theirs in ((True, known.learnt), (False, known.judged)):
            share = copied_share(own, theirs)
            if share > MOST_COPIED_SHARE:
                verb = "learnt from" if learnt else "was judged by"
                return Familiar(
                    f"{share:.0%} of its rows are, in every feature and the outcome, rows that "
                    f"{which} {verb}, more than chance brings",
                    learnt,
                )
        visited = _visited(one, known, cohort, rows)
        if visited is not None:
            return visited
    return None


def _visited(one: Made, known: RowDigests, cohort: Cohort, rows: Population) -> Familiar | None:
    """Say how many rows are of a patient and time that the version knows, whatever they hold."""
    among = len(known)
    own = visit_digests(cohort, rows, salt=one.version.cohort_digest, among=among)
    if own is None or known.visits is None:
        return None
    for learnt, theirs in zip((True, False), known.visits, strict=True):
        count = same_visits(own, theirs, among=among)
        if count > MOST_COPIED_SHARE * len(own):
            verb = "learnt from" if learnt else "was judged by"
            return Familiar(
                f"about {count:,} of its {len(own):,} rows are of a patient and time that version "
                f"{one.version.version} {verb}, whatever else was changed in them",
                learnt,
            )
    return None


def untold(made: Iterable[Made]) -> str | None:
    """Say which versions were registered before digests of their rows were kept, if any were."""
    old = [f"version {one.version.version}" for one in made if ROWS not in one.evidence]
    if not old:
        return None
    return (
        f"{' and '.join(old)} kept no digests of rows, so whether rows of this table are copies of "
        "those it was made from can't be told"
    )


def _row_digests(one: Made, settings: Settings) -> RowDigests:
    text = read_run_file(one.version, FILE, settings=settings)
    sealed = one.evidence.get(ROWS, {}).get("digest")
    if text is None or hashlib.sha256(text).hexdigest() != sealed:
        state = "there is none" if text is None else "it isn't as it was registered"
        raise ArtefactError(
            f"{one.version.name} version {one.version.version}: {FILE} of its run tells who it was "
            f"made from, but {state}; train it again"
        )
    return read_row_digests(text)


def _made(version: RegisteredVersion, settings: Settings) -> Made:
    place = settings.cache / "artefacts" / version.artefact_digest
    artefact = download(version, place, settings=settings)
    return Made(version, json.loads((artefact / "evidence.json").read_bytes()))
