"""Where a run makes its files before they are registered: in the home, gone whatever ends the run.

They hold rows of patients. A process that is killed can't remove them, so the next run does: each
directory has a lock, which the kernel gives up when its process ends.
"""

import contextlib
import fcntl
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Final
from uuid import uuid4

from records.locks import locked
from records.settings import Settings

_LOCK: Final = ".lock"


@contextlib.contextmanager
def scratch(settings: Settings) -> Iterator[Path]:
    """Yield an empty directory that only its owner may read, gone when the block ends.

    Those of dead processes are removed first.
    """
    place = settings.root / "scratch"
    place.mkdir(parents=True, exist_ok=True, mode=0o700)
    directory = place / uuid4().hex
    held = directory.with_suffix(_LOCK)
    with contextlib.ExitStack() as stack:
        with locked(settings.root / "scratch.lock"):  # nobody removes what has no holder yet
            _remove_dead(place)
            stack.enter_context(locked(held))
            directory.mkdir(mode=0o700)
        try:
            yield directory
        finally:
            shutil.rmtree(directory)
            held.unlink()


def _remove_dead(place: Path) -> None:
    for held in place.glob(f"*{_LOCK}"):
        with contextlib.suppress(BlockingIOError), locked(held, fcntl.LOCK_EX | fcntl.LOCK_NB):
            shutil.rmtree(held.with_suffix(""), ignore_errors=True)
            held.unlink(missing_ok=True)
