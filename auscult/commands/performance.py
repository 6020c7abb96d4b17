"""How a version's risks agreed with outcomes, as the latest run of monitoring found."""

import json as written
from typing import Annotated

import typer

from auscult.commands.arguments import Name
from auscult.database import now, open_records
from models.errors import AuscultError


def performance(
    name: Name,
    version: Annotated[str, typer.Option(help="A version; the one in use else.")] = "",
    json: Annotated[bool, typer.Option("--json", help="Print all of it as JSON.")] = False,
) -> None:
    """Show performance by window, at thresholds, and of shown and silent predictions apart."""
    from auscult.performance_summary import show_performance
    from models.catalogue import definitions

    settings = open_records()
    if name not in definitions(settings.models):
        raise AuscultError(f"there is no model {name}; `auscult models` lists those that there are")

    from monitoring.heartbeat import last_run, version_in_use
    from monitoring.over_time import performance_report

    chosen = version or version_in_use(name, now()) or ""
    run = last_run(name, chosen)
    if run is None:
        which = f"version {chosen} of {name}" if chosen else name
        raise AuscultError(f"{which} was never watched: run `auscult monitor {name}` first")
    report = performance_report(run)
    if json:
        typer.echo(written.dumps(report, indent=1))
    else:
        show_performance(report)
