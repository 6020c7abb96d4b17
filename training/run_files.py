"""The files of a run that lie in MLflow beside the model: pages, plots and the baseline."""

import hashlib
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from models.definition import DefinitionFile
from models.evaluation.comparison import Comparison
from models.figure_names import MINUS_CHAMPION
from models.scoring.linear import LinearModel, encode_linear
from records.settings import Settings
from training.artefact import plain_json
from training.card import Card, quality_page
from training.champion import (
    FILE,
    JUDGED_FILE,
    ChampionRisks,
    comparison_file,
    judged_file,
    read_comparison,
)
from training.evidence import RunEvidence
from training.metrics import flat_differences
from training.plots import Drawing
from training.population import FloatArray, Population
from training.registry import RegisteredVersion, registered_at, store


@dataclass(frozen=True, slots=True)
class Compared:
    """The figures minus the champion's that are evidence, and the file of the comparison.

    `read` is what that file says, `digest` its SHA-256.
    """

    metrics: Mapping[str, float]
    digest: str
    read: Mapping[str, Any]


def write_comparisons(
    directory: Path,
    judged: Population,
    risk: FloatArray,
    champion: ChampionRisks | None,
    beside: Comparison | None,
) -> Compared | None:
    """Write the judged rows' risks for versions to come, and the comparison with the champion."""
    (directory / JUDGED_FILE).write_bytes(judged_file(judged, risk))
    if champion is None or beside is None:
        return None
    metrics = flat_differences(beside, MINUS_CHAMPION)
    text = comparison_file(champion, metrics)
    (directory / FILE).write_bytes(text)
    # among the run's figures stands only what is evidence
    shown = metrics if champion.used is None else {}
    return Compared(shown, hashlib.sha256(text).hexdigest(), read_comparison(text))


def write_pages(
    directory: Path,
    file: DefinitionFile,
    values: Mapping[str, Any],
    card: Mapping[str, bytes],
    drawn: Mapping[str, Drawing],
) -> None:
    """Write card, data quality, evidence, and plots with their numbers."""
    for name, content in card.items():
        (directory / name).write_bytes(content)
    (directory / "evidence.json").write_bytes(plain_json(values))
    (directory / "data_quality.html").write_bytes(quality_page(file, values))
    (directory / "data_quality.json").write_bytes(plain_json(values["data_quality"]))
    pictures = directory / "plots"
    pictures.mkdir()
    for name, drawing in drawn.items():
        (pictures / f"{name}.png").write_bytes(drawing.png)
        (pictures / f"{name}.json").write_bytes(plain_json(drawing.numbers))


def write_fits(directory: Path, evidence: RunEvidence, baseline: LinearModel) -> None:
    """Write every trial of the searches, and the baseline as plain numbers."""
    trials = {
        name: [{"parameters": one.parameters, "log_loss": one.log_loss} for one in tried]
        for name, tried in (
            ("trees", evidence.trees.trials),
            ("baseline", evidence.baseline.trials),
        )
    }
    (directory / "trials.json").write_bytes(plain_json(trials))
    (directory / "baseline").mkdir()
    (directory / "baseline" / "linear.json").write_bytes(encode_linear(baseline))


def complete_card(version: RegisteredVersion, card: Card, *, settings: Settings) -> None:
    """Put a card into a version's run that tells what only the registry knows: number and day."""
    client = store(settings)
    day = registered_at(version, settings=settings).date().isoformat()
    with tempfile.TemporaryDirectory() as scratch:
        for name, content in card(registered={"version": version.version, "at": day}).items():
            (Path(scratch) / name).write_bytes(content)
        client.log_artifacts(version.run_id, scratch)
