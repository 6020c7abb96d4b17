"""The MLflow store: registered versions with their artefacts, and the runs that they are of."""

import contextlib
import logging
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import mlflow
from mlflow.entities.model_registry import ModelVersion
from mlflow.environment_variables import MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from models.artefact import verify_artefact
from models.errors import RegistryError
from records.locks import locked
from records.settings import Settings
from training.artefact_root import check_artefact_root

CHAMPION = "champion"
TAG = "auscult."  # before the name of each tag of ours

LAST_TAG = f"{TAG}artefact_digest"  # given once all that needs a version's number is done

ARTEFACT = "artefact"  # what the artefact is called within the logged model


@dataclass(frozen=True, slots=True)
class RegisteredVersion:
    """One version in the registry, and the digests that it was registered with."""

    name: str
    version: str
    run_id: str
    artefact_digest: str
    definition_digest: str
    cohort_digest: str
    trained_by: str
    champion_digest: str | None = None  # of the file that compares it with the champion of its day
    requested_by: str | None = None  # who signed the request that this retraining answered


def find_version(name: str, version: str, *, settings: Settings) -> RegisteredVersion:
    """Return the version of that number or alias; raise RegistryError if there's none."""
    client = store(settings)
    try:
        if version.isdecimal():
            return registered_version(client.get_model_version(name, version))
        return registered_version(client.get_model_version_by_alias(name, version))
    except MlflowException as error:
        raise RegistryError(
            f"{name} has no version or alias {version!r} in the registry; train it with "
            f"`auscult train {name}`, or promote a version with `auscult promote`"
        ) from error


def newest_version(name: str, *, settings: Settings) -> RegisteredVersion:
    """Return the version that was registered last; raise RegistryError if there's none.

    One whose registration was cut off is none.
    """
    versions = store(settings).search_model_versions(f"name = '{name}'")
    found = [version for version in versions if LAST_TAG in version.tags]
    if not found:
        raise RegistryError(f"{name} has no version; train it with `auscult train {name}`")
    return registered_version(max(found, key=lambda version: int(version.version)))


def champion_of(name: str, *, settings: Settings) -> RegisteredVersion | None:
    """Return the champion, None where no version is."""
    version = version_of_alias(name, CHAMPION, settings=settings)
    return None if version is None else find_version(name, version, settings=settings)


def version_of_alias(name: str, alias: str, *, settings: Settings) -> str | None:
    """Return the number of the version that an alias means, None where it means none."""
    client = store(settings)
    if not client.search_registered_models(f"name = '{name}'"):
        return None
    version = client.get_registered_model(name).aliases.get(alias)
    return None if version is None else str(version)


def read_run_file(version: RegisteredVersion, name: str, *, settings: Settings) -> bytes | None:
    """Return a file of a version's run, None if the run has no such file."""
    client = store(settings)
    use(settings)
    check_artefact_root(client, version.name, settings)
    try:
        if name not in {file.path for file in client.list_artifacts(version.run_id)}:
            return None
        with tempfile.TemporaryDirectory() as place:
            return Path(client.download_artifacts(version.run_id, name, place)).read_bytes()
    except (MlflowException, OSError) as error:
        raise RegistryError(f"run {version.run_id}: {name} can't be read: {error}") from error


def set_alias(name: str, alias: str, version: str, *, settings: Settings) -> None:
    """Let an alias mean this version from now on."""
    try:
        store(settings).set_registered_model_alias(name, alias, version)
    except MlflowException as error:
        raise RegistryError(
            f"{name}: alias {alias} can't be moved to {version}: {error}"
        ) from error


def download(version: RegisteredVersion, destination: Path, *, settings: Settings) -> Path:
    """Return a verified copy of a version's artefact directory, made once at `destination`.

    Raises ArtefactError if a file isn't as it was registered.
    """
    if not destination.is_dir():
        with _fetched(version, destination.parent, settings) as directory:
            if not destination.is_dir():
                directory.rename(destination)
    verify_artefact(destination, version.artefact_digest)
    return destination


