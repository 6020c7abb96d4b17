"""Promotion: which version an alias means, moved only on evidence and never by who trained it."""

import hashlib
import json
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from models.definition import parse_definition
from models.errors import ArtefactError, PromotionRefused
from records.settings import Settings
from records.setup import configure
from training.champion import FILE, read_comparison
from training.gates import ChampionMetrics, GateResult, check_gates
from training.registry import (
    CHAMPION,
    RegisteredVersion,
    champion_of,
    download,
    find_version,
    read_run_file,
    set_alias,
)

if TYPE_CHECKING:
    from records.models import Tenure


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
    failed gates through and is recorded as such; only the settings let somebody promote a version
    of their own.
    """
    registered = find_version(name, version, settings=settings)
    _check_person(registered, to, by, because, allowed=settings.trainer_may_promote)
    directory = _verified(registered, settings)
    results = _gate_results(directory, _beside_champion(registered, settings))
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


def _check_person(
    registered: RegisteredVersion, to: str, by: str, because: str, *, allowed: bool
) -> None:
    if not by.strip() or not because.strip():
        raise PromotionRefused("say who promotes the version (--by) and why (--because)")
    if allowed:
        return
    if to == CHAMPION and by.strip().casefold() == registered.trained_by.strip().casefold():
        raise PromotionRefused(
            f"{registered.name} version {registered.version} was trained by {by}, who can't be the "
            "one to promote it to champion; let someone else judge it"
        )


def _verified(registered: RegisteredVersion, settings: Settings) -> Path:
    place = settings.cache / "artefacts" / registered.artefact_digest
    return download(registered, place, settings=settings)


def _gate_results(directory: Path, champion: ChampionMetrics) -> tuple[GateResult, ...]:
    """Hold the sealed definition's gates against the sealed evidence and the champion."""
    source = directory / "model.toml"
    definition = parse_definition(source.read_bytes(), source=source.name)
    try:
        evidence = json.loads((directory / "evidence.json").read_bytes())
        subgroups = evidence["model_evidence"]["evaluation"]["subgroups"]
        metrics: dict[str, Any] = evidence["metrics"]
    except (OSError, ValueError, KeyError) as error:
        raise ArtefactError(f"evidence.json holds no figures ({error}); train it again") from error
    return check_gates(definition.gates, metrics, subgroups, champion)


def _beside_champion(registered: RegisteredVersion, settings: Settings) -> ChampionMetrics:
    """Return the figures minus those of the present champion, or why there are none."""
    champion = champion_of(registered.name, settings=settings)
    if champion is None or champion.version == registered.version:
        return ChampionMetrics({}, "there is no other champion to compare with", needed=False)
    again = "train it again to compare them"
    if registered.champion_digest is None:
        return ChampionMetrics({}, f"it was not compared with version {champion.version}; {again}")
    text = read_run_file(registered, FILE, settings=settings)
    if text is None or hashlib.sha256(text).hexdigest() != registered.champion_digest:
        raise ArtefactError(f"run {registered.run_id}: {FILE} isn't as it was registered; {again}")
    found = read_comparison(text)
    if found["artefact_digest"] != champion.artefact_digest:
        return ChampionMetrics(
            {},
            f"it was compared with version {found['version']}, but version {champion.version} is "
            f"champion; {again}",
        )
    return ChampionMetrics(found["metrics"], f"champion: version {champion.version}")


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
