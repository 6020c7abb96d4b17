"""One training run: from a definition and its cohort to a registered version with its evidence."""

import tempfile
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from models.definition import DefinitionFile
from models.evaluation.evaluation import Evaluation
from records.settings import Settings
from training.build import build
from training.candidate import Progress
from training.cohort import Cohort
from training.options import TrainOptions
from training.registry import download, register_run
from training.stages import Stages


@dataclass(frozen=True, slots=True)
class TrainedVersion:
    """A registered version, its verified artefact directory, and how it did on the test part."""

    name: str
    version: str
    run_id: str
    artefact_digest: str
    directory: Path
    evaluation: Evaluation


def train(
    file: DefinitionFile,
    cohort: Cohort,
    options: TrainOptions,
    *,
    settings: Settings,
    progress: Progress,
    now: datetime,
) -> TrainedVersion:
    """Fit, calibrate, evaluate and register one version of a model.

    Raises CohortError before any fitting for a table that can't be used.
    """
    stages = Stages(progress)
    with tempfile.TemporaryDirectory() as scratch:
        artefact, files = Path(scratch) / "artefact", Path(scratch) / "run"
        artefact.mkdir()
        files.mkdir()
        built = build(
            file, cohort, options, artefact, files, settings=settings, progress=stages, now=now
        )
        progress("Registering the version", 0, 1)
        registered = register_run(
            file.definition,
            cohort,
            replace(built.record, metrics={**built.record.metrics, **stages.metrics()}),
            artefact,
            built.example,
            settings=settings,
        )
    place = settings.cache / "artefacts" / built.digest
    directory = download(registered, place, settings=settings)
    progress("Registering the version", 1, 1)
    return TrainedVersion(
        name=registered.name,
        version=registered.version,
        run_id=registered.run_id,
        artefact_digest=built.digest,
        directory=directory,
        evaluation=built.evaluation,
    )
