"""Where a registry's files are: MLflow keeps whole paths, so a home that was moved loses them."""

import shlex
from pathlib import Path
from urllib.parse import urlparse
from urllib.request import url2pathname

from mlflow.tracking import MlflowClient

from models.errors import RegistryError
from records.settings import Settings


def check_artefact_root(client: MlflowClient, name: str, settings: Settings) -> None:
    """Raise RegistryError, with what to do, if a model's files aren't where they were written.

    Without it, MLflow would write new ones there, beside nothing.
    """
    experiment = client.get_experiment_by_name(name)
    place = "" if experiment is None else experiment.artifact_location
    if not place.startswith("file:"):
        return
    there, here = Path(url2pathname(urlparse(place).path)), settings.mlflow_artifacts.resolve()
    if there.is_dir():
        return
    if there == here or not here.is_dir():
        raise RegistryError(
            f"{there}: the files of {name}'s versions are gone; bring mlartifacts/ back from a "
            "backup"
        )
    parent, new, old = (shlex.quote(str(path)) for path in (there.parent, here, there))
    raise RegistryError(
        f"the files of {name}'s versions were written in {there}, and this home has them in "
        f"{here}; MLflow keeps whole paths, so move the home back or leave a link, by "
        f"`mkdir -p {parent} && ln -s {new} {old}`"
    )
