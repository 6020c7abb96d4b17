"""Who may call, and who may look: clients with API keys, and console users."""

import getpass
from enum import StrEnum
from typing import Annotated

import typer

from auscult.database import now, open_records
from auscult.screen import out, show_secrets

clients = typer.Typer(no_args_is_help=True, help="Programs that may call the endpoints.")
users = typer.Typer(no_args_is_help=True, help="People who may use the console.")


UserName = Annotated[str, typer.Argument(help="User name.")]


class Role(StrEnum):
    """What a console user may do."""

    VIEWER = "viewer"
    REVIEWER = "reviewer"
    SAFETY_OFFICER = "safety officer"


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
    key = new_client(
        name,
        now=now(),
        by=getpass.getuser(),
        scopes=scopes,
        is_test=test,
        valid_days=valid_days,
    )
    show_secrets("API key", {name: key})


@clients.command("list")
def list_clients() -> None:
    """List clients and their keys' first characters, scopes and ends."""
    from rich.table import Table

    open_records()
    from records.models import Client

    moment = now()
    table = Table("Key", "Client", "Scopes", "Test", "Expires", "State", box=None)
    for one in Client.objects.order_by("name", "created_at"):
        ended = "revoked" if one.revoked_at else "expired" if one.expires_at <= moment else "live"
        test = "test" if one.is_test else ""
        scopes = ", ".join(one.scopes)
        table.add_row(one.key_id, one.name, scopes, test, f"{one.expires_at:%Y-%m-%d}", ended)
    out.print(table)


@clients.command("revoke")
def revoke(
    key_id: Annotated[str, typer.Argument(help="As `auscult client list` shows it.")],
) -> None:
    """Make an API key invalid from now on."""
    from auscult.people import revoke_key

    open_records()
    revoke_key(key_id, by=getpass.getuser(), now=now())
    out.print(f"Key {key_id} is revoked; every worker knows within two seconds.")


@users.command("create")
def create_user(
    name: UserName,
    role: Annotated[
        Role, typer.Option(help="A reviewer signs decisions, a safety officer approvals too.")
    ] = Role.VIEWER,
) -> None:
    """Make a console user with a password that is shown once."""
    from auscult.people import new_user

    open_records()
    password = new_user(name, role=role.value, by=getpass.getuser(), now=now())
    show_secrets("Console user", {name: password})


@users.command("list")
def list_users() -> None:
    """List console users, their roles, second factors and last logins."""
    from rich.table import Table

    open_records()
    from monitoring.console.accounts import listed

    table = Table("User", "Role", "Second factor", "Last login", "State", box=None)
    for one in listed():
        last = f"{one.last_login:%Y-%m-%d %H:%M}" if one.last_login else "never"
        state = "may log in" if one.active else "retired"
        table.add_row(one.name, one.role, "yes" if one.second_factor else "no", last, state)
    out.print(table)


@users.command("role")
def change_role(name: UserName, role: Annotated[Role, typer.Argument()]) -> None:
    """Give a console user another role, from the next page on."""
    from auscult import people

    open_records()
    people.change_role(name, role.value, by=getpass.getuser(), now=now())
    out.print(f"{name} is a {role.value} from now on.")


@users.command("retire")
def retire_user(name: UserName) -> None:
    """Let a console user in no more; what they signed stays."""
    from auscult import people

    open_records()
    people.retire_user(name, by=getpass.getuser(), now=now())
    out.print(f"{name} can't log in any more, and is logged out.")


@users.command("reinstate")
def reinstate_user(name: UserName) -> None:
    """Let a retired console user in again, under the password that they had."""
    from auscult import people

    open_records()
    people.reinstate_user(name, by=getpass.getuser(), now=now())
    out.print(f"{name} may log in again.")


@users.command("remove-second-factor")
def remove_second_factor(name: UserName) -> None:
    """Forget a console user's authenticator that was lost, so that they can set up another."""
    from auscult import people

    open_records()
    people.remove_second_factor(name, by=getpass.getuser(), now=now())
    out.print(f"{name} logs in by password alone until they set a second factor up.")


@users.command("renew-password")
def renew_user_password(name: UserName) -> None:
    """Give a console user a new password, which is shown once."""
    from auscult.people import renewed_password

    open_records()
    show_secrets("Console user", {name: renewed_password(name, by=getpass.getuser(), now=now())})
