"""Taking a model out of use at once, and giving it back."""

import getpass
from typing import Annotated

import typer

from auscult.commands.arguments import By, Name
from auscult.database import now, open_records
from auscult.screen import out
from models.errors import DefinitionError
from records.settings import Settings

Because = Annotated[str, typer.Option(help="Why; callers are told, and it stays in the record.")]


def suspend(name: Name, because: Because, by: By = "") -> None:
    """Let a model answer no request from now on; every worker follows within two seconds."""
    _check_known(name, open_records())
    from records import suspensions

    suspensions.suspend(name, by=by or getpass.getuser(), because=because, now=now())
    out.print(f"{name} is suspended; `auscult restore {name}` gives it back.")


def restore(name: Name, because: Because, by: By = "") -> None:
    """Let a suspended model answer again."""
    open_records()
    from records import suspensions

    suspensions.restore(name, by=by or getpass.getuser(), because=because, now=now())
    out.print(f"{name} answers again.")


def _check_known(name: str, settings: Settings) -> None:
    """Raise DefinitionError for a name that no definition, tenure or prediction has.

    A mistyped name would suspend nothing, and look as if it had.
    """
    from models.catalogue import definitions
    from records.models import Prediction, Tenure

    known = set(definitions(settings.models))
    known.update(Tenure.objects.values_list("model", flat=True).distinct())
    if name not in known and not Prediction.objects.filter(model=name).exists():
        raise DefinitionError(f"there is no model {name!r}; known are: {', '.join(sorted(known))}")
