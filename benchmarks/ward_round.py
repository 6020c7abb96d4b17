"""An installation that serves a shipped definition over CDS Hooks, and what its EHR sends."""

import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import xgboost

import models
from benchmarks.made_up import DEPTH, TREES, Installation
from models.artefact import write_manifest
from models.definition import Definition, read_definition
from models.encoding import encode_table
from models.feature import Feature
from models.scoring.calibration import Sigmoid
from models.scoring.scorer import save_scorer
from records.home import init_home
from records.settings import Settings
from serving.examples import hook_request

ROWS = 4_000
PEOPLE = 64


def install_shipped(home: Path, name: str) -> Installation:
    """Fit a model of a shipped definition to made-up people, and make a test client for it."""
    settings = Settings(home=home)
    init_home(settings)
    from records.migration import migrate

    migrate(settings)
    from records.clients import create_client

    # of a test client, since only such a one may read back by plain HTTP
    key, _ = create_client("ward", ("predict", "explain"), is_test=True, now=datetime.now(UTC))
    artefacts = home / "served"
    digest = _write_artefact(name, artefacts / name)
    listed = {"models": [{"name": name, "version": "1", "artefact_digest": digest}]}
    (artefacts / "served.json").write_bytes(msgspec.json.encode(listed))
    return Installation(settings, artefacts, key)


def definition_of(name: str) -> Definition:
    """Return a shipped definition."""
    return read_definition(_source(name)).definition


def hook_requests(definition: Definition) -> list[bytes]:
    """Return requests with a complete prefetch, each of other results."""
    return [msgspec.json.encode(one) for one in _hooked(definition)]


def read_back_request(definition: Definition, server: str) -> bytes:
    """Return a request without prefetch, with a server to read back from."""
    request = next(_hooked(definition))
    del request["prefetch"]
    token = {"access_token": "t", "token_type": "Bearer", "expires_in": 300}
    access = {**token, "scope": "patient/*.rs", "subject": "auscult"}
    return msgspec.json.encode({**request, "fhirServer": server, "fhirAuthorization": access})


def flat_values(definition: Definition) -> list[bytes]:
    """Return the same people's values by name, as a bare route takes them."""
    return [
        msgspec.json.encode({one.name: column[i] for one, column in _columns(definition, PEOPLE)})
        for i in range(PEOPLE)
    ]


def _hooked(definition: Definition) -> Iterator[dict[str, Any]]:
    columns = {
        one.name: column for one, column in _columns(definition, PEOPLE) if one.kind == "numeric"
    }
    for i in range(PEOPLE):
        request = hook_request(definition, datetime.now(UTC))
        for key, found in request["prefetch"].items():
            feature = key.rpartition("_")[0]
            for entry in found.get("entry", ()):
                if feature in columns:
                    entry["resource"]["valueQuantity"]["value"] = columns[feature][i]
        yield request


def _source(name: str) -> Path:
    return Path(models.__file__).parent / name / "model.toml"


def _write_artefact(name: str, directory: Path) -> str:
    directory.mkdir(parents=True)
    for file in ("model.toml", "card.md"):
        shutil.copy(_source(name).with_name(file), directory)
    definition = definition_of(name)
    columns = {one.name: np.array(column) for one, column in _columns(definition, ROWS)}
    inputs = encode_table(definition, columns)
    spread = (inputs - inputs.mean(axis=0)) / (inputs.std(axis=0) + 1e-9)
    outcome = np.random.default_rng(5).random(ROWS) < 1 / (1 + np.exp(-spread.sum(axis=1)))
    parameters = {"objective": "binary:logistic", "max_depth": DEPTH, "eta": 0.1, "nthread": 2}
    booster = xgboost.train(parameters, xgboost.DMatrix(inputs, label=outcome), TREES)
    save_scorer(
        directory,
        features=tuple(feature.name for feature in definition.features),
        columns=definition.columns,
        column_feature=np.array(definition.column_feature),
        calibration=Sigmoid(1.0, 0.0),
        booster_ubj=bytes(booster.save_raw("ubj")),
        linear=None,
    )
    return write_manifest(directory, name)


def _columns(definition: Definition, rows: int) -> Iterator[tuple[Feature, list[Any]]]:
    """Yield each feature with values within its plausible range and the inclusion limits."""
    rng = np.random.default_rng(7)
    for feature in definition.features:
        if feature.kind == "categorical":
            yield feature, rng.choice(list(feature.categories), rows).tolist()
            continue
        low, high = feature.plausible or (0.0, 1.0)
        for rule in definition.inclusion:
            if rule.feature == feature.name:
                low = low if rule.at_least is None else max(low, rule.at_least)
        numbers = rng.uniform(low, high, rows)
        yield feature, (np.ceil(numbers) if feature.is_whole else numbers.round(2)).tolist()
