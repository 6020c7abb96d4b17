"""Separation of duties: who made a version can't be who puts it into use."""

import json
from pathlib import Path

from models.errors import PromotionRefused
from records.settings import Settings
from training.evidence import RECALIBRATED
from training.registry import RegisteredVersion, download, find_version


def makers(version: RegisteredVersion, *, settings: Settings) -> tuple[str, ...]:
    """Return who made a version: who trained or retrained it, and whoever recalibrated it since.

    The latest comes first. What was recalibrated is read from the sealed evidence, so versions
    count that were registered by an earlier release too. Raises as `find_version` and `download`.
    """
    people = [version.trained_by]
    evidence = json.loads((fetched(version, settings) / "evidence.json").read_bytes())
    while RECALIBRATED in evidence:
        before = find_version(version.name, str(evidence[RECALIBRATED]), settings=settings)
        people.append(before.trained_by)
        evidence = json.loads((fetched(before, settings) / "evidence.json").read_bytes())
    return tuple(people)


def refuse_makers(version: RegisteredVersion, by: str, *, settings: Settings) -> None:
    """Raise PromotionRefused if this person made the version and the settings don't permit that."""
    if settings.trainer_may_promote:
        return
    people = makers(version, settings=settings)
    if by.strip().casefold() in {person.strip().casefold() for person in people}:
        *recalibrated, trained = people
        words = f"was trained by {trained}"
        if recalibrated:
            words += f" and recalibrated by {' and '.join(reversed(recalibrated))}"
        raise PromotionRefused(
            f"{version.name} version {version.version} {words}; {by.strip()} can't be the one to "
            "give it the alias champion; let someone else judge it"
        )


def fetched(version: RegisteredVersion, settings: Settings) -> Path:
    """Return a verified copy of a version's artefact."""
    place = settings.cache / "artefacts" / version.artefact_digest
    return download(version, place, settings=settings)
