"""People with and without roles, and a model whose alarm they look at."""

import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from django.conf import settings as django_settings
from django.test import Client

from models.definition import Definition
from models.profile import ReferenceProfile
from records.settings import Settings
from tests.monitoring.console.people import PASSWORD

if TYPE_CHECKING:
    from tests.monitoring.clinic import Clinic

Artefact = tuple[Definition, ReferenceProfile, Path]


@pytest.fixture(scope="session")
def watched_home(
    artefact: Artefact, migrated_sqlite: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A home to copy from: people, and a clinic whose creatinine went missing, watched."""
    from records.home import init_home
    from records.setup import use_database
    from tests.monitoring.clinic import FIRST, Clinic, both, older, without_creatinine

    settings = Settings(home=tmp_path_factory.mktemp("watched"))
    init_home(settings)
    shutil.copy(migrated_sqlite, settings.root / "records.db")
    use_database(settings.database)
    clinic = Clinic(*artefact, settings)
    clinic.record_days(FIRST, 10)
    change = both(without_creatinine(0.9), older(15))
    clinic.record_days(FIRST + timedelta(days=10), 5, change=change)
    clinic.watch(FIRST + timedelta(days=14))
    (settings.reports / clinic.model / "1" / "2024.html").write_text("<title>A report</title>")
    add_people()
    promote(clinic)
    use_database(Settings().database)
    return settings.root


def add_people() -> None:
    """Rita reviews, Vera looks, Nora has an account and no role."""
    from django.contrib.auth.models import User

    from monitoring.console.accounts import create_console_user

    create_console_user("rita", PASSWORD, "reviewer")
    create_console_user("vera", PASSWORD, "viewer")
    User.objects.create_user("nora", password=PASSWORD)


def promote(clinic: "Clinic") -> None:
    """Let `champion` mean the version that is watched."""
    from records import tenure

    tenure.move_alias(
        clinic.model,
        "champion",
        "1",
        by="paula",
        because="It passes its gates",
        evidence={"run_id": "0123abcd"},
        now=datetime(2024, 1, 1, tzinfo=UTC),
    )


@pytest.fixture
def watched(
    watched_home: Path,
    artefact: Artefact,
    sqlite_db: Settings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> "Clinic":
    """A clinic with people, alarm and report, its definition in a directory of AUSCULT_MODELS."""
    from tests.monitoring.clinic import DEFINITION, Clinic

    models = tmp_path / "models" / "kidney_failure"
    models.mkdir(parents=True)
    (models / "model.toml").write_text(DEFINITION)
    (models / "card.md").write_text("# A made-up model\n\nFor tests only.")
    settings = sqlite_db.model_copy(update={"models": (tmp_path / "models",)})
    shutil.copytree(watched_home / "reports", settings.reports)
    shutil.copy(watched_home / "records.db", settings.root / "records.db")
    monkeypatch.setattr(django_settings, "AUSCULT", settings)
    return Clinic(*artefact, settings)


@pytest.fixture
def browse(watched: "Clinic") -> Callable[[str], Client]:
    """A browser in which a person is logged in; nobody is, for the name `anonymous`."""
    from django.contrib.auth.models import User

    def logged_in(name: str) -> Client:
        client = Client()
        if name != "anonymous":
            client.force_login(User.objects.get(username=name))
        return client

    return logged_in
