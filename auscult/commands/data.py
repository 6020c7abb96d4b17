"""Fetching the public cohorts on which the shipped models are trained."""

from typing import Annotated

import typer

from auscult.screen import out, progress
from models.errors import CohortError
from records.settings import read_settings

app = typer.Typer(no_args_is_help=True, help="Public data for the shipped models.")


@app.callback()
def _group() -> None:
    """Fetch public data."""


@app.command()
def fetch(
    name: Annotated[str, typer.Argument(help="diabetes130, flchain or support2.")],
) -> None:
    """Fetch a cohort from its origin, check its SHA-256 and keep it in the cache."""
    from training.cohorts import FETCH

    if name not in FETCH:
        raise CohortError(f"no data set {name!r}; there are: {', '.join(FETCH)}")
    with progress() as step:
        path = FETCH[name](read_settings(), step)
    out.print(f"{path}")
