"""New clients and console users, and the secrets that are made for them."""

import secrets
from datetime import datetime
from typing import TYPE_CHECKING

from models.errors import SettingsError

if TYPE_CHECKING:
    from monitoring.console.accounts import Role

CLIENT_SCOPES = ("predict", "explain", "outcome", "read")


def new_client(
    name: str,
    *,
    now: datetime,
    by: str,
    scopes: tuple[str, ...] = CLIENT_SCOPES,
    is_test: bool = False,
    valid_days: int = 365,
) -> str:
    """Make a client's API key and return it; who made it stands in the audit record."""
    from django.db import transaction

    from records import audit
    from records.agreement.clients import particulars
    from records.clients import create_client

    with transaction.atomic():
        key, client = create_client(name, scopes, is_test=is_test, valid_days=valid_days, now=now)
        audit.note("client created", by, particulars(client), now)
    return key


def revoke_key(key_id: str, *, by: str, now: datetime) -> None:
    """Make a key invalid from now on; raise RecordError where there is no such live key."""
    from django.db import transaction

    from records import audit
    from records.clients import revoke_client

    with transaction.atomic():
        revoke_client(key_id, now=now)
        audit.note("client revoked", by, {"key_id": key_id}, now)


def only_key(
    name: str, *, by: str, now: datetime, scopes: tuple[str, ...], is_test: bool = False
) -> str:
    """Return a new key of a client whose earlier keys are revoked."""
    from records.models import Client

    live = Client.objects.filter(name=name, revoked_at=None)
    for key_id in list(live.values_list("key_id", flat=True)):
        revoke_key(key_id, by=by, now=now)
    return new_client(name, now=now, by=by, scopes=scopes, is_test=is_test, valid_days=30)


def new_user(name: str, *, role: "Role") -> str:
    """Make a console user and return the password; raise SettingsError where the name is taken."""
    from monitoring.console.accounts import create_console_user

    password = secrets.token_urlsafe(12)
    create_console_user(name, password, role)
    return password


def renewed_password(name: str) -> str:
    """Return a new password of a console user; raise SettingsError where there is none."""
    from monitoring.console.accounts import renew_password

    password = secrets.token_urlsafe(12)
    if not renew_password(name, password):
        raise SettingsError(f"there is no console user {name!r}; see `auscult user create`")
    return password


def renewed_reviewer(name: str) -> str:
    """Return a new password of a reviewer, who is made where there is none of that name."""
    try:
        return renewed_password(name)
    except SettingsError:
        return new_user(name, role="reviewer")
