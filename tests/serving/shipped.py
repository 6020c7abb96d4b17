"""Scorers for the shipped definitions, fitted to made-up people, for tests of the definitions."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import xgboost

from models.artefact import write_manifest
from models.definition import Definition, read_definition
from models.encoding import encode_table
from models.feature import Feature
from models.risk_model import RiskModel
from models.scoring.calibration import Sigmoid
from models.scoring.scorer import save_scorer

ROWS = 400


def fit_definition(source: Path, directory: Path) -> RiskModel:
    """Fit a small model of a definition whose every feature matters, its absence too."""
    directory.mkdir(parents=True)
    for name in ("model.toml", "card.md"):
        shutil.copy(source.with_name(name), directory / name)
    definition = read_definition(directory / "model.toml").definition
    rng = np.random.default_rng(5)
    columns = {one.name: _column(definition, one, rng) for one in definition.features}
    inputs = encode_table(definition, columns)
    log_odds = np.nan_to_num(_standardised(inputs), nan=-0.5).sum(axis=1)
    outcome = rng.random(ROWS) < 1 / (1 + np.exp(-log_odds + 1))
    parameters = {"objective": "binary:logistic", "max_depth": 3, "eta": 0.4, "nthread": 1}
    booster = xgboost.train(parameters, xgboost.DMatrix(inputs, label=outcome), 25)
    save_scorer(
        directory,
        features=tuple(feature.name for feature in definition.features),
        columns=definition.columns,
        column_feature=np.array(definition.column_feature),
        calibration=Sigmoid(1.0, 0.0),
        booster_ubj=bytes(booster.save_raw("ubj")),
        linear=None,
    )
    digest = write_manifest(directory, definition.name)
    return RiskModel.load(directory, version="1", digest=digest)


def limits(definition: Definition, feature: Feature) -> tuple[float, float]:
    """The plausible range of a number within the inclusion limits."""
    low, high = feature.plausible or (0.0, 1.0)
    for rule in definition.inclusion:
        if rule.feature == feature.name:
            low = low if rule.at_least is None else max(low, rule.at_least)
            high = high if rule.at_most is None else min(high, rule.at_most)
    return low, high


def levels(definition: Definition, feature: Feature) -> list[str]:
    """The categories within the inclusion limits."""
    for rule in definition.inclusion:
        if rule.feature == feature.name and rule.one_of:
            return list(rule.one_of)
    return list(feature.categories)


def may_be_missing(definition: Definition, feature: Feature) -> bool:
    """Whether a feature may be missing on its own in a training table."""
    needed = {rule.feature for rule in definition.inclusion}
    grouped = {name for group in definition.smallest_set for name in group.of}
    return not feature.required and feature.name not in needed | grouped


def _column(definition: Definition, feature: Feature, rng: np.random.Generator) -> Any:
    if feature.kind == "categorical":
        column = rng.choice(levels(definition, feature), ROWS).astype(object)
        absent: Any = None
    else:
        column, absent = rng.uniform(*limits(definition, feature), ROWS), np.nan
        column = np.ceil(column) if feature.is_whole else column
    if may_be_missing(definition, feature):
        column[rng.random(ROWS) < 0.2] = absent
    return column


def _standardised(inputs: np.ndarray) -> np.ndarray:
    spread = np.nanstd(inputs, axis=0)
    centred = inputs - np.nanmean(inputs, axis=0)
    return np.asarray(centred / np.where(spread == 0, 1, spread))
