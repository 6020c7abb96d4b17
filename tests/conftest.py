"""What every test shares: a home of its own, Django set up once, and databases to record in.

Django can be set up once a process, so it is set up here with the console's settings, before
any test module is imported. A test that needs the tables asks for a fixture, which points
Django's connection at a fresh, migrated database and gives the settings that name it:

- `records_db`: runs the test on SQLite, and again on PostgreSQL where a server is reachable
  (AUSCULT_TEST_POSTGRES_URL; with AUSCULT_REQUIRE_POSTGRES=1 it must be);
- `sqlite_db`: on SQLite only, for tests to which the kind of database can't matter.

Both are real databases with real commits, so other processes, threads and the writer see them.
"""

import atexit
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import hypothesis
import psycopg
import pytest
from psycopg import sql

from records import telemetry
from records.home import init_home
from records.settings import Settings

POSTGRES_URL = os.environ.get("AUSCULT_TEST_POSTGRES_URL", "")
KEPT = ("AUSCULT_TEST_", "AUSCULT_REQUIRE_", "AUSCULT_DATA_DIR")


def pytest_configure() -> None:
    telemetry.switch_off()
    # a busy machine is no defect: property tests have no time limit of their own
    hypothesis.settings.register_profile("suite", deadline=None)
    hypothesis.settings.load_profile("suite")
    for name in [name for name in os.environ if name.startswith("AUSCULT_")]:
        if not name.startswith(KEPT):
            del os.environ[name]
    home = tempfile.mkdtemp(prefix="auscult-tests-")
    atexit.register(shutil.rmtree, home, ignore_errors=True)
    os.environ["AUSCULT_HOME"] = home
    init_home(Settings())
    os.environ["DJANGO_SETTINGS_MODULE"] = "monitoring.console.settings"
    import django
    from django.test.utils import setup_test_environment

    django.setup()
    setup_test_environment()


@pytest.fixture(scope="session")
def migrated_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated SQLite file to copy from."""
    from records.migration import migrate

    home = tmp_path_factory.mktemp("migrated")
    settings = Settings(home=home)
    migrate(settings)
    _let_go()
    return home / "records.db"


@pytest.fixture(scope="session")
def postgresql_server() -> str:
    """The URL of a reachable PostgreSQL server, or the test is skipped."""
    required = os.environ.get("AUSCULT_REQUIRE_POSTGRES") == "1"
    if not POSTGRES_URL and not required:
        pytest.skip("AUSCULT_TEST_POSTGRES_URL names no PostgreSQL server")
    try:
        psycopg.connect(POSTGRES_URL, connect_timeout=5).close()
    except psycopg.OperationalError:
        if required:
            raise
        pytest.skip("the PostgreSQL server of AUSCULT_TEST_POSTGRES_URL isn't reachable")
    return POSTGRES_URL


@pytest.fixture(scope="session")
def migrated_postgresql(postgresql_server: str) -> Iterator[str]:
    """The URL of a migrated PostgreSQL database of this test run's own."""
    from records.migration import migrate

    name = sql.Identifier(f"auscult_test_{uuid4().hex[:12]}")
    with psycopg.connect(postgresql_server, autocommit=True) as server:
        server.execute(sql.SQL("CREATE DATABASE {}").format(name))
        # the writer has to ask for synced commits itself, everything else is quicker without
        server.execute(sql.SQL("ALTER DATABASE {} SET synchronous_commit TO off").format(name))
    base, _, query = postgresql_server.partition("?")
    url = f"{base.rpartition('/')[0]}/{name.as_string()[1:-1]}{'?' if query else ''}{query}"
    migrate(Settings(database_url=url))
    _let_go()
    yield url
    with psycopg.connect(postgresql_server, autocommit=True) as server:
        server.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(name))


@pytest.fixture
def sqlite_db(migrated_sqlite: Path, tmp_path: Path) -> Iterator[Settings]:
    """Settings of a fresh home, whose SQLite database Django is pointed at."""
    settings = Settings(home=tmp_path / "home")
    init_home(settings)
    shutil.copy(migrated_sqlite, settings.root / "records.db")
    yield from _pointed_at(settings)


@pytest.fixture
def postgresql_db(migrated_postgresql: str, tmp_path: Path) -> Iterator[Settings]:
    """Settings of a fresh home and an empty PostgreSQL database, which Django is pointed at."""
    with psycopg.connect(migrated_postgresql, autocommit=True) as connection:
        filled = _filled_tables(connection)
    settings = Settings(home=tmp_path / "home", database_url=migrated_postgresql)
    init_home(settings)
    yield from _pointed_at(settings)
    # making a database anew costs seconds, emptying one milliseconds
    with psycopg.connect(migrated_postgresql, autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        for table in _filled_tables(connection) - filled:
            statement = sql.SQL("TRUNCATE {} RESTART IDENTITY CASCADE")
            connection.execute(statement.format(sql.Identifier(table)))


@pytest.fixture(params=["sqlite", "postgresql"])
def records_db(request: pytest.FixtureRequest) -> Settings:
    """Settings of a fresh, migrated database, once of each kind."""
    settings: Settings = request.getfixturevalue(f"{request.param}_db")
    return settings


def _pointed_at(settings: Settings) -> Iterator[Settings]:
    from records.setup import use_database

    use_database(settings.database)
    yield settings
    _let_go()


def _let_go() -> None:
    from records.setup import use_database

    use_database(Settings().database)


def _filled_tables(connection: psycopg.Connection) -> set[str]:
    rows = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    one_row = sql.SQL("SELECT 1 FROM {} LIMIT 1")
    return {
        table
        for (table,) in rows.fetchall()
        if connection.execute(one_row.format(sql.Identifier(table))).fetchone()
    }
