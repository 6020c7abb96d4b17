"""The directory of one fitted version: all that serving and monitoring need, sealed by digests."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from models.artefact import write_manifest
from models.definition import Definition, DefinitionFile
from models.profile import build_profile, to_json
from models.scoring.calibration import Sigmoid, risk_of_margin
from models.scoring.scorer import Scorer, load_scorer, save_scorer
from training.population import FloatArray, Population

MOST_REFERENCE_ROWS = 20_000
_VERIFIED_ROWS = 512


def write_scorer(
    directory: Path,
    definition: Definition,
    *,
    trees: bytes,
    sigmoid: Sigmoid,
    table_budget_mb: float,
    check_on: FloatArray,
) -> Scorer:
    """Write the trees and their calibration as serving loads them, and return them so loaded.

    Raises ExplanationMismatch if they don't score the rows `check_on` as XGBoost does.
    """
    save_scorer(
        directory,
        features=tuple(feature.name for feature in definition.features),
        columns=definition.columns,
        column_feature=np.array(definition.column_feature),
        calibration=sigmoid,
        booster_ubj=trees,
        linear=None,
        table_budget_mb=table_budget_mb,
    )
    scorer = load_scorer(directory)
    scorer.verify(check_on[:_VERIFIED_ROWS])
    return scorer


def seal_artefact(
    directory: Path,
    file: DefinitionFile,
    *,
    reference: Population,
    log_odds: FloatArray,
    evidence: Mapping[str, Any],
    card: Mapping[str, bytes],
    seed: int,
) -> str:
    """Write all beside the scorer and seal the directory; return the artefact's digest.

    `reference` are the people of the cohort with the calibrated log-odds that each had from a fit
    which hadn't seen them. Nothing written depends on clock or machine, so equal fits are equal
    bytes.
    """
    definition = file.definition
    profile = build_profile(
        definition, reference.columns, log_odds, definition_digest=file.digest, seed=seed
    )
    (directory / "model.toml").write_bytes(file.text)
    (directory / "card.md").write_text(file.card, encoding="utf-8")
    (directory / "profile.json").write_bytes(to_json(profile))
    (directory / "evidence.json").write_bytes(plain_json(evidence))
    for name, content in card.items():
        (directory / name).write_bytes(content)
    sample = reference_sample(definition, reference, log_odds, seed)
    sample.to_parquet(directory / "reference.parquet", index=False)
    return write_manifest(directory, definition.name)


def reference_sample(
    definition: Definition, reference: Population, log_odds: FloatArray, seed: int
) -> pd.DataFrame:
    """Return at most 20,000 rows of features and score, in random order, without any identifier."""
    generator = np.random.Generator(np.random.PCG64(seed))
    rows = generator.permutation(len(reference))[:MOST_REFERENCE_ROWS]
    columns = {
        feature.name: reference.columns[feature.name][rows] for feature in definition.features
    }
    return pd.DataFrame({**columns, "risk": risk_of_margin(log_odds[rows])})


def plain_json(value: Mapping[str, Any]) -> bytes:
    """Return JSON text of plain values; a number that isn't finite is an error, never a value."""
    return json.dumps(value, indent=1, allow_nan=False, ensure_ascii=False).encode()
