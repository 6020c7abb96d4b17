"""Setting Django up for the records, and pointing it at a database by that database's URL."""

from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from models.errors import SettingsError
from records.settings import Settings

SQLITE = "sqlite:///"
POSTGRESQL = ("postgresql://", "postgres://")
BUSY_SECONDS = 20
SQLITE_PRAGMAS = (
    "journal_mode=WAL",
    # NORMAL in WAL mode may lose answered predictions at power loss
    "synchronous=FULL",
    "foreign_keys=ON",
    # pages; with SQLite's 1,000 every hundredth commit would wait for a checkpoint
    "wal_autocheckpoint=4000",
    # KiB; the indexes of some 100,000 predictions, which SQLite's 2 MB would read again and again
    "cache_size=-16384",
)


def configure(settings: Settings) -> None:
    """Set Django up with the records app and point it at the settings' database.

    Where Django is set up already (as by the console), only the database is chosen.
    """
    import django
    from django.apps import apps
    from django.conf import settings as django_settings

    if not django_settings.configured:
        django_settings.configure(
            INSTALLED_APPS=["records"],
            DATABASES={"default": database_config(settings.database)},
            DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
            USE_TZ=True,
            TIME_ZONE="UTC",
            LOGGING_CONFIG=None,
        )
    if not apps.ready:
        django.setup()
    if not apps.is_installed("records"):
        raise SettingsError("Django is set up without the records app; call records.setup first")
    use_database(settings.database)


def use_database(url: str, alias: str = "default") -> None:
    """Point Django's connection `alias` at the database, if it isn't there already."""
    from django.db import connections

    config = database_config(url)
    current = connections.settings.get(alias)
    if current is not None and all(current[key] == value for key, value in config.items()):
        return
    forget_database(alias)
    connections.settings[alias] = connections.configure_settings({"default": config})["default"]


def forget_database(alias: str) -> None:
    """Close this thread's connection `alias` and drop where it pointed."""
    from django.db import connections

    if alias not in connections.settings:
        return
    connections[alias].close()
    del connections[alias]
    del connections.settings[alias]


def database_config(url: str) -> dict[str, Any]:
    """Return Django's settings for a database URL; raise SettingsError that hides its password."""
    if url.startswith(SQLITE):
        return {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": str(sqlite_path(url)),
            "OPTIONS": {
                "timeout": BUSY_SECONDS,
                "transaction_mode": "IMMEDIATE",
                "init_command": ";".join(f"PRAGMA {pragma}" for pragma in SQLITE_PRAGMAS),
            },
        }
    if url.startswith(POSTGRESQL):
        return _postgresql_config(url)
    raise SettingsError(
        f"database {without_secrets(url)}: write sqlite:///PATH or "
        "postgresql://USER:PASSWORD@HOST:PORT/NAME"
    )


def sqlite_path(url: str) -> Path:
    """Return the file of an SQLite URL."""
    name = url.removeprefix(SQLITE)
    if not name or name.startswith((":", "file:")):
        raise SettingsError(f"database {url}: name a file; several processes have to share it")
    return Path(name).absolute()


def without_secrets(url: str) -> str:
    """Return a database URL without user, password and query, fit to be shown."""
    scheme, separator, rest = url.partition("://")
    if not separator:
        return f"of {len(url)} characters without a scheme"
    return f"{scheme}://{rest.rpartition('@')[2].partition('?')[0]}"


def _postgresql_config(url: str) -> dict[str, Any]:
    from psycopg import ProgrammingError
    from psycopg.conninfo import conninfo_to_dict

    try:
        parts = dict(conninfo_to_dict(url))
        _ = urlsplit(url).port  # raises ValueError unless it's a number
    except (ProgrammingError, ValueError) as error:
        # the cause is left out: libpq's text may quote the password
        raise SettingsError(
            f"database {without_secrets(url)}: not a PostgreSQL URL; write "
            "postgresql://USER:PASSWORD@HOST:PORT/NAME, with special characters as %XX"
        ) from error.__cause__
    if not parts.get("dbname"):
        raise SettingsError(f"database {without_secrets(url)}: name the database after the host")
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": parts.pop("dbname"),
        "USER": parts.pop("user", ""),
        "PASSWORD": parts.pop("password", ""),
        "HOST": parts.pop("host", ""),
        "PORT": str(parts.pop("port", "")),
        "OPTIONS": parts,
    }
