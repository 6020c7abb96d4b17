"""One service for all faults, on a database of its own."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from models.risk_model import RiskModel
from records.home import init_home
from records.settings import Settings
from tests.serving.conftest import Service, serving


@pytest.fixture(scope="module")
def service(
    migrated_sqlite: Path, tmp_path_factory: pytest.TempPathFactory, model: RiskModel
) -> Iterator[Service]:
    """The made-up model, served for the whole module."""
    from records.setup import use_database

    settings = Settings(home=tmp_path_factory.mktemp("faults") / "home")
    init_home(settings)
    shutil.copy(migrated_sqlite, settings.root / "records.db")
    use_database(settings.database)
    with serving(model) as start:
        yield start(settings)
    use_database(Settings().database)
