"""Setting up: home, keys, database, and which models there are."""

import os
import shlex
from typing import Annotated

import typer

from auscult.database import now, set_up_django
from auscult.screen import out, show_secrets
from models.catalogue import definitions
from records.settings import read_settings


def init(
    client: Annotated[str, typer.Option(help="Name of the first client.")] = "first-client",
    user: Annotated[str, typer.Option(help="Name of the first console user.")] = "reviewer",
) -> None:
    """Make the home, its keys, the database, a first client and a console user."""
    from auscult.installation import install

    secrets = install(read_settings(), client=client, user=user, now=now())
    out.print(f"Home: {read_settings().root}")
    show_secrets("Keep these", secrets)
    out.print("Next: [bold]auscult train NAME[/bold], or [bold]auscult demo[/bold]")


def migrate() -> None:
    """Bring the database to this version's schema; the only command that does."""
    from auscult.people import note_users
    from records import migration

    set_up_django()
    applied = migration.migrate(read_settings())
    note_users(now())
    out.print("\n".join(f"applied {name}" for name in applied) or "Nothing to apply.")


def env() -> None:
    """Print the exports with which mlflow, bentoml and evidently find everything."""
    from auscult.installation import exports

    for name, value in exports(read_settings()).items():
        typer.echo(f"export {name}={shlex.quote(value)}")
    typer.echo(f"# then: mlflow ui | bentoml list | evidently ui --workspace {_workspace()}")


def _workspace() -> str:
    return shlex.quote(os.fspath(read_settings().evidently_workspace))


def models() -> None:
    """List the models that are defined, shipped and your own."""
    from rich.table import Table

    table = Table(box=None)
    for heading in ("Name", "Title", "Status", "Features", "Review by", "Definition"):
        table.add_column(heading, no_wrap=heading != "Title")
    for name, file in sorted(definitions(read_settings().models).items()):
        it = file.definition
        overdue = ", overdue" if it.review_by < now().date() else ""
        count = str(len(it.features))
        table.add_row(name, it.title, it.status, count, f"{it.review_by}{overdue}", file.digest[:8])
    out.print(table)
