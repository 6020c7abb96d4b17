"""Watching: the monitoring job and the reviewers' console."""

import sys
import time
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Annotated

import typer

from auscult.commands.arguments import Version
from auscult.database import now, open_records
from auscult.screen import out, progress
from models.errors import AuscultError
from records.settings import Settings

# exit codes beside 0
FAILED, ALARMS_OPEN, NOT_WATCHED = 1, 3, 5


class Length(StrEnum):
    """How long a window of performance is."""

    MONTH = "month"
    QUARTER = "quarter"
    YEAR = "year"


def monitor(
    name: Annotated[str, typer.Argument(help="The model's name; with --status, none is all.")] = "",
    through: Annotated[
        datetime | None,
        typer.Option(formats=["%Y-%m-%d"], help="Close days up to this one; yesterday else."),
    ] = None,
    version: Version = "champion",
    every: Annotated[str, typer.Option(help="Run on, each interval such as 1h.")] = "",
    window: Annotated[
        Length | None, typer.Option(help="Judge performance by this; the definition's choice else.")
    ] = None,
    status: Annotated[bool, typer.Option("--status", help="Only say if it runs as due.")] = False,
) -> None:
    """Compare what a model met with its reference; exit 3 where alarms are open.

    With --status nothing is run: exit 5 where monitoring is overdue, the feed fell silent, a
    version answers that nobody watches, or most predictions carry one patient id.
    """
    from auscult.monitoring_job import parse_interval, run_on

    if status:
        raise typer.Exit(_show_status(name))
    if not name:
        raise AuscultError("name the model to monitor, or ask for --status")
    if not every:
        raise typer.Exit(_run(name, version, through.date() if through else None, window=window))
    if through:
        raise AuscultError("--every closes each day as it ends; give no --through with it")
    interval = parse_interval(every)
    run_on(lambda: _run(name, version, None, interval, window), interval, time.sleep)


def _run(
    name: str,
    version: str,
    through: date | None,
    interval: timedelta | None = None,
    window: Length | None = None,
) -> int:
    from auscult.monitoring_job import monitor_model, yesterday
    from auscult.summary import show_monitored

    settings = open_records()
    from monitoring.heartbeat import CHAMPION, heartbeats

    moment = now()
    last = through or yesterday(moment)
    with progress() as step:
        result = monitor_model(
            name,
            version,
            last,
            settings=settings,
            now=moment,
            step=step,
            interval=interval,
            window=window.value if window else None,
        )
    show_monitored(result)
    alarmed = bool(result.open_alarms)
    for beat in heartbeats([name], now()) if version == CHAMPION else ():
        for fault in beat.serving_faults:
            sys.stderr.write(f"auscult: {fault}\n")
        alarmed |= any(alarm.version in beat.answered_by for alarm in beat.alarms)
    if result.fault:
        sys.stderr.write(f"auscult: {result.fault}\n")
        return FAILED
    return ALARMS_OPEN if alarmed else 0


def _show_status(name: str) -> int:
    from auscult.summary import show_status, show_undelivered

    settings = open_records()
    models = _models(name, settings)

    from monitoring.console.references import references
    from monitoring.heartbeat import heartbeats, last_run
    from monitoring.outbox import Outbox

    found = heartbeats(models, now())
    runs = {one.model: (one.version, last_run(one.model, one.version)) for one in found}
    show_status(
        found,
        {
            model: references(model, version, run.summary.get("assurance", {}) if run else {})
            for model, (version, run) in runs.items()
        },
    )
    show_undelivered(Outbox(settings.outbox))
    if not all(one.alive for one in found):
        return NOT_WATCHED
    return ALARMS_OPEN if any(one.alarms for one in found) else 0


def _models(name: str, settings: Settings) -> list[str]:
    """Return the model that is named, or all that are defined or that the records know.

    Says so of those whose definition isn't found: nothing can watch them with these settings.
    """
    from models.catalogue import definitions
    from monitoring.heartbeat import models_in_records

    defined, recorded = definitions(settings.models), models_in_records()
    known = {*defined, *recorded}
    if name and name not in known:
        raise AuscultError(f"there is no model {name}; known are: {', '.join(sorted(known))}")
    chosen = [name] if name else sorted(known)
    for model in chosen:
        if model not in defined:
            sys.stderr.write(
                f"auscult: the definition of {model} isn't found, and without it `auscult monitor` "
                "can't watch it; name its directory in AUSCULT_MODELS\n"
            )
    return chosen


def alarms(
    name: Annotated[str, typer.Argument(help="The model's name; none is all.")] = "",
) -> None:
    """List open alarms, each with its state; exit 3 where there are any.

    The console signs what is to be done about them.
    """
    from auscult.summary import show_alarms

    models = _models(name, open_records())
    from monitoring.alarms import OPEN_STATES
    from records.models import Alarm

    listed = 0
    for model in models:
        found = list(Alarm.objects.filter(model=model, state__in=OPEN_STATES).order_by("pk"))
        if found:
            out.print(f"[bold]{model}[/bold]")
            show_alarms(found)
        listed += len(found)
    if not listed:
        out.print("No alarm is open.")
    raise typer.Exit(ALARMS_OPEN if listed else 0)


def console() -> None:
    """Run the reviewers' console on this machine until Ctrl-C."""
    from auscult.processes import console_command

    settings = open_records()
    raise typer.Exit(console_command(settings).run())
