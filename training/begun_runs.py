"""Runs that have begun: one at a time, each held by its process, so that the dead are known.

A process holds a lock on a file of the home for as long as its run lasts. The kernel gives the lock
up when the process ends, however that is, so whoever gets it knows that the process is dead.
"""

import contextlib
import fcntl
from collections.abc import Iterator
from pathlib import Path
from typing import Final
from uuid import uuid4

from mlflow.entities import RunStatus

from records.locks import locked
from records.settings import Settings
from training.registry import TAG, store

HELD: Final = f"{TAG}held"  # the tag that names the lock of a run
_RUNNING: Final = "RUNNING"
_KILLED: Final = "KILLED"
_AT_ONCE: Final = fcntl.LOCK_EX | fcntl.LOCK_NB


@contextlib.contextmanager
def alone(settings: Settings) -> Iterator[None]:
    """Let no other run of this home begin until the block ends."""
    with locked(_alone(settings)):
        yield


@contextlib.contextmanager
def held(settings: Settings) -> Iterator[str]:
    """Hold a new lock, and yield its name for the tag of a run that begins and ends within.

    Other runs must not begin until the run has.
    """
    name = uuid4().hex
    place = _place(settings)
    place.mkdir(exist_ok=True, mode=0o700)
    with locked(place / name):
        try:
            yield name
        finally:
            (place / name).unlink()


def end_dead_runs(experiment: str, settings: Settings) -> None:
    """Give runs of an experiment whose processes are dead the status KILLED.

    Only runs that were begun in this home can be told; others keep their status. Locks of processes
    that died before their run began are removed.
    """
    client, token = store(settings), None
    while True:
        found = client.search_runs(
            [experiment], f"attributes.status = '{_RUNNING}'", page_token=token
        )
        for run in found:
            if HELD in run.data.tags:
                _end_if_dead(run.info.run_id, run.data.tags[HELD], settings)
        token = found.token
        if not token:
            break
    with contextlib.suppress(BlockingIOError), locked(_alone(settings), _AT_ONCE):
        for path in _place(settings).glob("*"):
            _remove_if_unused(path, settings)


def _remove_if_unused(path: Path, settings: Settings) -> None:
    """Remove a lock that nobody holds and by which no run can be told to be dead."""
    client = store(settings)
    experiments = [one.experiment_id for one in client.search_experiments()]
    named = f"tags.`{HELD}` = '{path.name}' and attributes.status = '{_RUNNING}'"
    with contextlib.suppress(BlockingIOError), locked(path, _AT_ONCE):
        if path.name.isalnum() and not client.search_runs(experiments, named, max_results=1):
            path.unlink()


def _end_if_dead(run_id: str, name: str, settings: Settings) -> None:
    path = _place(settings) / Path(name).name
    if not path.is_file():
        return
    try:
        with locked(path, _AT_ONCE):
            client = store(settings)
            # it may have ended itself since it was listed
            if client.get_run(run_id).info.status == RunStatus.to_string(RunStatus.RUNNING):
                client.set_terminated(run_id, _KILLED)
            path.unlink(missing_ok=True)
    except BlockingIOError:  # its process lives
        return


def _alone(settings: Settings) -> Path:
    return settings.root / "runs.lock"


def _place(settings: Settings) -> Path:
    return settings.root / "running"
