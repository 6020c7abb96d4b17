"""Making an installation: home, keys, database, first client, first console user."""

import getpass
import os
from datetime import datetime

from auscult.database import set_up_django
from models.errors import SettingsError
from records.settings import Settings


def install(settings: Settings, *, client: str, user: str, now: datetime) -> dict[str, str]:
    """Make what is missing, and return the secrets made, which are stored nowhere in this form.

    Raises SettingsError where the installation exists already.
    """
    if settings.pseudonym_key.exists():
        raise SettingsError(
            f"{settings.root} is set up already (its keys stand in {settings.keys}); "
            "use `auscult client create` or `auscult user create` for more"
        )
    prepare(settings, now)
    from auscult.people import new_client, new_user

    by = getpass.getuser()

    return {
        f"API key of client {client}": new_client(client, now=now, by=by),
        f"console user {user}": new_user(user, role="reviewer", by=by, now=now),
    }


def prepare(settings: Settings, now: datetime) -> None:
    """Make home, keys and database where they are missing; keep what is there."""
    from auscult.people import note_users
    from records import migration
    from records.home import init_home
    from records.pseudonym import check_key, read_pseudonym_key

    init_home(settings)
    set_up_django()
    migration.migrate(settings)
    note_users(now)
    check_key(read_pseudonym_key(settings.pseudonym_key))


def exports(settings: Settings) -> dict[str, str]:
    """Return the environment with which the libraries' own commands find what Auscult made."""
    from records.telemetry import SWITCHES

    return {
        "AUSCULT_HOME": os.fspath(settings.root),
        "MLFLOW_TRACKING_URI": settings.tracking_uri,
        "MLFLOW_REGISTRY_URI": settings.tracking_uri,
        "MLFLOW_BACKEND_STORE_URI": settings.tracking_uri,
        "BENTOML_HOME": os.fspath(settings.bentoml_home),
        **SWITCHES,
    }
