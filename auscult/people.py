"""Clients and console users: making and changing them, each time noted in the audit record."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING

from models.errors import SettingsError
from monitoring.console import account_events

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


def new_user(name: str, *, role: "Role", by: str, now: datetime) -> str:
    """Make a console user and return the password; raise SettingsError where the name is taken."""
    from monitoring.console.accounts import create_console_user

    password = secrets.token_urlsafe(12)
    with _noted(account_events.CREATED, name, by, now, role=role):
        create_console_user(name, password, role)
    return password


def renewed_password(name: str, *, by: str, now: datetime) -> str:
    """Return a new password of a console user; raise SettingsError where there is none."""
    from monitoring.console.accounts import renew_password

    password = secrets.token_urlsafe(12)
    with _noted(account_events.PASSWORD, name, by, now):
        renew_password(name, password)
    return password


def renewed_reviewer(name: str, *, by: str, now: datetime) -> str:
    """Return a new password of a reviewer, who is made where there is none of that name."""
    try:
        return renewed_password(name, by=by, now=now)
    except SettingsError:
        return new_user(name, role="reviewer", by=by, now=now)


def change_role(name: str, role: "Role", *, by: str, now: datetime) -> None:
    """Give a console user another role; raise SettingsError where there is no such user."""
    from monitoring.console import accounts

    with _noted(account_events.ROLE, name, by, now, role=role):
        accounts.change_role(name, role)


def retire_user(name: str, *, by: str, now: datetime) -> None:
    """Let a console user in no more; raise SettingsError where there is none to retire."""
    from monitoring.console.accounts import admit

    with _noted(account_events.RETIRED, name, by, now):
        admit(name, admitted=False)


def reinstate_user(name: str, *, by: str, now: datetime) -> None:
    """Let a retired console user in again; raise SettingsError where there is none."""
    from monitoring.console.accounts import admit

    with _noted(account_events.REINSTATED, name, by, now):
        admit(name, admitted=True)


def remove_second_factor(name: str, *, by: str, now: datetime) -> None:
    """Forget a console user's authenticator; raise SettingsError where there is none."""
    from monitoring.console import accounts

    with _noted(account_events.SECOND_FACTOR, name, by, now):
        accounts.remove_second_factor(name)


def note_users(now: datetime) -> None:
    """Write down once who the console's users are, from whom later changes are told."""
    from django.db import transaction

    from monitoring.console.account_agreement import accounts
    from records import audit
    from records.models import AuditEvent

    with transaction.atomic():
        if not AuditEvent.objects.filter(action=account_events.NOTED).exists():
            audit.note(account_events.NOTED, "auscult migrate", {"users": accounts()}, now)


@contextmanager
def _noted(action: str, user: str, by: str, now: datetime, **more: str) -> Iterator[None]:
    """Change an account and write that to the audit record, both or neither."""
    from django.db import transaction

    from records import audit

    with transaction.atomic():
        yield
        audit.note(action, by, {"user": user, **more}, now)
