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


def _files(home: Path) -> list[Path]:
    return sorted((home / "mlartifacts").rglob("*"))


def test_a_copied_home_is_refused_before_it_reads_or_writes_the_files_of_the_first(
    definition_file: DefinitionFile, tmp_path: Path
) -> None:
    first, second = tmp_path / "first home", tmp_path / "second"
    _train(definition_file, Settings(home=first))
    shutil.copytree(first, second)
    copy, written = Settings(home=second), _files(first)
    version = find_version("readmission", "1", settings=copy)

    with pytest.raises(RegistryError, match="this home is a copy of another") as caught:
        _train(definition_file, copy)
    with pytest.raises(RegistryError, match="this home is a copy of another"):
        verify_registered(version, settings=copy)
    with pytest.raises(RegistryError, match="this home is a copy of another"):
        read_run_file(version, "card.json", settings=copy)
    assert _files(first) == written
    assert _train(definition_file, Settings(home=first)).version == "2"

    shutil.move(first / "mlartifacts", tmp_path / "out of the way")
    command = str(caught.value).split("`")[1]
    subprocess.run(command, shell=True, check=True)  # noqa: S602  # as a reader would type it
    verify_registered(version, settings=copy)


def test_a_copy_without_its_files_is_refused_as_well(
    definition_file: DefinitionFile, tmp_path: Path
) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    _train(definition_file, Settings(home=first))
    shutil.copytree(first, second, ignore=shutil.ignore_patterns("mlartifacts"))

    with pytest.raises(RegistryError, match="this home is a copy of another"):
        _train(definition_file, Settings(home=second))


def test_a_home_that_is_reached_by_a_link_is_the_same_home(
    definition_file: DefinitionFile, tmp_path: Path
) -> None:
    home, link = tmp_path / "home", tmp_path / "link"
    _train(definition_file, Settings(home=home))
    link.symlink_to(home)

    verify_registered(
        find_version("readmission", "1", settings=Settings(home=link)), settings=Settings(home=link)
    )


def test_files_that_are_gone_are_asked_for_from_a_backup(
    definition_file: DefinitionFile, tmp_path: Path
) -> None:
    settings = Settings(home=tmp_path / "home")
    _train(definition_file, settings)
    shutil.rmtree(settings.mlflow_artifacts)

    with pytest.raises(RegistryError, match="are gone; bring mlartifacts/ back from a backup"):
        verify_registered(find_version("readmission", "1", settings=settings), settings=settings)
