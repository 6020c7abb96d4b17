"""Reporting what became of patients, from a file."""

from pathlib import Path
from typing import Annotated

import typer

from auscult.commands.arguments import Name
from auscult.database import open_records
from auscult.screen import out, progress
from models.amounts import counted


def outcomes(
    name: Name,
    source: Annotated[
        Path,
        typer.Argument(
            help="A .csv or .parquet: prediction_id or patient_id, happened, known_at, and "
            "happened_at where an event became known later than it happened."
        ),
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
    from models.catalogue import find_definition

    settings = open_records()
    definition = find_definition(name, settings.models).definition
    with progress() as step:
        found = record_file(
            definition,
            source,
            key_file=key_file,
            system=patient_system,
            settings=settings,
            step=step,
        )
    new, known, late = len(found.rows), found.known_already, found.after_horizon
    lone = found.without_prediction
    out.print(f"Recorded {counted(new, 'outcome')}; {known:,} known already.")
    if found.taken_back:
        out.print(
            f"Bear in mind: the file takes back {counted(found.taken_back, 'event')} reported by "
            "patient before, by saying that there was none until a later time within the horizon. "
            "What did happen has to be reported again, after this file or as one with it."
        )
    if lone:
        out.print(
            f"Bear in mind: {counted(lone, 'outcome')} of the file joined no prediction, as {name} "
            "made none before for these patients. Where it should have, check patient_id and whose "
            f"it is: {patient_system}, or what a column patient_system says.",
            markup=False,
        )
    if late:
        out.print(
            f"Bear in mind: {counted(late, 'event')} of the file {'is' if late == 1 else 'are'} "
            f"dated more than {counted(definition.outcome.horizon_days, 'day')} after the last "
            "prediction before, the horizon, and so counted as none within it. Where that is when "
            "they became known, report them again with a column happened_at, the time of the event."
        )
