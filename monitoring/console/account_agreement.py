"""Accounts: whether people's roles are those that the audit chain says somebody gave them."""

from collections.abc import Iterator
from typing import Any, Final

from django.contrib.auth.models import User

from monitoring.console.account_events import CREATED, NOTED, REINSTATED, RETIRED, ROLE
from monitoring.console.accounts import role_names
from records.agreement.compared import Disagreement, compared, events
from records.models import AuditEvent

TABLE: Final = "auth_user"
MAY_LOG_IN, STOPPED = "may log in", "retired"
Account = tuple[str, str, str]


def disagreements() -> Iterator[Disagreement]:
    """Yield accounts that nobody is noted to have made or changed so, and the other way."""
    stored = accounts()
    if events(NOTED).exists():
        yield from compared(TABLE, _noted(), stored, "console user")
    elif stored:
        words = f"nobody noted who the {len(stored)} console users are; run `auscult migrate`"
        yield Disagreement(TABLE, words)


def accounts() -> list[Account]:
    """Return each account's name, its roles, and whether it may log in."""
    return [
        (
            user.get_username(),
            _roles(user),
            MAY_LOG_IN if user.is_active else STOPPED,
        )
        for user in User.objects.prefetch_related("groups").order_by("username")
    ]


def _roles(user: User) -> str:
    """Return a person's roles; Django's own powers, which no command gives, among them."""
    powers = ["superuser"] if user.is_superuser else []
    return ", ".join([*role_names(user), *powers])


def _noted() -> list[Account]:
    found: dict[str, Account] = {}
    for event in events(NOTED, CREATED, ROLE, RETIRED, REINSTATED).order_by("recorded_at"):
        _follow(found, event)
    return list(found.values())


def _follow(found: dict[str, Account], event: AuditEvent) -> None:
    told: dict[str, Any] = event.details
    if event.action == NOTED:
        found.update((name, (name, roles, state)) for name, roles, state in told["users"])
        return
    name = told["user"]
    _, role, state = found.get(name, (name, "", MAY_LOG_IN))
    states = {CREATED: MAY_LOG_IN, RETIRED: STOPPED, REINSTATED: MAY_LOG_IN, ROLE: state}
    found[name] = name, str(told.get("role", role)), states[str(event.action)]
