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
    """The name of a migrated PostgreSQL database to copy from."""
    from records.migration import migrate

    name = f"auscult_template_{uuid4().hex[:12]}"
    _run(postgresql_server, "CREATE DATABASE {}", name)
    migrate(Settings(database_url=_named(postgresql_server, name)))
    _let_go()
    yield name
    _run(postgresql_server, "DROP DATABASE {} WITH (FORCE)", name)


@pytest.fixture
def sqlite_db(migrated_sqlite: Path, tmp_path: Path) -> Iterator[Settings]:
    """Settings of a fresh home, whose SQLite database Django is pointed at."""
    settings = Settings(home=tmp_path / "home")
    init_home(settings)
    shutil.copy(migrated_sqlite, settings.root / "records.db")
    yield from _pointed_at(settings)


@pytest.fixture
def postgresql_db(
    postgresql_server: str, migrated_postgresql: str, tmp_path: Path
) -> Iterator[Settings]:
    """Settings of a fresh home and PostgreSQL database, which Django is pointed at."""
    name = f"auscult_test_{uuid4().hex[:12]}"
    _run(postgresql_server, "CREATE DATABASE {} TEMPLATE {}", name, migrated_postgresql)
    settings = Settings(home=tmp_path / "home", database_url=_named(postgresql_server, name))
    init_home(settings)
    yield from _pointed_at(settings)
    _run(postgresql_server, "DROP DATABASE {} WITH (FORCE)", name)


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


def _named(server: str, name: str) -> str:
    base, _, query = server.partition("?")
    return f"{base.rpartition('/')[0]}/{name}{'?' if query else ''}{query}"


def _run(server: str, statement: str, *names: str) -> None:
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))
