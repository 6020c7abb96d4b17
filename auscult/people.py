"""New clients and console users, and the secrets that are made for them."""

import secrets
from datetime import datetime
from typing import Literal

CLIENT_SCOPES = ("predict", "explain", "outcome", "read")


def new_client(
    name: str,
    *,
    now: datetime,
    scopes: tuple[str, ...] = CLIENT_SCOPES,
    is_test: bool = False,
    valid_days: int = 365,
) -> str:
    """Make a client and return its API key."""
    from records.clients import create_client

    key, _ = create_client(name, scopes, is_test=is_test, valid_days=valid_days, now=now)
    return key


def new_user(name: str, *, role: Literal["viewer", "reviewer"]) -> str:
    """Make a console user and return the password; raise SettingsError where the name is taken."""
    from monitoring.console.accounts import create_console_user

    password = secrets.token_urlsafe(12)
    create_console_user(name, password, role)
    return password


def renewed_reviewer(name: str) -> str:
    """Return a new password of a reviewer, who is made where there is none of that name."""
    from monitoring.console.accounts import renew_password

    password = secrets.token_urlsafe(12)
    return password if renew_password(name, password) else new_user(name, role="reviewer")
