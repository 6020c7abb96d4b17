"""What the tests of training share: a made-up model, its people, and one version trained once."""

import shutil
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from models.definition import Definition, DefinitionFile
from records.settings import Settings
from tests.training.readmissions import DEFINITION, cohort, followed, people, write_definition
from training.cohort import Cohort
from training.population import Population, admit

if TYPE_CHECKING:
    from training.run import TrainedVersion

NOW = datetime(2026, 5, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Trained:
    """One trained version, what it was trained on, and the home that it lies in."""

    version: "TrainedVersion"
    file: DefinitionFile
    cohort: Cohort
    settings: Settings
    stages: tuple[tuple[str, int, int], ...]


@pytest.fixture
def now() -> datetime:
    return NOW


@pytest.fixture(scope="session")
def definition_file(tmp_path_factory: pytest.TempPathFactory) -> DefinitionFile:
    return write_definition(tmp_path_factory.mktemp("readmission"))


@pytest.fixture(scope="session")
def definition(definition_file: DefinitionFile) -> Definition:
    return definition_file.definition


@pytest.fixture(scope="session")
def population(definition: Definition) -> Population:
    return admit(cohort(people()), definition, NOW)[0]


@pytest.fixture(scope="session")
def censored_population(definition: Definition) -> Population:
    return admit(cohort(followed()), definition, NOW)[0]


@pytest.fixture(scope="session")
def trained(definition_file: DefinitionFile, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """A version trained by Ada on people of whom some are lost to follow-up."""
    from training.options import TrainOptions
    from training.run import train

    settings = Settings(home=tmp_path_factory.mktemp("trained"))
    stages: list[tuple[str, int, int]] = []
    table = cohort(followed())
    version = train(
        definition_file,
        table,
        TrainOptions(trained_by="Ada", quick=True, draws=40, seed=7),
        settings=settings,
        progress=lambda *stage: stages.append(stage),
        now=NOW,
    )
    return Trained(version, definition_file, table, settings, tuple(stages))


@pytest.fixture(scope="session")
def stricter_version(trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Another version in the same registry, whose definition asks for an AUROC that it lacks."""
    from training.options import TrainOptions
    from training.run import train

    text = DEFINITION.replace("at_least = 0.6", "at_least = 0.99")
    return train(
        write_definition(tmp_path_factory.mktemp("stricter"), text),
        trained.cohort,
        TrainOptions(trained_by="Ada", quick=True, draws=40, seed=8),
        settings=trained.settings,
        progress=lambda *_: None,
        now=NOW,
    ).version


@pytest.fixture(scope="session")
def artefact(trained: Trained) -> Path:
    return trained.version.directory


def share_registry(source: Settings, into: Settings) -> None:
    """Give a home a copy of another's registry, and a link to the files that this is of."""
    shutil.copy(source.root / "mlflow.db", into.root / "mlflow.db")
    if into.mlflow_artifacts.is_dir():
        into.mlflow_artifacts.rmdir()
    into.mlflow_artifacts.symlink_to(source.mlflow_artifacts)


@pytest.fixture
def registry(sqlite_db: Settings, trained: Trained, stricter_version: str) -> Settings:
    """A home with a migrated database and a registry of its own that holds both versions."""
    assert stricter_version != trained.version.version
    share_registry(trained.settings, sqlite_db)
    return sqlite_db
