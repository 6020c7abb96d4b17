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
    from training.cohort import Cohort
    from training.run import TrainedVersion


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
) -> "TrainedVersion":
    """Train `name` on a table, or on its shipped cohort where none is given."""
    from training.options import TrainOptions
    from training.run import train

    definition_file = find_definition(name, settings.models)
    options = TrainOptions(
        quick=quick, trials=trials, draws=draws, seed=seed, trained_by=trained_by
    )
    table = _cohort(definition_file, cohort, settings, step)
    return train(definition_file, table, options, settings=settings, progress=step, now=now())


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
