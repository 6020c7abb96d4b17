"""Looking back: which predictions a faulty feature touched."""

import getpass
import os
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from auscult.commands.arguments import By, Name, Version
from auscult.database import now, open_records
from auscult.screen import out
from models.errors import AuscultError


def lookback(
    name: Name,
    feature: Annotated[str, typer.Option(help="The feature that was faulty.")],
    between: Annotated[
        tuple[datetime, datetime],
        typer.Option(formats=["%Y-%m-%d"], help="The first and the last day, UTC."),
    ],
    target: Annotated[Path, typer.Option("--out", help="A .csv that isn't there yet.")],
    correct: Annotated[str, typer.Option(help="What x should have been, such as x/88.4.")] = "",
    version: Version = "champion",
    by: By = "",
) -> None:
    """List the predictions that used a feature, scored again with corrected values if given."""
    from auscult.scoring_job import load_version

    settings = open_records()
    if target.exists():
        raise AuscultError(f"{target} is there already; name a file that isn't")

    from monitoring.lookback import Correction, lookback, made_by_others, summary, write_csv
    from records import audit

    model = load_version(name, version, settings=settings)
    first, last = (moment.date() for moment in between)
    correction = Correction(correct) if correct else None
    found = lookback(model, feature, first, last, correction)
    figures = summary(found)
    details = {
        "model": name,
        "version": model.version,
        "feature": feature,
        "between": [first.isoformat(), last.isoformat()],
        "correction": correct,
        **figures,
    }
    audit.note("lookback", by or getpass.getuser(), details, now())
    # pseudonyms and values: the owner alone may read them
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with open(descriptor, "w", newline="", encoding="utf-8") as file:
        write_csv(found, file)
    for words, count in figures.items():
        out.print(f"{count:>10,}  {words}")
    for other, count in made_by_others(model, first, last).items():
        out.print(f"{count:>10,}  by version {other}, which this doesn't look at: name it")
    out.print(f"Written to {target}{', band changes first' if correction else ''}.")
