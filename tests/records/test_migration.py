from pathlib import Path

import pytest
from django.core.management import call_command
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder

from models.errors import NotMigrated, RecordError
from records.migration import check_migrated, migrate
from records.settings import Settings
from records.setup import configure


def test_the_migrations_make_the_tables_that_the_models_describe(sqlite_db: Settings) -> None:
    call_command("makemigrations", "records", check=True, dry_run=True, verbosity=0)


def test_migrating_says_what_it_did_and_does_it_once(records_db: Settings) -> None:
    assert migrate(records_db) == []
    check_migrated()


def test_a_new_database_is_migrated(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    assert "records.0001_initial" in migrate(settings)
    check_migrated()


def test_the_migrating_role_may_be_another(sqlite_db: Settings, tmp_path: Path) -> None:
    elsewhere = f"sqlite:///{tmp_path / 'elsewhere.db'}"
    assert migrate(sqlite_db.model_copy(update={"migrate_url": elsewhere}))
    assert (tmp_path / "elsewhere.db").is_file()
    assert Path(str(connection.settings_dict["NAME"])).name == "records.db"


def test_a_missing_database_is_refused_and_not_made(tmp_path: Path) -> None:
    configure(Settings(home=tmp_path))
    with pytest.raises(NotMigrated, match="auscult migrate"):
        check_migrated()
    assert not (tmp_path / "records.db").exists()


def test_an_older_database_is_refused(sqlite_db: Settings) -> None:
    MigrationRecorder(connection).record_unapplied("records", "0007_mute_condition")
    with pytest.raises(NotMigrated, match="older tables; run `auscult migrate`"):
        check_migrated()


def test_a_newer_database_is_refused(sqlite_db: Settings) -> None:
    MigrationRecorder(connection).record_applied("records", "9999_from_the_future")
    with pytest.raises(NotMigrated, match="9999_from_the_future"):
        check_migrated()


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / "records.db").write_text("a letter, not a database" * 10)
    with pytest.raises(RecordError, match="not a database"):
        migrate(Settings(home=tmp_path))
