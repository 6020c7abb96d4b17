"""Promotion: which version an alias means, moved only on evidence and never by who trained it."""

import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from models.errors import PromotionRefused
from records.settings import Settings
from records.setup import configure
from training.gate_results import gate_results
from training.gates import GateResult
from training.registry import (
    CHAMPION,
    RegisteredVersion,
    find_version,
    set_alias,
    verify_registered,
    version_of_alias,
)
from training.separation import fetched, makers, refuse_makers
from training.succession import ROLLED_BACK_FROM, earlier_champion, rolled_back_from

if TYPE_CHECKING:
    from records.models import Tenure


_CLOCKS_APART: Final = timedelta(seconds=1)
_LEAST_REASON: Final = 10  # characters, as the console asks for what is signed there
_ALIAS: Final = re.compile("[a-z][a-z0-9_-]*")  # so that no other is read as champion


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
    The alias moves later than `now`, when it is asked, by as long as looking and waiting took.
    Raises PromotionRefused with every gate that isn't passed and its figures. `override` lets
    failed gates through, for a reason of 10 characters or more, and is recorded as such; only the
    settings let somebody promote a version of their own.
    """
    started = time.monotonic()
    _check_alias(to)
    registered = find_version(name, version, settings=settings)
    _check_reasons(by, because)
    already = _already(registered, to, settings)
    if already is not None:
        return already
    verify_registered(registered, settings=settings)
    directory = fetched(registered, settings)
    if to == CHAMPION:
        refuse_makers(registered, by, settings=settings)
    made_by = [maker.person for maker in makers(registered, settings=settings)]
    configure(settings)
    from records import tenure  # Django's tables can be imported only once it is configured

    with tenure.alone(name):  # whoever else moves the alias did so before this, or will after it
        already = _already(registered, to, settings)
        if already is not None:
            return already
        results = gate_results(registered, directory, settings=settings)
        overridden = _check_passed(registered, to, because, results, override)
        evidence = {
            "artefact_digest": registered.artefact_digest,
            "definition_digest": registered.definition_digest,
            "trained_by": registered.trained_by,
            "made_by": made_by,
            "run_id": registered.run_id,
            "gates": [result.to_dict() for result in results],
        }
        moved = _time_of_move(name, to, now, started)
        _move(registered, to, by, because, evidence, overridden, settings=settings, now=moved)
    return None


def _check_passed(
    registered: RegisteredVersion,
    to: str,
    because: str,
    results: Sequence[GateResult],
    override: bool,
) -> bool:
    """Return whether gates are overridden; raise PromotionRefused where they may not be."""
    open_gates = [result for result in results if not result.passed]
    if open_gates and not override:
        raise PromotionRefused(
            f"{registered.name} version {registered.version} may not become {to}:\n"
            + "\n".join(f"- {gate.result}: {gate.words}" for gate in open_gates)
        )
    if open_gates:
        _check_says_enough(because, "override a gate", "what was weighed, and by whom")
    return bool(open_gates)


def _time_of_move(name: str, alias: str, asked: datetime, started: float) -> datetime:
    """Return the present, by when it was asked for and how long that is ago.

    It is no earlier than the alias's last move, from which clocks may be a little apart.
    """
    from records import tenure

    moved = asked + timedelta(seconds=time.monotonic() - started)
    newest = tenure.newest(name, alias)
    if newest is not None and moved < newest.since <= moved + _CLOCKS_APART:
        return newest.since
    return moved


def rollback(name: str, *, by: str, because: str, settings: Settings, now: datetime) -> Restored:
    """Give `champion` back to the last version that had it and was not rolled back from since.

    No gate is asked again: the version passed them, or was overridden, when it was promoted; which
    of the two is in the result and on the record. Raises PromotionRefused if there is no such
    version, if `by` made it and the settings don't permit that, for a reason of fewer than 10
    characters, or if somebody else moved the alias meanwhile.
    """
    started = time.monotonic()
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
    from records import tenure

    with tenure.alone(name):
        _check_unmoved(name, tenures)
        overridden, moved = earlier.overridden, _time_of_move(name, CHAMPION, now, started)
        _move(registered, CHAMPION, by, because, evidence, overridden, settings=settings, now=moved)
    return Restored(earlier.version, overridden, earlier.overridden_gates)


def _check_unmoved(name: str, tenures: Sequence["Tenure"]) -> None:
    """Raise PromotionRefused if the champion moved since these tenures were read."""
    from records import tenure

    newest = tenure.newest(name, CHAMPION)
    if newest is not None and newest.pk != tenures[-1].pk:
        raise PromotionRefused(
            f"meanwhile {newest.by} made version {newest.version} of {name} champion, which was "
            f"version {tenures[-1].version}; look at `auscult history {name}`, and roll back again "
            "if that is still wanted"
        )


def _no_earlier(name: str, current: str | None, withdrawn: tuple[str, ...]) -> str:
    if current is None:
        return f"{name} has had no champion yet"
    words = f"{name} has had no other champion than {current}"
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
    configure(settings)
    from records import tenure  # Django's tables can be imported only once it is configured

    newest = tenure.newest(registered.name, alias)
    if newest is None or newest.version != registered.version:
        return None
    meant = version_of_alias(registered.name, alias, settings=settings)
    return newest if meant == registered.version else None


def _check_alias(alias: str) -> None:
    if not _ALIAS.fullmatch(alias):
        raise PromotionRefused(
            f"--to {alias!r} is no alias: write it in lower case, of a-z, 0-9, _ and -, so that "
            "nobody takes it for another"
        )


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
    from records import tenure

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
