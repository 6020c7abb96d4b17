"""Looking back: which predictions a faulty feature touched."""

import getpass
import os
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from auscult.commands.arguments import By, Name, Version
from auscult.database import now, open_records
from auscult.screen import out
from models.errors import AuscultError

if TYPE_CHECKING:
    from models.risk_model import RiskModel
    from monitoring.lookback import Affected
    from monitoring.lookback_fhir import Look
    from monitoring.origin import Origin

FORMS = {".csv": "csv", ".json": "fhir"}


def lookback(
    name: Name,
    feature: Annotated[str, typer.Option(help="The feature that was faulty.")],
    between: Annotated[
        tuple[datetime, datetime],
        typer.Option(formats=["%Y-%m-%d"], help="The first and the last day, UTC."),
    ],
    target: Annotated[
        Path,
        typer.Option("--out", help="A .csv, or a .json for FHIR, that isn't there yet."),
    ],
    site: Annotated[
        str | None, typer.Option(help='Of this site only; "" are those that name none.')
    ] = None,
    client: Annotated[
        str | None, typer.Option(help="Of this client only, as `auscult client list` names it.")
    ] = None,
    ward: Annotated[
        str | None, typer.Option(help='Of this ward only; "" are those that name none.')
    ] = None,
    correct: Annotated[str, typer.Option(help="What x should have been, such as x/88.4.")] = "",
    version: Version = "champion",
    by: By = "",
) -> None:
    """List the predictions that used a feature, scored again with corrected values if given."""
    from auscult.scoring_job import load_version

    settings = open_records()
    form = _form(target)

    from monitoring.lookback import Correction, lookback, summary
    from monitoring.lookback_fhir import Look, check_shareable
    from monitoring.origin import Origin
    from records import audit

    model = load_version(name, version, settings=settings)
    if form == "fhir":
        check_shareable(model)
    first, last = (moment.date() for moment in between)
    correction = Correction(correct) if correct else None
    origin = Origin(site, client, ward)
    found = lookback(model, feature, first, last, correction, origin)
    figures = summary(found)
    details = {
        "model": name,
        "version": model.version,
        "feature": feature,
        "between": [first.isoformat(), last.isoformat()],
        "correction": correct,
        "only": origin.given,
        "form": form,
        **figures,
    }
    looked_at = now()
    audit.note("lookback", by or getpass.getuser(), details, looked_at)
    _write(target, form, found, Look(model, feature, correction, looked_at))
    for words, count in figures.items():
        out.print(f"{count:>10,}  {words}")
    _tell_of_others(model, feature, first, last, origin)
    out.print(f"Written to {target}{', band changes first' if correction else ''}.")


def _tell_of_others(
    model: "RiskModel", feature: str, first: date, last: date, origin: "Origin"
) -> None:
    """Say which versions this doesn't look at, and to which origin it should be limited."""
    from monitoring.lookback import made_by_others
    from monitoring.origin import unlimited

    for other, count in made_by_others(model, first, last, origin).items():
        out.print(f"{count:>10,}  by version {other}, which this doesn't look at: name it")
    for words in unlimited(model.definition.name, model.version, feature, first, last, origin):
        out.print(words, markup=False)


def _write(target: Path, form: str, found: "list[Affected]", look: "Look") -> None:
    """Write what was affected into a new file in that form."""
    from monitoring.lookback import write_csv
    from monitoring.lookback_fhir import write_fhir

    # pseudonyms and values: the owner alone may read them
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    if form == "fhir":
        with open(descriptor, "wb") as bundle:
            write_fhir(found, look, bundle)
    else:
        with open(descriptor, "w", newline="", encoding="utf-8") as table:
            write_csv(found, table)


def _form(target: Path) -> str:
    """Return the form that a file's name asks for; raise AuscultError where it can't be written."""
    if target.exists():
        raise AuscultError(f"{target} is there already; name a file that isn't")
    form = FORMS.get(target.suffix.lower())
    if form is None:
        raise AuscultError(f"{target}: name a .csv, or a .json for a FHIR Bundle")
    if not target.parent.is_dir():
        raise AuscultError(f"{target}: {target.parent} is no directory; make it first")
    return form
