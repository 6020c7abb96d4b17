"""Making the tables, and refusing a database whose tables are others than this code's."""

import os
from pathlib import Path

from models.errors import NotMigrated, RecordError, SettingsError
from records.settings import Settings, check_home
from records.setup import configure, forget_database, use_database

MIGRATOR = "migrator"


def migrate(settings: Settings) -> list[str]:
    """Bring the database to this code's tables, and return the migrations that did so.

    On PostgreSQL another role may own the tables: it is named by AUSCULT_MIGRATE_URL.
    """
    from django.core.management import call_command
    from django.db import DatabaseError, connections
    from django.db.migrations.executor import MigrationExecutor

    _check_place(settings)
    configure(settings)
    alias = MIGRATOR if settings.migrate_url else "default"
    try:
        if settings.migrate_url:
            use_database(settings.migrate_url, alias)
        executor = MigrationExecutor(connections[alias])
        plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
        call_command("migrate", database=alias, verbosity=0, interactive=False)
    except DatabaseError as error:
        raise RecordError(f"the database can't be migrated: {error}") from error
    finally:
        if settings.migrate_url:
            forget_database(alias)
    return [f"{migration.app_label}.{migration.name}" for migration, _ in plan]


def _check_place(settings: Settings) -> None:
    """Raise SettingsError where the home can't hold the database that it should."""
    if settings.database_url is None:
        if not settings.root.is_dir():
            raise SettingsError(f"AUSCULT_HOME: {settings.root} isn't there; run `auscult init`")
        check_home(settings.root, os.W_OK | os.X_OK, "can't be written")


def check_migrated() -> None:
    """Raise NotMigrated unless the database has exactly this code's tables."""
    from django.db import DatabaseError, connection
    from django.db.migrations.executor import MigrationExecutor

    name = connection.settings_dict["NAME"]
    if connection.vendor == "sqlite" and not Path(str(name)).is_file():
        raise NotMigrated(f"there is no database {name} yet; run `auscult migrate`")
    try:
        executor = MigrationExecutor(connection)
    except DatabaseError as error:
        raise RecordError(f"the database {name} can't be reached: {error}") from error
    loader = executor.loader
    if executor.migration_plan(loader.graph.leaf_nodes()):
        raise NotMigrated(f"the database {name} has older tables; run `auscult migrate`")
    known = set(loader.disk_migrations)
    newer = {key for key in loader.applied_migrations if key[0] == "records"} - known
    if newer:
        raise NotMigrated(
            f"the database {name} has newer tables than this code ({sorted(newer)[-1][1]}); "
            "install the release that made them, `auscult migrate` doesn't go back"
        )
