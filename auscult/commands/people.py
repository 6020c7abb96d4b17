"""Who may call, and who may look: clients with API keys, and console users."""

from enum import StrEnum
from typing import Annotated

import typer

from auscult.database import now, open_records
from auscult.screen import show_secrets

clients = typer.Typer(no_args_is_help=True, help="Programs that may call the endpoints.")
users = typer.Typer(no_args_is_help=True, help="People who may use the console.")


class Role(StrEnum):
    """What a console user may do."""

    VIEWER = "viewer"
    REVIEWER = "reviewer"


@clients.callback()
def _clients() -> None:
    """Manage clients."""


@users.callback()
def _users() -> None:
    """Manage console users."""


@clients.command("create")
def create_client(
    name: Annotated[str, typer.Argument(help="Whose key it is, for the audit log.")],
    scope: Annotated[list[str] | None, typer.Option(help="What it may do; repeat.")] = None,
    test: Annotated[bool, typer.Option(help="Its traffic never enters monitoring.")] = False,
    valid_days: Annotated[int, typer.Option(min=1, max=3660)] = 365,
) -> None:
    """Make an API key and show it once."""
    from auscult.people import CLIENT_SCOPES, new_client

    open_records()
    scopes = tuple(scope or CLIENT_SCOPES)
    key = new_client(name, now=now(), scopes=scopes, is_test=test, valid_days=valid_days)
    show_secrets("API key", {name: key})


@users.command("create")
def create_user(
    name: Annotated[str, typer.Argument(help="User name.")],
    role: Annotated[Role, typer.Option(help="A reviewer signs decisions.")] = Role.VIEWER,
) -> None:
    """Make a console user with a password that is shown once."""
    from auscult.people import new_user

    open_records()
    show_secrets("Console user", {name: new_user(name, role=role.value)})
