"""Watching: the monitoring job and the reviewers' console."""

from datetime import date, datetime
from typing import Annotated

import typer

from auscult.database import now, open_records
from auscult.screen import progress

Name = Annotated[str, typer.Argument(help="The model's name.")]


def monitor(
    name: Name,
    through: Annotated[
        datetime | None,
        typer.Option(formats=["%Y-%m-%d"], help="Close days up to this one; yesterday else."),
    ] = None,
    version: Annotated[str, typer.Option(help="An alias or a version.")] = "champion",
) -> None:
    """Compare what a model met with its reference; exit 3 where alarms are open."""
    from auscult.monitoring_job import monitor_model, yesterday
    from auscult.summary import show_monitored

    settings = open_records()
    moment = now()
    last: date = through.date() if through else yesterday(moment)
    with progress() as step:
        result = monitor_model(name, version, last, settings=settings, now=moment, step=step)
    show_monitored(result)
    raise typer.Exit(3 if result.open_alarms else 0)


def console() -> None:
    """Run the reviewers' console on this machine until Ctrl-C."""
    from auscult.processes import console_command

    settings = open_records()
    raise typer.Exit(console_command(settings).run())
