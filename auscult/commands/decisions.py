"""Carrying out what reviewers and safety officers signed in the console."""

import time
from typing import Annotated

import typer

from auscult.database import now, open_records
from auscult.screen import out

REFUSED = 4


def work(
    every: Annotated[str, typer.Option(help="Run on, each interval such as 1m.")] = "",
) -> None:
    """Carry out what was signed in the console; exit 4 where something was refused."""
    from auscult.monitoring_job import parse_interval, run_on

    if not every:
        raise typer.Exit(REFUSED if _run() else 0)
    run_on(_run, parse_interval(every), time.sleep)


def _run() -> int:
    """Return how many decisions were refused."""
    from auscult.work import carry_out

    done = carry_out(open_records(), now)
    for one in done:
        out.print(f"{one.decision}: {one.result}")
    if not done:
        out.print("Nothing waits to be carried out.")
    return sum(not one.carried_out for one in done)
