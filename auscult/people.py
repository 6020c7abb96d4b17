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
    """Make a console user, or give one a new password, and return the password."""
    from monitoring.console.accounts import create_console_user

    password = secrets.token_urlsafe(12)
    create_console_user(name, password, role)
    return password
