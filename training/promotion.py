"""Promotion: which version an alias means, moved only on evidence and never by who trained it."""

import json
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from models.definition import parse_definition
from models.errors import ArtefactError, PromotionRefused
from records.settings import Settings
from records.setup import configure
from training.gates import GateResult, check_gates
from training.registry import RegisteredVersion, download, find_version, set_alias

if TYPE_CHECKING:
    from records.models import Tenure

CHAMPION = "champion"


def promote(
    name: str,
    version: str,
    *,
    to: str,
    by: str,
    because: str,
    override: bool = False,
    settings: Settings,
    now: datetime,
) -> None:
    """Let the alias `to` mean this version, if its evidence passes the definition's gates.

    Raises PromotionRefused with every gate that isn't passed and its figures. `override` lets
    failed gates through and is recorded as such; it lets nobody promote a version of their own.
    """
    registered = find_version(name, version, settings=settings)
    _check_person(registered, to, by, because)
    directory = _verified(registered, settings)
    results = _gate_results(directory)
    open_gates = [result for result in results if not result.passed]
    if open_gates and not override:
        raise PromotionRefused(
            f"{name} version {registered.version} may not become {to}:\n"
            + "\n".join(f"- {gate.result}: {gate.words}" for gate in open_gates)
        )
    evidence = {
        "artefact_digest": registered.artefact_digest,
        "definition_digest": registered.definition_digest,
        "trained_by": registered.trained_by,
        "run_id": registered.run_id,
        "gates": [result.to_dict() for result in results],
    }
    overridden = bool(open_gates)
    _move(registered, to, by, because, evidence, overridden, settings=settings, now=now)


def rollback(name: str, *, by: str, because: str, settings: Settings, now: datetime) -> str:
    """Give `champion` back to the version that had it before, and return that version.

    No gate is asked again: the version passed them, or was overridden, when it was promoted.
    """
    tenures = [tenure for tenure in history(name, settings=settings) if tenure.alias == CHAMPION]
    current = tenures[0].version if tenures else None
    earlier = next((t.version for t in tenures if t.version != current), None)
    if earlier is None:
        raise PromotionRefused(f"{name} has had no other champion than {current or 'none'}")
    registered = find_version(name, earlier, settings=settings)
    _verified(registered, settings)
    evidence = {"rolled_back_from": current, "artefact_digest": registered.artefact_digest}
    _move(registered, CHAMPION, by, because, evidence, False, settings=settings, now=now)
    return earlier


def history(name: str, *, settings: Settings) -> list["Tenure"]:
    """Return every move of a model's aliases, the newest first."""
    configure(settings)
    from records import tenure  # Django's tables can be imported only once it is configured

    return tenure.history(name)


def _check_person(registered: RegisteredVersion, to: str, by: str, because: str) -> None:
    if not by.strip() or not because.strip():
        raise PromotionRefused("say who promotes the version (--by) and why (--because)")
    if to == CHAMPION and by.strip().casefold() == registered.trained_by.strip().casefold():
        raise PromotionRefused(
            f"{registered.name} version {registered.version} was trained by {by}, who can't be the "
            "one to promote it to champion; let someone else judge it"
        )


def _verified(registered: RegisteredVersion, settings: Settings) -> Path:
    place = settings.cache / "artefacts" / registered.artefact_digest
    return download(registered, place, settings=settings)


def _gate_results(directory: Path) -> tuple[GateResult, ...]:
    """Hold the sealed definition's gates against the sealed evidence."""
    source = directory / "model.toml"
    definition = parse_definition(source.read_bytes(), source=source.name)
    try:
        metrics: dict[str, Any] = json.loads((directory / "evidence.json").read_bytes())["metrics"]
    except (OSError, ValueError, KeyError) as error:
        raise ArtefactError(f"evidence.json holds no figures ({error}); train it again") from error
    return check_gates(definition.gates, metrics)


def _move(
    registered: RegisteredVersion,
    to: str,
    by: str,
    because: str,
    evidence: dict[str, Any],
    overridden: bool,
    *,
    settings: Settings,
    now: datetime,
) -> None:
    """Write the move down and let MLflow follow; if MLflow can't, nothing is written down."""
    configure(settings)
    from django.db import transaction

    from records import tenure  # Django's tables can be imported only once it is configured

    with transaction.atomic():
        tenure.move_alias(
            registered.name,
            to,
            registered.version,
            by=by,
            because=because,
            evidence=evidence,
            overridden=overridden,
            now=now,
        )
        set_alias(registered.name, to, registered.version, settings=settings)
