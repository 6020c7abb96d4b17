"""Reporting what became of patients, from a file."""

from pathlib import Path
from typing import Annotated

import typer

from auscult.commands.arguments import Name
from auscult.database import open_records
from auscult.screen import out, progress
from models.errors import AuscultError


def outcomes(
    name: Name,
    source: Annotated[
        Path,
        typer.Argument(help="A .csv or .parquet: prediction_id or patient_id, happened, known_at."),
    ],
    key_file: Annotated[
        Path, typer.Option(help="A file with the API key of a client of scope outcome.")
    ],
    patient_system: Annotated[
        str, typer.Option(help="Whose identifiers patient_id holds, if no column says so.")
    ] = "urn:auscult:batch",
) -> None:
    """Record a file of outcomes; what it repeats of what is recorded changes nothing."""
    from auscult.outcomes_job import record_file
    from models.catalogue import definitions

    settings = open_records()
    if name not in definitions(settings.models):
        raise AuscultError(f"there is no model {name}")
    with progress() as step:
        new, known = record_file(
            name, source, key_file=key_file, system=patient_system, settings=settings, step=step
        )
    out.print(f"{new:,} outcomes were recorded, {known:,} were known already.")
