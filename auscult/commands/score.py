"""Scoring a whole file, without a server."""

import os
from pathlib import Path
from typing import Annotated

import typer

from auscult.commands.arguments import Name, Version
from auscult.database import open_records
from auscult.screen import out, rows_progress
from models.amounts import counted
from models.errors import SettingsError


def score(
    name: Name,
    source: Annotated[
        Path, typer.Option("--in", help="A .parquet, .csv or .csv.gz: the features by name.")
    ],
    target: Annotated[Path, typer.Option("--out", help="A .parquet or .csv that isn't there yet.")],
    version: Version = "champion",
    record: Annotated[bool, typer.Option(help="Log the rows as predictions.")] = False,
    key_file: Annotated[
        Path | None, typer.Option(help="With --record: a file with the API key of a client.")
    ] = None,
    explain: Annotated[bool, typer.Option(help="Write each feature's contribution.")] = True,
    keep: Annotated[
        list[str] | None, typer.Option(help="A column to carry over, as row_id is; repeat.")
    ] = None,
    threads: Annotated[int, typer.Option(min=0, help="0: one for each core.")] = 0,
) -> None:
    """Score a file's rows; a run that was interrupted goes on where it stopped."""
    from auscult.scoring_job import load_version
    from auscult.scoring_job import score as score_rows

    if record != (key_file is not None):
        raise SettingsError(
            "--record needs --key-file, and that nothing else: make a key by "
            "`auscult client create NAME --scope bulk`, with --scope replay for a column of times"
        )
    settings = open_records()
    from serving.batch.run import BatchOptions

    with out.status(f"Loading {name}"):
        model = load_version(name, version, settings=settings)
    cores = len(os.sched_getaffinity(0))
    with rows_progress(f"Scoring by version {model.version}") as step:
        summary = score_rows(
            model,
            source,
            target,
            options=BatchOptions(threads or cores, explain, tuple(keep or ())),
            key_file=key_file,
            settings=settings,
            progress=step,
        )
    if summary.went_on_from:
        out.print(f"Went on after {counted(summary.went_on_from, 'row')} of an earlier run.")
    out.print(f"{summary.scored:,} of {counted(summary.rows, 'row')} scored: {target}")
    for reason, rows in summary.refused.items():
        out.print(f"  {counted(rows, 'row')} without a risk: {reason}")
    if model.definition.for_demonstration:
        out.print(f"{model.definition.title}: [bold]not for clinical use[/bold]")
