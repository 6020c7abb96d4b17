"""Opening the database for a command, which refuses one that isn't migrated."""

import os
from datetime import UTC, datetime

from models.errors import AuscultError, SettingsError
from records.settings import Settings, check_home, read_settings


def set_up_django() -> None:
    """Set Django up with every app, the console's accounts too; do nothing the second time."""
    import django
    from django.apps import apps

    if not apps.ready:
        os.environ.setdefault("DJANGO_SETTINGS_MODULE", "monitoring.console.settings")
        django.setup()


def open_records() -> Settings:
    """Read the settings and open the database.

    Raises SettingsError where nothing is set up yet, NotMigrated where the schema differs.
    """
    settings = read_settings()
    if not settings.pseudonym_key.exists():
        raise SettingsError(f"nothing is set up in {settings.root}; run `auscult init` first")
    if settings.database_url is None:
        check_home(settings.root, os.W_OK | os.X_OK, "can't be written")
    set_up_django()
    from records.migration import check_migrated

    check_migrated()
    return settings


def in_words(error: Exception) -> str | None:
    """Say in one line why a command failed, or return None where nobody foresaw that.

    A database that is locked, full or gone for a while is foreseen wherever it's met.
    """
    if isinstance(error, AuscultError):
        return str(error)
    from django.db import InterfaceError, OperationalError  # its loading takes a moment

    if isinstance(error, InterfaceError | OperationalError):
        said = str(error).strip().partition("\n")[0]
        return f"the database can't be used now ({said}); run the command again when it can"
    return None


def close_connections() -> None:
    """Let go of connections to the database, one of which may be broken; the next use reopens."""
    from django.db import connections

    connections.close_all()


def now() -> datetime:
    """Return the present moment; the only clock that the commands read."""
    return datetime.now(UTC)
