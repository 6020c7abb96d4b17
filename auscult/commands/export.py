"""Handing recorded predictions to the tools of others."""

import getpass
from dataclasses import asdict
from datetime import date, datetime
from pathlib import Path
from typing import Annotated

import typer

from auscult.commands.arguments import By, Name, Version
from auscult.database import now, open_records
from auscult.screen import out, progress
from models.amounts import counted

app = typer.Typer(no_args_is_help=True, help="Export recorded predictions for other tools.")


@app.command()
def seismometer(
    name: Name,
    target: Annotated[Path, typer.Option("--out", help="A directory that isn't there yet.")],
    since: Annotated[
        datetime | None,
        typer.Option(formats=["%Y-%m-%d"], help="From this day on, UTC; from the first else."),
    ] = None,
    through: Annotated[
        datetime | None,
        typer.Option(formats=["%Y-%m-%d"], help="Through this day; through today else."),
    ] = None,
    version: Version = "champion",
    by: By = "",
) -> None:
    """Write predictions, outcomes and dictionaries that Epic's seismometer opens as they are."""
    from auscult.scoring_job import load_version

    settings = open_records()

    from monitoring.seismometer import export
    from records import audit

    model = load_version(name, version, settings=settings)
    first = since.date() if since else date.min
    last = through.date() if through else now().date()
    with progress() as step:
        written = export(model.definition, model.version, first, last, target, now(), step)
    details = {
        "model": name,
        "version": model.version,
        "between": [first.isoformat() if since else None, last.isoformat()],
        **asdict(written),
    }
    audit.note("export_seismometer", by or getpass.getuser(), details, now())
    settled = counted(written.predictions, "prediction")
    out.print(f"{settled} with a settled outcome, {written.events:,} yes")
    for why, count in written.unsettled.items():
        out.print(f"{count:,} left out: {why} (unsettled.parquet)")
    for words in written.to_bear_in_mind:
        out.print(f"Bear in mind: {words}.", markup=False)
    out.print(f"Written to {target}: start Jupyter in it and open seismograph.ipynb.")
