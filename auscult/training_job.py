"""Training for the command: finds the definition and its cohort, then hands over to training."""

from pathlib import Path
from typing import TYPE_CHECKING

from auscult.database import now
from auscult.screen import Step
from models.catalogue import find_definition
from models.definition import DefinitionFile
from models.errors import CohortError
from records.settings import Settings

if TYPE_CHECKING:
    from records.models import RetrainingRequest
    from training.cohort import Cohort
    from training.reproduction import Reproduction
    from training.retraining import Retrained
    from training.run import TrainedVersion
    from training.validation import Validation


def train_model(
    name: str,
    cohort: Path | None,
    *,
    settings: Settings,
    step: Step,
    quick: bool,
    trials: int,
    draws: int,
    seed: int,
    trained_by: str,
    timeout_seconds: float | None = None,
    stability: int = 0,
    stability_trials: int = 10,
) -> "TrainedVersion":
    """Train `name` on a table, or on its shipped cohort where none is given."""
    from training.options import TrainOptions
    from training.run import train

    definition_file = find_definition(name, settings.models)
    options = TrainOptions(
        quick=quick,
        trials=trials,
        draws=draws,
        seed=seed,
        trained_by=trained_by,
        timeout_seconds=timeout_seconds,
        stability=stability,
        stability_trials=stability_trials,
    )
    table = _cohort(definition_file, cohort, settings, step)
    return train(definition_file, table, options, settings=settings, progress=step, now=now())


def retrain_model(
    name: str,
    cohort: Path | None,
    *,
    settings: Settings,
    step: Step,
    by: str,
    quick: bool = False,
    trials: int = 50,
    draws: int = 1000,
    seed: int = 20261,
) -> "Retrained":
    """Make a challenger of `name` from its original cohort and closed recorded predictions."""
    from training.options import TrainOptions
    from training.retraining import retrain

    definition_file = find_definition(name, settings.models)
    request = waiting_request(name)
    options = TrainOptions(
        trained_by=by,
        quick=quick,
        trials=trials,
        draws=draws,
        seed=seed,
        requested_by=None if request is None else request.by,
    )
    table = _cohort(definition_file, cohort, settings, step)
    found = retrain(definition_file, table, options, settings=settings, progress=step, now=now())
    if request is not None:
        take_up_request(request, found.trained.version)
    return found


def waiting_request(name: str) -> "RetrainingRequest | None":
    """Return the signed request that a retraining begun now answers, if one waits."""
    from records import retraining

    return retraining.waiting(name)


def take_up_request(request: "RetrainingRequest", version: str) -> None:
    """Write the version that was registered beside the signed request that it answers."""
    from records import retraining

    retraining.take_up(request, f"Registered as version {version}; not promoted", now=now())


def reproduce_version(
    name: str, version: str, cohort: Path | None, *, settings: Settings, step: Step
) -> "Reproduction":
    """Make a version again from its table, or from the shipped cohort."""
    from training.reproduction import reproduce

    table = _cohort(find_definition(name, settings.models), cohort, settings, step)
    return reproduce(name, version, table, settings=settings, progress=step, now=now())


def validate_version(
    name: str, version: str, cohort: Path, *, draws: int, seed: int, settings: Settings, step: Step
) -> "Validation":
    """Evaluate a version on another population."""
    from training.cohort import read_cohort
    from training.validation import validate

    table = read_cohort(cohort, find_definition(name, settings.models).definition)
    return validate(
        name, version, table, draws=draws, seed=seed, settings=settings, progress=step, now=now()
    )


def recalibrate_version(
    name: str,
    version: str,
    cohort: Path,
    *,
    by: str,
    draws: int,
    seed: int,
    settings: Settings,
    step: Step,
) -> "TrainedVersion":
    """Register a version with another's trees and a calibration fitted to another population."""
    from training.cohort import read_cohort
    from training.recalibration import recalibrate

    table = read_cohort(cohort, find_definition(name, settings.models).definition)
    return recalibrate(
        name,
        version,
        table,
        by=by,
        draws=draws,
        seed=seed,
        settings=settings,
        progress=step,
        now=now(),
    )


def _cohort(
    definition_file: DefinitionFile, path: Path | None, settings: Settings, step: Step
) -> "Cohort":
    from training.cohort import read_cohort
    from training.cohorts import SHIPPED

    name = definition_file.definition.name
    if path is not None:
        return read_cohort(path, definition_file.definition)
    if name not in SHIPPED:
        raise CohortError(f"no cohort is shipped for {name}; name yours with --cohort FILE")
    reader = SHIPPED[name]
    table: Cohort = reader.development(reader.fetch(settings, step))
    return table
