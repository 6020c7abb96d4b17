from pathlib import Path

import pytest
from django.core.management import call_command
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder

from models.errors import NotMigrated, RecordError
from records import heads
from records.migration import check_migrated, migrate
from records.models import Prediction
from records.settings import Settings
from records.setup import configure
from records.verification import verify
from records.writer import Writer
from tests.records.made_up import prediction

TABLE = Prediction._meta.db_table


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
    MigrationRecorder(connection).record_unapplied("records", "0010_basis")
    with pytest.raises(NotMigrated, match="older tables; run `auscult migrate`"):
        check_migrated()


def test_what_was_recorded_before_wards_codes_and_readings_verifies_afterwards(
    records_db: Settings,
) -> None:
    writer = Writer(records_db.database, queue=10)
    writer.start()
    writer.submit([prediction(), prediction(site="north")]).result(10)
    writer.close()
    try:
        call_command("migrate", "records", "0008", verbosity=0)
        with connection.cursor() as cursor:
            cursor.execute("SELECT * FROM records_prediction")
            columns = {column[0] for column in cursor.description}
            assert columns.isdisjoint(("ward", "codes", "basis", "unused"))
    finally:
        assert migrate(records_db) == ["records.0009_places", "records.0010_basis"]
    later = Prediction.objects.values_list("ward", "codes", "basis", "unused")
    assert list(later) == [("", {}, "", [])] * 2
    key = heads.read_signing_key(records_db.signing_key).public_key()
    found = verify(heads.known(records_db.heads), key)
    assert (found.records, found.faults) == (2, ())


def test_a_ledger_is_not_copied_for_columns_more(sqlite_db: Settings) -> None:
    def place() -> tuple[int, str]:
        with connection.cursor() as cursor:
            cursor.execute("SELECT rootpage, sql FROM sqlite_master WHERE name=%s", [TABLE])
            return cursor.fetchone()

    call_command("migrate", "records", "0008", verbosity=0)
    before, _ = place()
    migrate(sqlite_db)
    after, described = place()
    assert after == before
    assert """"ward" varchar(64) DEFAULT '' NOT NULL""" in described


def test_a_newer_database_is_refused(sqlite_db: Settings) -> None:
    MigrationRecorder(connection).record_applied("records", "9999_from_the_future")
    with pytest.raises(NotMigrated, match="9999_from_the_future"):
        check_migrated()


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / "records.db").write_text("a letter, not a database" * 10)
    with pytest.raises(RecordError, match="not a database"):
        migrate(Settings(home=tmp_path))
