"""A clinic that uses a made-up model: fixtures of its reference and of its records."""

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest

from models.artefact import write_manifest
from models.definition import Definition, parse_definition
from models.profile import ReferenceProfile, build_profile, to_json
from records.settings import Settings

# tables can be imported only once Django is set up, which is after conftests are loaded
if TYPE_CHECKING:
    from tests.monitoring.clinic import Clinic


Artefact = tuple[Definition, ReferenceProfile, Path]


@pytest.fixture(scope="session")
def artefact(tmp_path_factory: pytest.TempPathFactory) -> Artefact:
    """The definition, profile and reference that training leaves for monitoring."""
    from tests.monitoring.clinic import DEFINITION, log_odds, people, save_formula

    directory = tmp_path_factory.mktemp("artefact")
    text = DEFINITION.encode()
    (directory / "model.toml").write_bytes(text)
    definition = parse_definition(text, source="tests")
    columns = people(6000, np.random.default_rng(7))
    margin = log_odds(columns)
    profile = build_profile(
        definition,
        columns,
        margin,
        definition_digest=hashlib.sha256(text).hexdigest(),
        seed=1,
    )
    (directory / "profile.json").write_bytes(to_json(profile))
    (directory / "card.html").write_text("<!doctype html><title>Card</title><p>A made-up card</p>")
    sample = pd.DataFrame(columns).head(2000)
    sample["risk"] = 1 / (1 + np.exp(-margin[:2000]))
    sample.to_parquet(directory / "reference.parquet")
    (directory / "card.md").write_text("# A made-up model\n\nFor tests only.")
    save_formula(directory, definition)
    write_manifest(directory, definition.name)
    return definition, profile, directory / "reference.parquet"


@pytest.fixture
def clinic(artefact: Artefact, sqlite_db: Settings) -> "Clinic":
    """A model in use whose records are empty."""
    from tests.monitoring.clinic import Clinic

    return Clinic(*artefact, sqlite_db)


@pytest.fixture
def any_clinic(artefact: Artefact, records_db: Settings) -> "Clinic":
    """The same on each kind of database."""
    from tests.monitoring.clinic import Clinic

    return Clinic(*artefact, records_db)
