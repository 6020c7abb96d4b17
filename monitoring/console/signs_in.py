"""Logins, logouts and failed logins, written to the audit record (AUD-5)."""

import time
from typing import Any

from django.contrib.auth.signals import user_logged_in, user_logged_out, user_login_failed
from django.http import HttpRequest
from django.utils import timezone

from monitoring.console.middleware import SIGNED_IN_AT


def note(action: str, by: str) -> None:
    """Write an event of an account to the audit record."""
    from records import audit  # its models can be loaded only once the apps are

    audit.note(action, by, {}, timezone.now())


def connect() -> None:
    """Have Django tell of logins; each is told once, however often this is called."""
    user_logged_in.connect(_logged_in, dispatch_uid="console-logged-in")
    user_logged_out.connect(_logged_out, dispatch_uid="console-logged-out")
    user_login_failed.connect(_failed, dispatch_uid="console-login-failed")


def _logged_in(request: HttpRequest, user: Any, **_: object) -> None:
    request.session[SIGNED_IN_AT] = time.time()
    note("console.login", user.get_username())


def _logged_out(user: Any, **_: object) -> None:
    if user is not None:
        note("console.logout", user.get_username())


def _failed(credentials: dict[str, Any], **_: object) -> None:
    name = str(credentials.get("username", ""))[:150]
    note("console.login_failed", name)
