"""What monitoring found of a version: how its risks agreed with outcomes, and whom it met."""

import json as written
from typing import TYPE_CHECKING, Annotated

import typer

from auscult.commands.arguments import Name
from auscult.database import now, open_records
from models.errors import AuscultError

if TYPE_CHECKING:
    from records.models import MonitorRun


Version = Annotated[str, typer.Option(help="A version; the one in use else.")]
Json = Annotated[bool, typer.Option("--json", help="Print all of it as JSON.")]


def performance(name: Name, version: Version = "", json: Json = False) -> None:
    """Show performance by window, at thresholds, and of shown and silent predictions apart."""
    from auscult.performance_summary import show_performance

    run = _last_run(name, version)

    from monitoring.over_time import performance_report

    report = performance_report(run)
    if json:
        typer.echo(written.dumps(report, indent=1))
    else:
        show_performance(report)


def transportability(name: Name, version: Version = "", json: Json = False) -> None:
    """Show how the people met first differ from training's, in effect sizes."""
    from auscult.performance_summary import show_transportability

    run = _last_run(name, version)

    from monitoring.transportability import found_at_commissioning

    found = {
        "model": name,
        "version": run.version,
        **found_at_commissioning(name, run.version),
    }
    if json:
        typer.echo(written.dumps(found, indent=1))
    else:
        show_transportability(found)


def _last_run(name: str, version: str) -> "MonitorRun":
    """Return the last finished run of a version, or say that there is none."""
    from models.catalogue import definitions

    settings = open_records()
    if name not in definitions(settings.models):
        raise AuscultError(f"there is no model {name}; `auscult models` lists those that there are")

    from monitoring.heartbeat import last_run, version_in_use

    chosen = version or version_in_use(name, now()) or ""
    run = last_run(name, chosen)
    if run is None:
        which = f"version {chosen} of {name}" if chosen else name
        raise AuscultError(f"{which} was never watched: run `auscult monitor {name}` first")
    return run
