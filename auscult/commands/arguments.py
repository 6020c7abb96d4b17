"""Arguments and options that several commands take."""

from typing import Annotated

import typer


def _not_empty(context: typer.Context, given: str) -> str:
    """Refuse a name that was given and is none: the default would sign with another's."""
    source = context.get_parameter_source("by")
    if not given.strip() and source is not None and source.name == "COMMANDLINE":
        raise typer.BadParameter("name who does it, or leave --by out", param_hint="--by")
    return given


Name = Annotated[str, typer.Argument(help="The model's name, as `auscult models` lists it.")]
Version = Annotated[str, typer.Option(help="An alias or a version.")]
By = Annotated[
    str,
    typer.Option(help="Who does it; the operating system's user by default.", callback=_not_empty),
]
Because = Annotated[str, typer.Option(help="Why; it stays in the record.")]
# no more is taken by XGBoost and scikit-learn alike
Seed = Annotated[int, typer.Option(min=0, max=2**31 - 1)]
