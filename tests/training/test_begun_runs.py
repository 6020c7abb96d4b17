"""Runs whose process was killed: known by the lock that only a living process holds."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest
from mlflow.entities import Run
from mlflow.tracking import MlflowClient

from models.definition import DefinitionFile
from models.errors import RegistryError
from records.locks import locked
from records.settings import Settings
from tests.training.conftest import NOW, Trained, share_registry
from tests.training.readmissions import cohort, people
from training.begun_runs import end_dead_runs
from training.promotion import promote
from training.registration import RunRecord, log_run
from training.registry import newest_version

KILLED = """
import os, signal, sys
from pathlib import Path
from models.definition import read_definition
from records.settings import Settings
from tests.training.readmissions import cohort, people
from training.registration import RunRecord, log_run

home, definition, files = map(Path, sys.argv[1:])
killed = lambda run_id: os.kill(os.getpid(), signal.SIGKILL)
record = RunRecord({}, {}, files, {}, begun=killed)
one = read_definition(definition).definition
log_run(one, cohort(people(50)), record, settings=Settings(home=home))
"""

KILLED_ON_COMPLETING = """
import os, signal, sys
from pathlib import Path
import training.run
from models.definition import read_definition
from records.settings import Settings
from tests.training.conftest import NOW
from tests.training.readmissions import cohort, followed
from training.options import TrainOptions

