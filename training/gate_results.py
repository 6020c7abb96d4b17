"""How a registered version stands to every gate now, by its evidence and beside the champion."""

import hashlib
import json
from pathlib import Path
from typing import Any

from models.definition import parse_definition
from models.errors import ArtefactError
from models.gate import gates_asked
from records.settings import Settings
from training.against_baseline import OF_TREES, against_baseline, of_trees
from training.champion import FILE, read_comparison
from training.data_quality import check_data_quality
from training.evidence import RECALIBRATED
from training.gates import ChampionMetrics, GateResult, check_gates
from training.lineage import lineage
from training.registry import RegisteredVersion, champion_of, read_run_file
from training.unassessed import check_unassessed


def gate_results(
    registered: RegisteredVersion, directory: Path, *, settings: Settings
) -> tuple[GateResult, ...]:
    """Hold the sealed evidence in `directory` against the gates, the present champion and its data.

    Raises ArtefactError where evidence or comparison can't be read or isn't as registered.
    """
    champion = _beside_champion(registered, settings)
    source = directory / "model.toml"
    definition = parse_definition(source.read_bytes(), source=source.name)
    try:
        evidence = json.loads((directory / "evidence.json").read_bytes())
        judged = evidence["model_evidence"]["evaluation"]
        subgroups = judged["subgroups"]
        metrics: dict[str, Any] = evidence["metrics"]
        baseline = against_baseline(_with_trees(evidence, registered, settings))
        unassessed = check_unassessed(definition, evidence["not_assessed"])
        quality = check_data_quality(evidence["data_quality"])
    except (OSError, ValueError, KeyError) as error:
        raise ArtefactError(f"evidence.json holds no figures ({error}); train it again") from error
    gates = gates_asked(definition)
    found = check_gates(gates, metrics, subgroups, champion, judged, baseline)
    return (*found, *unassessed, quality)


def _with_trees(
    evidence: dict[str, Any], registered: RegisteredVersion, settings: Settings
) -> dict[str, Any]:
    """Return a version's evidence with how its trees stand to the regression.

    What an earlier release recalibrated keeps that in the evidence of the version whose trees it
    has.
    """
    if RECALIBRATED not in evidence or OF_TREES in evidence:
        return evidence
    trees = lineage(registered, settings=settings)[-1]
    return {**evidence, OF_TREES: of_trees(trees.version.version, trees.evidence)}


def _beside_champion(registered: RegisteredVersion, settings: Settings) -> ChampionMetrics:
    """Return the figures minus those of the present champion, or why there are none."""
    champion = champion_of(registered.name, settings=settings)
    if champion is None or champion.version == registered.version:
        return ChampionMetrics({}, "there is no other champion to compare with", needed=False)
    again = "make it again to compare them"
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
    used = found["used"] if "used" in found else _used_perhaps(champion, settings)
    if used is not None:
        words = f"it was compared with version {champion.version} on people who are no evidence"
        return ChampionMetrics({}, f"{words}: {used}")
    return ChampionMetrics(found["metrics"], f"champion: version {champion.version}")


def _used_perhaps(champion: RegisteredVersion, settings: Settings) -> str | None:
    """Say of a comparison by an earlier release that it may rest on people of a calibration."""
    if len(lineage(champion, settings=settings)) == 1:
        return None
    return (
        "that version was recalibrated, and an earlier release, which made the comparison, didn't "
        "ask whether its calibration was fitted to them; make it again to compare them"
    )
