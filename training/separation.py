"""Separation of duties: who made a version can't be who puts it into use."""

from dataclasses import dataclass
from pathlib import Path

from models.errors import PromotionRefused
from records.settings import Settings
from training.lineage import lineage
from training.registry import RegisteredVersion, download


@dataclass(frozen=True, slots=True)
class Maker:
    """Somebody who had a part in a version, and which."""

    person: str
    part: str


def makers(version: RegisteredVersion, *, settings: Settings) -> tuple[Maker, ...]:
    """Return who made a version: who trained it, asked for that, and recalibrated it since.

    Whoever signed the request that a retraining answered has asked for it. What was recalibrated is
    read from the sealed evidence, so versions count that were registered by an earlier release too.
    Raises as `find_version` and `download`.
    """
    *recalibrated, first = (made.version for made in lineage(version, settings=settings))
    people = [Maker(first.trained_by, "trained")]
    if first.requested_by is not None:
        people.append(Maker(first.requested_by, "asked for"))
    return (*people, *(Maker(one.trained_by, "recalibrated") for one in reversed(recalibrated)))


def refuse_makers(version: RegisteredVersion, by: str, *, settings: Settings) -> None:
    """Raise PromotionRefused if this person made the version and the settings don't permit that."""
    if settings.trainer_may_promote:
        return
    people = makers(version, settings=settings)
    if by.strip().casefold() in {maker.person.strip().casefold() for maker in people}:
        parts: dict[str, list[str]] = {}
        for maker in people:
            parts.setdefault(maker.part, []).append(maker.person)
        words = " and ".join(f"{part} by {' and '.join(who)}" for part, who in parts.items())
        raise PromotionRefused(
            f"{version.name} version {version.version} was {words}; {by.strip()} can't be the one "
            "to give it the alias champion; let someone else judge it"
        )


def fetched(version: RegisteredVersion, settings: Settings) -> Path:
    """Return a verified copy of a version's artefact."""
    place = settings.cache / "artefacts" / version.artefact_digest
    return download(version, place, settings=settings)