def verify_registered(version: RegisteredVersion, *, settings: Settings) -> None:
    """Fetch a version's artefact from the registry, whatever is cached, and verify its digest.

    Raises ArtefactError if a file isn't as it was registered.
    """
    with _fetched(version, settings.cache, settings):
        return


@contextlib.contextmanager
def _fetched(version: RegisteredVersion, beside: Path, settings: Settings) -> Iterator[Path]:
    """Hold a verified copy of the artefact, as the registry has it now, in a scratch directory."""
    beside.mkdir(parents=True, exist_ok=True, mode=0o700)
    uri = f"models:/{version.name}/{version.version}"
    use(settings)
    check_artefact_root(store(settings), version.name, settings)
    with tempfile.TemporaryDirectory(dir=beside) as partial:
        try:
            mlflow.artifacts.download_artifacts(artifact_uri=uri, dst_path=partial)
        except (MlflowException, OSError) as error:
            raise RegistryError(f"{uri}: its files can't be fetched: {error}") from error
        directory = Path(partial) / "artifacts" / ARTEFACT
        if not directory.is_dir():
            raise RegistryError(f"{uri}: the registry holds no files of it; train it again")
        verify_artefact(directory, version.artefact_digest)
        yield directory


def use(settings: Settings) -> None:
    """Let MLflow's own functions use our store."""
    _hush()
    mlflow.set_tracking_uri(settings.tracking_uri)
    mlflow.set_registry_uri(settings.tracking_uri)


def _hush() -> None:
    """Let MLflow report by our progress alone, without bars and chatter of its own."""
    MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR.set(False)
    for chatter in ("mlflow", "alembic"):
        logging.getLogger(chatter).setLevel(logging.WARNING)


def store(settings: Settings) -> MlflowClient:
    """Return a client of the MLflow store."""
    _hush()
    if settings.mlflow_tracking_uri is None:
        _make(settings.tracking_uri, settings.root / "mlflow.lock")
    return MlflowClient(tracking_uri=settings.tracking_uri, registry_uri=settings.tracking_uri)


@cache
def _make(tracking_uri: str, lock: Path) -> None:
    """Let MLflow make its tables in the home, or renew them, in one process at a time."""
    with contextlib.ExitStack() as stack:
        with contextlib.suppress(OSError):  # nothing can be made where nothing can be written
            stack.enter_context(locked(lock))
        MlflowClient(tracking_uri, tracking_uri).search_registered_models(max_results=1)


def registered_at(version: RegisteredVersion, *, settings: Settings) -> datetime:
    """Return when a version was registered (UTC)."""
    found = store(settings).get_model_version(version.name, version.version)
    return datetime.fromtimestamp(found.creation_timestamp / 1000, UTC)


def run_tags(version: RegisteredVersion, *, settings: Settings) -> dict[str, str]:
    """Return what a version's run says of itself."""
    try:
        tags = store(settings).get_run(version.run_id).data.tags
    except MlflowException as error:
        raise RegistryError(f"run {version.run_id} can't be read: {error}") from error
    return {name.removeprefix(TAG): tags[name] for name in tags if name.startswith(TAG)}


def registered_version(
    version: ModelVersion, tags: Mapping[str, str] | None = None
) -> RegisteredVersion:
    """Return a version of MLflow's as ours, by its tags or by those that it's about to have.

    Raises RegistryError if a tag of ours is missing.
    """
    known = version.tags if tags is None else tags

    def tag(name: str) -> str:
        value = known.get(TAG + name)
        if value is None:
            raise RegistryError(
                f"{version.name} version {version.version} has no tag {TAG + name}: its "
                "registration was cut off, or it wasn't registered by `auscult train`, so it "
                f"can't be used; make another with `auscult train {version.name}`"
            )
        return str(value)

    return RegisteredVersion(
        name=version.name,
        version=str(version.version),
        run_id=version.run_id or "",
        artefact_digest=tag("artefact_digest"),
        definition_digest=tag("definition_digest"),
        cohort_digest=tag("cohort_digest"),
        trained_by=tag("trained_by"),
        champion_digest=known.get(f"{TAG}champion_digest"),
        requested_by=known.get(f"{TAG}requested_by"),
    )
