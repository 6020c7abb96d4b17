"""Whether a version can be made again, byte for byte, from its cohort and its record."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from models.artefact import MANIFEST
from models.definition import DefinitionFile, read_definition
from records.settings import Settings
from training.booster import ANY_GROWTH
from training.build import build
from training.candidate import Progress
from training.cohort import Cohort
from training.evidence import RECALIBRATED, RETRAINING
from training.options import STABILITY_TRIALS, TrainOptions
from training.provenance import code_tags
from training.recalibration import build_recalibrated
from training.registry import (
    RegisteredVersion,
    download,
    find_version,
    run_tags,
)
from training.retraining import growth_of, recorded_cohort
from training.scratch import scratch
from training.validation import examine

_CIRCUMSTANCES: Final = {"lock_digest": "the lock", "code_version": "Auscult's version"}


@dataclass(frozen=True, slots=True)
class Reproduction:
    """The version and the digests of the first and of the repeated artefact, and what differs."""

    version: RegisteredVersion
    repeated_digest: str
    differences: tuple[str, ...]

    @property
    def equal(self) -> bool:
        """Whether every file was made again byte for byte."""
        return self.version.artefact_digest == self.repeated_digest


def reproduce(
    name: str,
    version: str,
    cohort: Cohort,
    *,
    settings: Settings,
    progress: Progress,
    now: datetime,
) -> Reproduction:
    """Make a version again in a scratch directory, as its record says, and compare every file.

    Searches repeat the number of trials that were done, not the time that they were given. For a
    challenger `cohort` is the original one; its records are read again as they were known then. For
    a recalibrated version it is the population that it was calibrated to.
    """
    registered = find_version(name, version, settings=settings)
    place = settings.cache / "artefacts" / registered.artefact_digest
    first = download(registered, place, settings=settings)
    file = read_definition(first / "model.toml")
    evidence: dict[str, Any] = json.loads((first / "evidence.json").read_bytes())
    if RETRAINING in evidence and RECALIBRATED not in evidence:
        cohort = _with_records(file, cohort, evidence[RETRAINING], settings)
    with scratch(settings) as directory:
        again, files = directory / "artefact", directory / "run"
        again.mkdir()
        files.mkdir()
        if RECALIBRATED in evidence:
            before = str(evidence[RECALIBRATED])
            digest = build_recalibrated(
                examine(name, before, cohort, settings=settings, now=now),
                again,
                files,
                draws=evidence["model_evidence"]["evaluation"]["draws"],
                seed=evidence["seed"],
                settings=settings,
                progress=progress,
            ).digest
        else:
            options = _options(registered, evidence, file)
            digest = build(
                file, cohort, options, again, files, settings=settings, progress=progress, now=now
            ).digest
        differences = (
            *_other_circumstances(registered, cohort, settings),
            *_other_files(first, again),
        )
    return Reproduction(registered, digest, differences)


def _with_records(
    file: DefinitionFile, original: Cohort, then: Mapping[str, Any], settings: Settings
) -> Cohort:
    """Return the table that a challenger was made from, as its records were known by then."""
    champion = find_version(file.definition.name, then["challenges"], settings=settings)
    known_by = datetime.fromisoformat(then["known_by"])
    return recorded_cohort(file, original, champion, known_by=known_by, settings=settings)


def _options(
    registered: RegisteredVersion, evidence: Mapping[str, Any], file: DefinitionFile
) -> TrainOptions:
    own, stability = evidence["model_evidence"], evidence["stability"]
    plan = file.definition.change_plan if RETRAINING in evidence else None
    searched = (own["trials"], *evidence["split"]["nested_trials"])
    return TrainOptions(
        trained_by=registered.trained_by,
        quick=evidence["quick"],
        draws=own["evaluation"]["draws"],
        seed=evidence["seed"],
        repeated_trials=() if evidence["quick"] else searched,
        stability=stability["runs"] if stability else 0,
        stability_trials=stability["trials"] if stability else STABILITY_TRIALS,
        growth=ANY_GROWTH if plan is None else growth_of(plan),
    )


def _other_circumstances(
    registered: RegisteredVersion, cohort: Cohort, settings: Settings
) -> list[str]:
    found = []
    if cohort.digest != registered.cohort_digest:
        found.append(f"the cohort: SHA-256 {cohort.digest}, then {registered.cohort_digest}")
    then, now = run_tags(registered, settings=settings), code_tags()
    for tag, title in _CIRCUMSTANCES.items():
        if then.get(tag) != now.get(tag):
            found.append(f"{title}: {now.get(tag)}, then {then.get(tag)}")
    return found


def _other_files(first: Path, again: Path) -> list[str]:
    before, after = _digests(first), _digests(again)
    return [
        f"{name}: SHA-256 {after.get(name, 'none')}, then {before.get(name, 'none')}"
        for name in sorted(before.keys() | after.keys())
        if before.get(name) != after.get(name)
    ]


def _digests(artefact: Path) -> dict[str, str]:
    digests: dict[str, str] = json.loads((artefact / MANIFEST).read_bytes())["files"]
    return digests