home, definition = map(Path, sys.argv[1:])
training.run.complete_card = lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL)
training.run.train(
    read_definition(definition),
    cohort(followed()),
    TrainOptions(trained_by="Ada", quick=True, draws=40, seed=9),
    settings=Settings(home=home),
    progress=lambda *_: None,
    now=NOW,
)
"""


@pytest.fixture
def files(tmp_path: Path) -> Path:
    (tmp_path / "files").mkdir()
    return tmp_path / "files"


def test_a_run_whose_process_was_killed_is_said_to_be_by_the_next(
    tmp_path: Path, files: Path, definition_file: DefinitionFile
) -> None:
    home = Settings(home=tmp_path / "home")
    command = [sys.executable, "-c", KILLED, str(home.root), str(definition_file.path), str(files)]
    ended = subprocess.run(command, check=False, cwd=Path(__file__).parents[2])
    assert ended.returncode == -signal.SIGKILL
    (run,) = _runs(home)
    assert run.info.status == "RUNNING"

    log_run(
        definition_file.definition,
        cohort(people(50)),
        RunRecord({}, {}, files, {}),
        settings=home,
    )

    states = {one.info.run_id: one.info.status for one in _runs(home)}
    assert states.pop(run.info.run_id) == "KILLED"
    assert list(states.values()) == ["FINISHED"]
    assert list((home.root / "running").iterdir()) == []


def test_a_lock_whose_process_died_before_its_run_began_is_removed_by_the_next(
    tmp_path: Path, files: Path, definition_file: DefinitionFile
) -> None:
    home = Settings(home=tmp_path / "home")
    one, table, empty = definition_file.definition, cohort(people(50)), RunRecord({}, {}, files, {})
    log_run(one, table, empty, settings=home)
    client = MlflowClient(home.tracking_uri, home.tracking_uri)
    of_another_model = client.create_experiment("another")
    client.create_run(of_another_model, tags={"auscult.held": "b" * 32})
    for name in ("a", "b", "c"):
        (home.root / "running" / (name * 32)).touch()

    with locked(home.root / "running" / ("c" * 32)):
        log_run(one, table, empty, settings=home)

    left = sorted(path.name[0] for path in (home.root / "running").iterdir())
    assert left == ["b", "c"]  # of a run that is still to be ended, and of a process that lives


def test_a_run_that_lives_or_of_which_nothing_is_known_keeps_its_status(
    tmp_path: Path, files: Path, definition_file: DefinitionFile
) -> None:
    home = Settings(home=tmp_path / "home")
    seen: list[str] = []

    def others_look(run_id: str) -> dict[str, float]:
        client = MlflowClient(home.tracking_uri, home.tracking_uri)
        experiment = client.get_run(run_id).info.experiment_id
        client.create_run(experiment)  # by another program than ours
        client.create_run(experiment, tags={"auscult.held": "of-another-home"})
        end_dead_runs(experiment, home)
        seen.extend(run.info.status for run in _runs(home))
        return {}

    log_run(
        definition_file.definition,
        cohort(people(50)),
        RunRecord({}, {}, files, {}, begun=others_look),
        settings=home,
    )

    assert seen == ["RUNNING"] * 3
    assert sorted(run.info.status for run in _runs(home)) == ["FINISHED", "RUNNING", "RUNNING"]


def test_a_run_that_fails_is_no_dead_one(
    tmp_path: Path, files: Path, definition_file: DefinitionFile
) -> None:
    home = Settings(home=tmp_path / "home")

    def fail(run_id: str) -> dict[str, float]:
        raise RegistryError("no room")

    with pytest.raises(RegistryError, match="no room"):
        log_run(
            definition_file.definition,
            cohort(people(50)),
            RunRecord({}, {}, files, {}, begun=fail),
            settings=home,
        )

    assert [run.info.status for run in _runs(home)] == ["FAILED"]
    assert list((home.root / "running").iterdir()) == []


@pytest.mark.parametrize("tagged", [True, False])
def test_a_version_whose_registration_was_cut_short_is_not_promoted(
    tagged: bool, sqlite_db: Settings, trained: Trained
) -> None:
    share_registry(trained.settings, sqlite_db)
    client = MlflowClient(sqlite_db.tracking_uri, sqlite_db.tracking_uri)
    whole = client.get_model_version("readmission", "1")
    tags = dict(whole.tags) if tagged else {}
    source = f"{sqlite_db.mlflow_artifacts.as_uri()}/models/never-written/artifacts"
    half = client.create_model_version("readmission", source, run_id=whole.run_id, tags=tags)

    with pytest.raises(RegistryError) as caught:
        promote(
            "readmission",
            str(half.version),
            to="champion",
            by="Grace",
            because="It is the newest one",
            override=True,
            settings=sqlite_db,
            now=NOW,
        )

    assert ("holds no files of it" if tagged else "wasn't registered by") in str(caught.value)


def _runs(home: Settings) -> list[Run]:
    client = MlflowClient(home.tracking_uri, home.tracking_uri)
    experiment = client.get_experiment_by_name("readmission")
    assert experiment is not None
    return list(client.search_runs([experiment.experiment_id]))


def test_a_version_whose_card_was_not_completed_is_neither_promoted_nor_the_newest(
    sqlite_db: Settings, trained: Trained
) -> None:
    share_registry(trained.settings, sqlite_db)
    client = MlflowClient(sqlite_db.tracking_uri, sqlite_db.tracking_uri)
    newest = newest_version("readmission", settings=sqlite_db).version
    arguments = [str(sqlite_db.root), str(trained.file.path)]
    ended = subprocess.run(
        [sys.executable, "-c", KILLED_ON_COMPLETING, *arguments],
        check=False,
        cwd=Path(__file__).parents[2],
    )
    assert ended.returncode == -signal.SIGKILL
    numbers = [int(one.version) for one in client.search_model_versions("name = 'readmission'")]
    assert max(numbers) > int(newest)

    with pytest.raises(RegistryError) as caught:
        promote(
            "readmission",
            str(max(numbers)),
            to="champion",
            by="Grace",
            because="It is the newest one",
            override=True,
            settings=sqlite_db,
            now=NOW,
        )

    assert "its registration was cut off" in str(caught.value)
    assert str(caught.value).endswith("make another with `auscult train readmission`")
    assert newest_version("readmission", settings=sqlite_db).version == newest
