import shutil
import subprocess
from pathlib import Path

import pytest

from models.definition import DefinitionFile
from models.errors import RegistryError
from records.settings import Settings
from tests.training.conftest import NOW
from tests.training.readmissions import cohort, people
from training.options import TrainOptions
from training.registry import find_version, read_run_file, verify_registered
from training.run import TrainedVersion, train


def _train(file: DefinitionFile, settings: Settings) -> TrainedVersion:
    return train(
        file,
        cohort(people(300)),
        TrainOptions(trained_by="Ada", quick=True, draws=40, seed=7),
        settings=settings,
        progress=lambda *_: None,
        now=NOW,
    )


def test_a_home_that_was_moved_says_so_and_the_link_that_it_names_mends_it(
    definition_file: DefinitionFile, tmp_path: Path
) -> None:
    before, after = tmp_path / "old place" / "home", tmp_path / "new place"
    _train(definition_file, Settings(home=before))
    shutil.move(before, after)
    shutil.rmtree(before.parent)
    moved = Settings(home=after)
    version = find_version("readmission", "1", settings=moved)

    with pytest.raises(RegistryError, match="move the home back or leave a link") as caught:
        verify_registered(version, settings=moved)
    with pytest.raises(RegistryError, match="were written in"):
        read_run_file(version, "card.json", settings=moved)
    with pytest.raises(RegistryError, match="were written in"):
        _train(definition_file, moved)
    assert not before.exists()

    command = str(caught.value).split("`")[1]
    subprocess.run(command, shell=True, check=True)  # noqa: S602  # as a reader would type it
    verify_registered(version, settings=moved)
    assert _train(definition_file, moved).version == "2"


def test_files_that_are_gone_are_asked_for_from_a_backup(
    definition_file: DefinitionFile, tmp_path: Path
) -> None:
    settings = Settings(home=tmp_path / "home")
    _train(definition_file, settings)
    shutil.rmtree(settings.mlflow_artifacts)

    with pytest.raises(RegistryError, match="are gone; bring mlartifacts/ back from a backup"):
        verify_registered(find_version("readmission", "1", settings=settings), settings=settings)
