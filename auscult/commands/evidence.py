"""Evidence on versions that are there already: made again, or seen on another population."""

import getpass
from pathlib import Path
from typing import Annotated

import typer

from auscult.commands.arguments import By, Name, Seed
from auscult.commands.model import Number
from auscult.database import open_records
from auscult.screen import out, progress

Draws = Annotated[int, typer.Option(min=50, help="Bootstrap draws.")]


def reproduce(
    name: Name,
    version: Number,
    cohort: Annotated[
        Path | None,
        typer.Option(
            help="The table that it was made from, or recalibrated to; the shipped one else."
        ),
    ] = None,
) -> None:
    """Make a version again and say whether it is equal; exit 1 with what differs."""
    from auscult.training_job import reproduce_version

    settings = open_records()
    with progress() as step:
        found = reproduce_version(name, version, cohort, settings=settings, step=step)
    if found.equal:
        out.print(f"{name} version {found.version.version} is reproduced: every file is equal.")
        return
    out.print(f"{name} version {found.version.version} is not reproduced. What differs:")
    for difference in found.differences:
        out.print(f"  {difference}")
    raise typer.Exit(1)


def validate(
    name: Name,
    version: Number,
    cohort: Annotated[Path, typer.Option(help="A table of another population.")],
    recalibrate: Annotated[
        bool, typer.Option(help="Also register a version with its calibration fitted to these.")
    ] = False,
    draws: Draws = 1000,
    seed: Seed = 20261,
    by: By = "",
) -> None:
    """Evaluate a version on another population, as it is served."""
    from auscult.summary import show_trained, show_validated
    from auscult.training_job import recalibrate_version, validate_version

    settings, renewed = open_records(), None
    if recalibrate:  # first, for it refuses people who can't judge, and this validation is a look
        with progress() as step:
            renewed = recalibrate_version(
                name,
                version,
                cohort,
                by=by or getpass.getuser(),
                draws=draws,
                seed=seed,
                settings=settings,
                step=step,
            )
    with progress() as step:
        found = validate_version(
            name, version, cohort, draws=draws, seed=seed, settings=settings, step=step
        )
    show_validated(found)
    if renewed is not None:
        show_trained(renewed)
