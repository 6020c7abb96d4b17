"""From a table to a running model: train, promote, roll back, package."""

import getpass
from pathlib import Path
from typing import Annotated

import typer

from auscult.commands.arguments import Because, By, Name, Seed, Version
from auscult.database import now, open_records
from auscult.screen import out, progress
from models.catalogue import find_definition
from records.settings import read_settings

Number = Annotated[str, typer.Argument(help="The version's number in the registry.")]


def train(
    name: Name,
    cohort: Annotated[
        Path | None,
        typer.Option(help="A .parquet or .csv: the features, `outcome`, `patient_id`, ..."),
    ] = None,
    quick: Annotated[bool, typer.Option(help="Fixed parameters, 200 bootstrap draws.")] = False,
    trials: Annotated[int, typer.Option(min=1, help="Trials of the search.")] = 50,
    draws: Annotated[int, typer.Option(min=50, help="Bootstrap draws.")] = 1000,
    seed: Seed = 20261,
    timeout: Annotated[
        float | None, typer.Option(min=1, help="Seconds after which no new trial is begun.")
    ] = None,
    stability: Annotated[
        int,
        typer.Option(min=0, help="Bootstrap samples to make the trees again from; 200 is usual."),
    ] = 0,
    stability_trials: Annotated[
        int, typer.Option(min=1, help="Most trials of each such repetition's search.")
    ] = 10,
    by: By = "",
) -> None:
    """Fit, calibrate, evaluate and register a version, with its evidence."""
    from auscult.training_job import train_model

    settings = open_records()
    with progress() as step:
        trained = train_model(
            name,
            cohort,
            settings=settings,
            step=step,
            quick=quick,
            trials=trials,
            draws=draws,
            seed=seed,
            trained_by=by or getpass.getuser(),
            timeout_seconds=timeout,
            stability=stability,
            stability_trials=stability_trials,
        )
    from auscult.summary import show_trained

    show_trained(trained)


def retrain(
    name: Name,
    cohort: Annotated[
        Path | None,
        typer.Option(help="The table that the champion was made from; the shipped one else."),
    ] = None,
    quick: Annotated[bool, typer.Option(help="Fixed parameters, 200 bootstrap draws.")] = False,
    trials: Annotated[int, typer.Option(min=1, help="Trials of the search.")] = 50,
    draws: Annotated[int, typer.Option(min=50, help="Bootstrap draws.")] = 1000,
    seed: Seed = 20261,
    by: By = "",
) -> None:
    """Fit a challenger on closed predictions too, and compare it with the champion.

    Only predictions whose outcomes must be known by now are learnt from, within the change plan of
    the definition. The version is registered; nothing is promoted.
    """
    from auscult.summary import show_retrained
    from auscult.training_job import retrain_model

    settings = open_records()
    with progress() as step:
        found = retrain_model(
            name,
            cohort,
            settings=settings,
            step=step,
            by=by or getpass.getuser(),
            quick=quick,
            trials=trials,
            draws=draws,
            seed=seed,
        )
    show_retrained(found)


def promote(
    name: Name,
    version: Number,
    because: Because,
    to: Annotated[str, typer.Option(help="The alias to move.")] = "champion",
    by: By = "",
    override: Annotated[bool, typer.Option(help="Promote although a gate fails.")] = False,
) -> None:
    """Move an alias to a version whose evidence passes the definition's gates.

    Exit 0 too where it means that version already, which is said and not recorded; 1 if refused.
    """
    from training import promotion

    settings = open_records()
    already = promotion.promote(
        name,
        version,
        to=to,
        by=by or getpass.getuser(),
        because=because,
        override=override,
        settings=settings,
        now=now(),
    )
    if already is not None:
        out.print(f"{name} version {version} {already.words}; nothing was recorded.")
        return
    out.print(f"{name} version {version} is now {to}.")
    from auscult.summary import show_gates

    moves = promotion.history(name, settings=settings)
    show_gates(next(one for one in moves if one.alias == to).evidence["gates"])


def rollback(name: Name, because: Because, by: By = "") -> None:
    """Give the alias champion back to the last version nobody has rolled back from since."""
    from training import promotion

    settings = open_records()
    restored = promotion.rollback(
        name, by=by or getpass.getuser(), because=because, settings=settings, now=now()
    )
    said = f"{name} version {restored.version} is champion again. {restored.words}".strip()
    out.print(said, markup=False)


def history(
    name: Name,
    at: Annotated[str, typer.Option(help="A time: which version was champion then?")] = "",
) -> None:
    """Show which version was in use when, who moved it and why."""
    from auscult.history_summary import show_history

    settings = open_records()
    from records import tenure  # Django's tables can be imported only once it is configured

    if not tenure.history(name):
        find_definition(name, settings.models)  # refuses a name that is no model's
    show_history(name, at)


def package(
    names: Annotated[list[str], typer.Argument(help="One model or more.")],
    version: Version = "champion",
) -> None:
    """Make a Bento of registered versions, their artefacts' digests verified."""
    from auscult.packaging import package as make_bento

    open_records()
    with out.status("Packaging"):
        bento = make_bento(names, version, settings=read_settings())
    out.print(f"{bento.tag}")
    for one in bento.not_replayed:
        out.print(f"Its predictions can't be replayed: {one}", markup=False)
    out.print("Next: [bold]auscult serve[/bold]")


def serve(
    bento: Annotated[str, typer.Argument(help="The Bento's tag; the latest by default.")] = "",
) -> None:
    """Run a Bento on this machine until Ctrl-C (bound to loopback unless AUSCULT_HOST says)."""
    from auscult.processes import serve_command

    settings = open_records()
    raise typer.Exit(serve_command(bento, settings).run())
