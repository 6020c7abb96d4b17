"""Slowing down whoever guesses passwords: five failures lock a name for fifteen minutes."""

from datetime import datetime, timedelta

from records.models import AuditEvent

MOST_FAILURES = 5
WINDOW = timedelta(minutes=15)
FAILED, LOGIN = "console.login_failed", "console.login"


def locked_out(username: str, now: datetime) -> bool:
    """Say whether a name failed too often since it last logged in."""
    recent = AuditEvent.objects.filter(by=username, recorded_at__gt=now - WINDOW)
    last = recent.filter(action=LOGIN).order_by("-recorded_at").first()
    failures = recent.filter(action=FAILED)
    if last is not None:
        failures = failures.filter(recorded_at__gt=last.recorded_at)
    return failures.count() >= MOST_FAILURES
