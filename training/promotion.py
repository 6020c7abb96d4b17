"""Promotion: which version an alias means, moved only on evidence and never by who trained it."""

import hashlib
import json
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from models.definition import parse_definition
from models.errors import ArtefactError, PromotionRefused
from models.gate import gates_asked
from records.settings import Settings
from records.setup import configure
from training.against_baseline import against_baseline
from training.champion import FILE, read_comparison
from training.data_quality import check_data_quality
from training.gates import ChampionMetrics, GateResult, check_gates
from training.registry import (
    CHAMPION,
    RegisteredVersion,
    champion_of,
    find_version,
    read_run_file,
    set_alias,
    verify_registered,
    version_of_alias,
)
from training.separation import fetched, makers, refuse_makers
from training.succession import ROLLED_BACK_FROM, earlier_champion, rolled_back_from
from training.unassessed import check_unassessed

if TYPE_CHECKING:
    from records.models import Tenure


_LEAST_REASON: Final = 10  # characters, as the console asks for what is signed there


@dataclass(frozen=True, slots=True)
class Restored:
    """The version that is champion again, whether gates were overridden for it, and which."""

    version: str
    overridden: bool
    gates: tuple[str, ...] = ()

    @property
    def words(self) -> str:
        """What has to be said of its promotion, empty where its gates passed."""
        if not self.overridden:
            return ""
        said = "Gates that it didn't pass were overridden when promoted"
        return f"{said}: {'; '.join(self.gates)}." if self.gates else f"{said}."


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
) -> "Tenure | None":
    """Let the alias `to` mean this version, if its evidence passes the definition's gates.

    Return the tenure by which it means this version already, and then nothing is recorded; or None.
    Raises PromotionRefused with every gate that isn't passed and its figures. `override` lets
    failed gates through, for a reason of 10 characters or more, and is recorded as such; only the
    settings let somebody promote a version of their own.
    """
    registered = find_version(name, version, settings=settings)
    _check_reasons(by, because)
    already = _already(registered, to, settings)
    if already is not None:
        return already
    verify_registered(registered, settings=settings)
    directory = fetched(registered, settings)
    if to == CHAMPION:
        refuse_makers(registered, by, settings=settings)
    results = _gate_results(directory, _beside_champion(registered, settings))
    open_gates = [result for result in results if not result.passed]
    if open_gates and not override:
        raise PromotionRefused(
            f"{name} version {registered.version} may not become {to}:\n"
            + "\n".join(f"- {gate.result}: {gate.words}" for gate in open_gates)
        )
    if open_gates:
        _check_says_enough(because, "override a gate", "what was weighed, and by whom")
    evidence = {
        "artefact_digest": registered.artefact_digest,
        "definition_digest": registered.definition_digest,
        "trained_by": registered.trained_by,
        "made_by": [maker.person for maker in makers(registered, settings=settings)],
        "run_id": registered.run_id,
        "gates": [result.to_dict() for result in results],
    }
    overridden = bool(open_gates)
    _move(registered, to, by, because, evidence, overridden, settings=settings, now=now)
    return None


def rollback(name: str, *, by: str, because: str, settings: Settings, now: datetime) -> Restored:
    """Give `champion` back to the last version that had it and was not rolled back from since.

    No gate is asked again: the version passed them, or was overridden, when it was promoted; which
    of the two is in the result and on the record. Raises PromotionRefused if there is no such
    version, if `by` made it and the settings don't permit that, or for a reason of fewer than 10
    characters.
    """
    _check_reasons(by, because)
    _check_says_enough(because, "roll back", "what is wrong with the present champion")
    tenures = [one for one in reversed(history(name, settings=settings)) if one.alias == CHAMPION]
    current = tenures[-1].version if tenures else None
    earlier = earlier_champion(tenures)
    if earlier is None:
        raise PromotionRefused(_no_earlier(name, current, rolled_back_from(tenures)))
    registered = find_version(name, earlier.version, settings=settings)
    verify_registered(registered, settings=settings)
    refuse_makers(registered, by, settings=settings)
    evidence = {
        ROLLED_BACK_FROM: current,
        "artefact_digest": registered.artefact_digest,
        "gates": earlier.evidence.get("gates", []),
    }
    overridden = earlier.overridden
    _move(registered, CHAMPION, by, because, evidence, overridden, settings=settings, now=now)
    return Restored(earlier.version, overridden, earlier.overridden_gates)


def _no_earlier(name: str, current: str | None, withdrawn: tuple[str, ...]) -> str:
    words = f"{name} has had no other champion than {current or 'none'}"
    if not withdrawn:
        return words
    which = "; ".join(f"version {version} was rolled back from" for version in withdrawn)
    return (
        f"{words} to go back to ({which}): promote a version with `auscult promote`, or take the "
        "model out of use with `auscult suspend`"
    )


def history(name: str, *, settings: Settings) -> list["Tenure"]:
    """Return every move of a model's aliases, the newest first."""
    configure(settings)
    from records import tenure  # Django's tables can be imported only once it is configured

    return tenure.history(name)


def _already(registered: RegisteredVersion, alias: str, settings: Settings) -> "Tenure | None":
    """Return the alias's tenure where both the record and the registry say that it's this one's."""
    tenures = (one for one in history(registered.name, settings=settings) if one.alias == alias)
    newest = next(tenures, None)
    if newest is None or newest.version != registered.version:
        return None
    meant = version_of_alias(registered.name, alias, settings=settings)
    return newest if meant == registered.version else None


def _check_reasons(by: str, because: str) -> None:
    if not by.strip() or not because.strip():
        raise PromotionRefused("say who moves the alias (--by) and why (--because)")


def _check_says_enough(because: str, to: str, what: str) -> None:
    """Raise PromotionRefused for a reason from which nobody could tell later why."""
    if len(because.strip()) < _LEAST_REASON:
        raise PromotionRefused(
            f"--because {because!r} says too little to {to}: say in {_LEAST_REASON} characters or "
            f"more {what}"
        )


def _gate_results(directory: Path, champion: ChampionMetrics) -> tuple[GateResult, ...]:
    """Hold the sealed evidence against the definition's gates, the champion and its data."""
    source = directory / "model.toml"
    definition = parse_definition(source.read_bytes(), source=source.name)
    try:
        evidence = json.loads((directory / "evidence.json").read_bytes())
        judged = evidence["model_evidence"]["evaluation"]
        subgroups = judged["subgroups"]
        metrics: dict[str, Any] = evidence["metrics"]
        baseline = against_baseline(evidence)
        unassessed = check_unassessed(definition, evidence["not_assessed"])
        quality = check_data_quality(evidence["data_quality"])
    except (OSError, ValueError, KeyError) as error:
        raise ArtefactError(f"evidence.json holds no figures ({error}); train it again") from error
    gates = gates_asked(definition)
    found = check_gates(gates, metrics, subgroups, champion, judged, baseline)
    return (*found, *unassessed, quality)


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
