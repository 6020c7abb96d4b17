"""What a run makes before it registers, and what is left of it when its process is killed."""

import multiprocessing
import os
import signal
import stat
import tempfile
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Any

import mlflow
import pytest

from records.settings import Settings
from tests.training.conftest import NOW, Trained
from training.options import TrainOptions
from training.run import train
from training.scratch import scratch


def _left(settings: Settings) -> list[str]:
    return sorted(path.name for path in (settings.root / "scratch").iterdir())


def _make_something(settings: Settings, begun: Event) -> None:
    with scratch(settings) as directory:
        (directory / "rows").write_text("a patient's")
        begun.set()
        signal.pause()


def test_only_its_owner_may_read_it_and_it_goes_however_the_block_ends(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)

    with scratch(settings) as directory:
        (directory / "rows").write_text("a patient's")
        assert stat.S_IMODE(directory.stat().st_mode) == 0o700
        assert stat.S_IMODE(directory.parent.stat().st_mode) == 0o700
    assert _left(settings) == []

    with pytest.raises(KeyboardInterrupt), scratch(settings):
        raise KeyboardInterrupt
    assert _left(settings) == []


def test_what_a_killed_process_left_goes_with_the_next_run_and_a_living_ones_stays(
    tmp_path: Path,
) -> None:
    settings, context = Settings(home=tmp_path), multiprocessing.get_context("spawn")
    processes = []
    for _ in range(2):
        begun = context.Event()
        one = context.Process(target=_make_something, args=(settings, begun))
        one.start()
        assert begun.wait(60)
        processes.append(one)
    killed, living = processes
    assert killed.pid is not None
    os.kill(killed.pid, signal.SIGKILL)
    killed.join()
    assert len(_left(settings)) == 4  # a directory and a lock each

    with scratch(settings) as own:
        assert own.is_dir()
        assert len(_left(settings)) == 4
    (directory,) = (path for path in (settings.root / "scratch").iterdir() if path.is_dir())
    assert (directory / "rows").read_text() == "a patient's"

    living.terminate()
    living.join()
    with scratch(settings):
        pass
    assert _left(settings) == []


def test_a_run_leaves_nothing_there_and_puts_no_rows_in_the_systems_temporary_directory(
    trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings, elsewhere = Settings(home=tmp_path / "home"), tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(elsewhere))
    written, copied_in = set[str](), list[Path]()
    write, log = Path.write_bytes, mlflow.pyfunc.log_model

    def noticed(path: Path, data: bytes) -> int:
        if path.is_relative_to(elsewhere):
            written.add(path.name)
        return write(path, data)

    def logged(*given: Any, **named: Any) -> Any:
        copied_in.append(Path(tempfile.gettempdir()))
        return log(*given, **named)

    monkeypatch.setattr(Path, "write_bytes", noticed)
    monkeypatch.setattr(mlflow.pyfunc, "log_model", logged)
    train(
        trained.file,
        trained.cohort,
        TrainOptions(trained_by="Ada", quick=True, draws=40, seed=7),
        settings=settings,
        progress=lambda *_: None,
        now=NOW,
    )

    assert _left(settings) == []
    assert written <= {"card.html", "card.json"}  # which tell of no single person
    (place,) = copied_in
    assert place.is_relative_to(settings.root / "scratch")
    assert tempfile.tempdir == str(elsewhere)
