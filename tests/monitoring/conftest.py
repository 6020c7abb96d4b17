"""A clinic that uses a made-up model: fixtures of its reference and of its records."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from models.definition import Definition
from models.profile import ReferenceProfile
from records.settings import Settings

# tables can be imported only once Django is set up, which is after conftests are loaded
if TYPE_CHECKING:
    from tests.monitoring.clinic import Clinic


Artefact = tuple[Definition, ReferenceProfile, Path]


@pytest.fixture(scope="session")
def artefact(tmp_path_factory: pytest.TempPathFactory) -> Artefact:
    """The definition, profile and reference that training leaves for monitoring."""
    from tests.monitoring.clinic import DEFINITION, leave_artefact, people

    directory = tmp_path_factory.mktemp("artefact")
    return leave_artefact(directory, DEFINITION, people(6000, np.random.default_rng(7)))


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
