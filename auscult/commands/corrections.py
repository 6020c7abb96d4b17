"""Reporting source results that were corrected or entered in error."""

import getpass
from pathlib import Path
from typing import Annotated

import typer

from auscult.commands.arguments import By, Name
from auscult.database import now, open_records
from auscult.screen import out
from models.amounts import counted

MOST_NAMED = 10


def corrections(
    name: Name,
    source: Annotated[
        Path, typer.Argument(help="A .csv: source, status, and feature with its right value.")
    ],
    by: By = "",
) -> None:
    """Record which sources were wrong; the next `auscult monitor` lists and withdraws their use."""
    from models.catalogue import find_definition

    settings = open_records()
    definition = find_definition(name, settings.models).definition

    from monitoring.corrections import read_file
    from records.corrections import report, users_of

    at = now()
    found = read_file(source, definition, at)
    new = report(name, found, by=by or getpass.getuser(), now=at)
    out.print(f"Recorded {counted(new, 'correction')}; {len(found) - new:,} known already.")
    users = users_of(name, dict.fromkeys(one.source for one in found))
    unused = [source for source, predictions in users.items() if not predictions]
    if unused:
        more = f" and {len(unused) - MOST_NAMED:,} more" if len(unused) > MOST_NAMED else ""
        out.print(
            f"No recorded prediction names {', '.join(unused[:MOST_NAMED])}{more}: look whether "
            "the name is right."
        )
