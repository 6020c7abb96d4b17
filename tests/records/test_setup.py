from pathlib import Path

import pytest
from django.db import connection

from models.errors import SettingsError
from records.models import Client
from records.settings import Settings
from records.setup import configure, database_config, without_secrets
from tests.records.made_up import NOW

POSTGRESQL = "postgresql://auditor:s3cret%21@db.example.org:5433/auscult?sslmode=verify-full"


def test_a_postgresql_url_is_taken_apart() -> None:
    config = database_config(POSTGRESQL)
    assert config["ENGINE"] == "django.db.backends.postgresql"
    assert (config["HOST"], config["PORT"], config["NAME"]) == ("db.example.org", "5433", "auscult")
    assert (config["USER"], config["PASSWORD"]) == ("auditor", "s3cret!")
    assert config["OPTIONS"] == {"sslmode": "verify-full"}


def test_a_postgresql_server_is_reached_by_its_socket() -> None:
    config = database_config("postgresql:///auscult?host=/var/run/postgresql")
    assert (config["HOST"], config["NAME"]) == ("/var/run/postgresql", "auscult")


@pytest.mark.parametrize(
    "url",
    [
        "mysql://auditor:s3cret@db.example.org/auscult",
        "postgresql://auditor:s3cret@db.example.org:port/auscult",
        "postgresql://auditor:s3cret%zz@db.example.org/auscult",
        "postgresql://auditor:s3cret@db.example.org/",
        "postgresql://auditor:s3cret@db.example.org/auscult?password=s3cret&colour=blue",
        "sqlite://records.db",
        "sqlite:///",
        "sqlite:///:memory:",
        "records.db",
    ],
)
def test_a_url_that_names_no_database_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(SettingsError, match="database") as caught:
        database_config(url)
    error: BaseException | None = caught.value
    while error is not None:
        assert "s3cret" not in str(error)
        error = error.__cause__


def test_a_url_is_shown_without_its_secrets() -> None:
    assert without_secrets(POSTGRESQL) == "postgresql://db.example.org:5433/auscult"


def test_configuring_points_at_the_settings_database(records_db: Settings, tmp_path: Path) -> None:
    Client.objects.create(key_id="a", name="a", digest="", created_at=NOW, expires_at=NOW)
    configure(Settings(home=tmp_path / "elsewhere"))
    assert connection.settings_dict["NAME"] == str(tmp_path / "elsewhere" / "records.db")
    configure(records_db)
    configure(records_db)
    assert Client.objects.count() == 1


def test_sqlite_syncs_every_commit(sqlite_db: Settings) -> None:
    with connection.cursor() as cursor:
        assert cursor.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert cursor.execute("PRAGMA synchronous").fetchone() == (2,)
