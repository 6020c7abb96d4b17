"""Registration: a run with its evidence in MLflow, and with a model the next version."""

import contextlib
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mlflow
import pandas as pd
from mlflow.models.model import ModelInfo

import models
from models.definition import Definition
from records.settings import Settings
from training.artefact_root import check_artefact_root
from training.begun_runs import HELD, alone, end_dead_runs, held
from training.cohort import Cohort
from training.provenance import code_tags, describe_cohort, requirements, signature
from training.registry import (
    ARTEFACT,
    LAST_TAG,
    TAG,
    RegisteredVersion,
    registered_version,
    store,
    use,
)
from training.scratch import scratch

_PYFUNC = Path(__file__).with_name("pyfunc.py")


@dataclass(frozen=True, slots=True)
class RunRecord:
    """What one training run leaves in MLflow, besides the model itself.

    `begun` is called with the run's id once other runs can see this one and while none begins; it
    may still write to `files`, and returns further metrics.
    """

    parameters: Mapping[str, Any]
    metrics: Mapping[str, float]
    files: Path
    tags: Mapping[str, str]
    begun: Callable[[str], Mapping[str, float]] | None = None


def register_run(
    definition: Definition,
    cohort: Cohort,
    record: RunRecord,
    artefact: Path,
    example: pd.DataFrame,
    *,
    complete: Callable[[RegisteredVersion], None],
    settings: Settings,
) -> RegisteredVersion:
    """Log a run with its model, then register that as the model's next version.

    The registration comes last, so a run that fails leaves no version behind. `complete` does what
    needs the version's number; whatever ends the process before it returns, the version can't be
    used.
    """
    tags = {f"{TAG}{name}": value for name, value in record.tags.items()}
    _open_store(definition.name, settings)
    with _started(definition, cohort, record, settings, context="training") as (run, counts):
        with _import_path_kept(), _temporary_files_in_home(settings):
            info = mlflow.pyfunc.log_model(
                name="model",
                python_model=str(_PYFUNC),
                artifacts={ARTEFACT: str(artefact)},
                code_paths=[str(Path(models.__path__[0]))],
                model_config={"artefact_digest": record.tags["artefact_digest"]},
                pip_requirements=requirements(),
                signature=signature(definition),
                input_example=example,
            )
        # after the model, or logging it would read every metric back, one query each
        mlflow.log_metrics({**record.metrics, **counts}, model_id=info.model_id)
    return _register(definition.name, info, run.info.run_id, tags, complete, settings)


def log_run(
    definition: Definition, cohort: Cohort, record: RunRecord, *, settings: Settings
) -> str:
    """Log a run that makes no version, and return its id."""
    _open_store(definition.name, settings)
    with _started(definition, cohort, record, settings, context="validation") as (run, counts):
        mlflow.log_metrics({**record.metrics, **counts})
        return str(run.info.run_id)


@contextlib.contextmanager
def _started(
    definition: Definition,
    cohort: Cohort,
    record: RunRecord,
    settings: Settings,
    *,
    context: str,
) -> Iterator[tuple[Any, Mapping[str, float]]]:
    """Open a run that holds all of the record but its metrics, for what else it is to hold.

    Yield it with the further metrics of `record.begun`.
    """
    tags = {f"{TAG}{name}": value for name, value in {**record.tags, **code_tags()}.items()}
    with contextlib.ExitStack() as stack:
        with alone(settings):
            token = stack.enter_context(held(settings))
            run = stack.enter_context(mlflow.start_run(tags={**tags, HELD: token}))
            counts = {} if record.begun is None else record.begun(run.info.run_id)
        mlflow.log_params(dict(record.parameters))
        mlflow.log_input(describe_cohort(cohort, definition), context=context)
        mlflow.log_artifacts(str(record.files))
        yield run, counts


def _register(
    name: str,
    info: ModelInfo,
    run_id: str,
    tags: Mapping[str, str],
    complete: Callable[[RegisteredVersion], None],
    settings: Settings,
) -> RegisteredVersion:
    """Make the version, complete it, and only then give it the tag without which it is no use."""
    client = store(settings)
    if not client.search_registered_models(f"name = '{name}'"):
        client.create_registered_model(name)
    incomplete = {key: value for key, value in tags.items() if key != LAST_TAG}
    version = client.create_model_version(
        name, info.model_uri, run_id=run_id, tags=incomplete, model_id=info.model_id
    )
    registered = registered_version(version, {**incomplete, LAST_TAG: tags[LAST_TAG]})
    complete(registered)
    client.set_model_version_tag(name, registered.version, LAST_TAG, tags[LAST_TAG])
    return registered


def _open_store(name: str, settings: Settings) -> None:
    """Use the store, and the model's experiment in it, where runs of dead processes end."""
    settings.root.mkdir(parents=True, exist_ok=True, mode=0o700)
    use(settings)
    client = store(settings)
    check_artefact_root(client, name, settings)
    if client.get_experiment_by_name(name) is None:
        settings.mlflow_artifacts.mkdir(parents=True, exist_ok=True, mode=0o700)
        client.create_experiment(name, artifact_location=settings.mlflow_artifacts.as_uri())
    end_dead_runs(mlflow.set_experiment(name).experiment_id, settings)


@contextlib.contextmanager
def _temporary_files_in_home(settings: Settings) -> Iterator[None]:
    """Let MLflow, which copies the model to be logged, do so where dead runs' files are removed."""
    before = tempfile.tempdir
    with scratch(settings) as directory:
        tempfile.tempdir = str(directory)
        try:
            yield
        finally:
            tempfile.tempdir = before


@contextlib.contextmanager
def _import_path_kept() -> Iterator[None]:
    """Undo that MLflow, which tries the logged model, puts its copy of the code on the path."""
    before = list(sys.path)
    try:
        yield
    finally:
        sys.path[:] = before
