"""Where a registry's files are: MLflow keeps whole paths, so a moved or copied home loses them."""

import shlex
from pathlib import Path
from urllib.parse import urlparse
from urllib.request import url2pathname

from mlflow.tracking import MlflowClient

from models.errors import RegistryError
from records.settings import Settings


def check_artefact_root(client: MlflowClient, name: str, settings: Settings) -> None:
    """Raise RegistryError, with what to do, if a model's files aren't those of this home.

    Without it, MLflow would write new ones beside nothing, or into the home that this is a copy of.
    """
    experiment = client.get_experiment_by_name(name)
    place = "" if experiment is None else experiment.artifact_location
    if not place.startswith("file:"):
        return
    there, here = Path(url2pathname(urlparse(place).path)), settings.mlflow_artifacts.resolve()
    if there.is_dir():
        if here.is_dir() and there.samefile(here):
            return
        raise RegistryError(_copied(name, there, here))
    if there == here or not here.is_dir():
        raise RegistryError(
            f"{there}: the files of {name}'s versions are gone; bring mlartifacts/ back from a "
            "backup"
        )
    raise RegistryError(
        f"the files of {name}'s versions were written in {there}, and this home has them in "
        f"{here}; MLflow keeps whole paths, so move the home back or leave a link, by "
        f"`{_link(there, here)}`"
    )


def _copied(name: str, there: Path, here: Path) -> str:
    return (
        f"the files of {name}'s versions were written in {there}, which is there still and isn't "
        f"{here}: this home is a copy of another, and MLflow, which keeps whole paths, would read "
        "and write the other's files; set AUSCULT_HOME to the home that they were written in, or "
        "train in a new one. Where this one is to take its place, move the other's mlartifacts/ "
        f"out of the way and leave a link, by `{_link(there, here)}`"
    )


def _link(there: Path, here: Path) -> str:
    parent, new, old = (shlex.quote(str(path)) for path in (there.parent, here, there))
    return f"mkdir -p {parent} && ln -s {new} {old}"
