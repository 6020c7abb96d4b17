"""Arguments and options that several commands take."""

from typing import Annotated

import typer

Name = Annotated[str, typer.Argument(help="The model's name, as `auscult models` lists it.")]
Version = Annotated[str, typer.Option(help="An alias or a version.")]
By = Annotated[str, typer.Option(help="Who does it; the operating system's user by default.")]
Because = Annotated[str, typer.Option(help="Why; it stays in the record.")]
