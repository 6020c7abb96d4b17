"""One training run: from a definition and its cohort to a registered version with its evidence."""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import pandas as pd

from models.definition import Definition, DefinitionFile
from models.evaluation.evaluation import Evaluation
from records.settings import Settings
from training.artefact_root import check_artefact_root
from training.build import build
from training.candidate import Progress
from training.card import Card
from training.cohort import Cohort
from training.earlier_runs import EarlierRuns
from training.options import TrainOptions
from training.registration import RunRecord, register_run
from training.registry import RegisteredVersion, download, store
from training.run_files import complete_card
from training.scratch import scratch
from training.stages import Stages

Note = Callable[[RegisteredVersion], None]


@dataclass(frozen=True, slots=True)
class TrainedVersion:
    """A registered version, its verified artefact directory, and how it did on the test part.

    `earlier` counts the runs that the same people had judged before; None where nothing was chosen.
    """

    name: str
    version: str
    run_id: str
    artefact_digest: str
    directory: Path
    evaluation: Evaluation
    earlier: EarlierRuns | None = None


def train(
    file: DefinitionFile,
    cohort: Cohort,
    options: TrainOptions,
    *,
    settings: Settings,
    progress: Progress,
    now: datetime,
    note: Note | None = None,
) -> TrainedVersion:
    """Fit, calibrate, evaluate and register one version of a model.

    `note` writes the version down elsewhere before it can be used. Raises CohortError before any
    fitting for a table that can't be used, and RegistryError for a home that was moved or copied.
    """
    if settings.root.is_dir():  # rather now than when all is made
        check_artefact_root(store(settings), file.definition.name, settings)
    stages = Stages(progress)
    with scratch(settings) as place:
        artefact, files = place / "artefact", place / "run"
        artefact.mkdir()
        files.mkdir()
        with before_registration():
            built = build(
                file, cohort, options, artefact, files, settings=settings, progress=stages, now=now
            )
        trained = register_version(
            file.definition,
            cohort,
            replace(built.record, metrics={**built.record.metrics, **stages.metrics()}),
            artefact,
            built.example,
            built.evaluation,
            built.looks.card,
            settings=settings,
            progress=progress,
            note=note,
        )
        return replace(trained, earlier=built.looks.found)


@contextlib.contextmanager
def before_registration() -> Iterator[None]:
    """Let an interruption within say that nothing was registered, as it can't of a later one."""
    try:
        yield
    except KeyboardInterrupt as interruption:
        raise KeyboardInterrupt("nothing was registered") from interruption


def register_version(
    definition: Definition,
    cohort: Cohort,
    record: RunRecord,
    artefact: Path,
    example: pd.DataFrame,
    evaluation: Evaluation,
    card: Card,
    *,
    settings: Settings,
    progress: Progress,
    note: Note | None = None,
) -> TrainedVersion:
    """Register a sealed artefact with its run's record, and bring it into the cache.

    Before the version can be used, the run's card is written again with what only the registration
    tells, version and date, and `note` is called.
    """

    def complete(version: RegisteredVersion) -> None:
        complete_card(version, card, settings=settings)
        if note is not None:
            note(version)

    progress("Registering the version", 0, 1)
    registered = register_run(
        definition, cohort, record, artefact, example, complete=complete, settings=settings
    )
    place = settings.cache / "artefacts" / registered.artefact_digest
    directory = download(registered, place, settings=settings)
    progress("Registering the version", 1, 1)
    return TrainedVersion(
        name=registered.name,
        version=registered.version,
        run_id=registered.run_id,
        artefact_digest=registered.artefact_digest,
        directory=directory,
        evaluation=evaluation,
    )
