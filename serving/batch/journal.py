"""The state file of a run: of which file and model it is, and which rows are finished."""

import fcntl
import os
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

import msgspec

from models.errors import BatchError

T = TypeVar("T")

FORMAT = 1
_WORDS = {
    "format": "the format of the state",
    "input_bytes": "the input's size",
    "input_sha256": "the input's content",
    "model": "the model",
    "version": "the model's version",
    "artefact_digest": "the files of the model's version",
    "columns": "the columns asked for",
    "rows_a_chunk": "the rows a chunk",
}


class Run(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is scored, by what; a run goes on only where all of it but the time is the same."""

    format: int
    input_bytes: int
    input_sha256: str
    model: str
    version: str
    artefact_digest: str
    columns: tuple[str, ...]
    rows_a_chunk: int
    started_at: datetime


class Finished(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Some rows that are finished: how many, and where the part file ends with them."""

    rows: int
    end: int
    refused: Mapping[str, int]


class Journal:
    """A line for the run, then one for each chunk, synced; locked for as long as it's open."""

    def __init__(self, path: Path, run: Run) -> None:
        self._path = path
        self._fd = _locked(path)
        try:
            lines = self._lines()
            self.run = _decoded(lines[0], Run, path) if lines else run
            _check_same(self.run, run, path)
            self.finished = [_decoded(line, Finished, path) for line in lines[1:]]
            if not lines:
                self._write(msgspec.json.encode(run))
        except BaseException:
            os.close(self._fd)
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        os.close(self._fd)

    def append(self, finished: Finished) -> None:
        """Note a chunk whose rows are on disk in the part file."""
        self._write(msgspec.json.encode(finished))
        self.finished.append(finished)

    def remove(self) -> None:
        """Delete the state file, when all is finished."""
        self._path.unlink()

    def _lines(self) -> list[bytes]:
        """Return the whole lines, and cut off one that an interruption left unfinished."""
        with open(self._fd, "rb", closefd=False) as file:
            text = file.read()
        whole = text[: text.rfind(b"\n") + 1]
        os.ftruncate(self._fd, len(whole))
        os.lseek(self._fd, len(whole), os.SEEK_SET)
        return whole.splitlines()

    def _write(self, line: bytes) -> None:
        os.write(self._fd, line + b"\n")
        os.fsync(self._fd)


def _locked(path: Path) -> int:
    fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(fd)
        raise BatchError(f"{path.name} is locked: another run writes these scores now") from error
    return fd


def _decoded(line: bytes, kind: type[T], path: Path) -> T:
    try:
        return msgspec.json.decode(line, type=kind)
    except msgspec.DecodeError as error:
        raise BatchError(
            f"{path.name} can't be read ({error}); delete it and the part file to begin again"
        ) from error


def _check_same(before: Run, now: Run, path: Path) -> None:
    """Raise BatchError that names what differs between the interrupted run and this one."""
    for name, words in _WORDS.items():
        old, new = getattr(before, name), getattr(now, name)
        if old != new:
            values = f"was {old}, is {new}" if not isinstance(old, tuple) else "differ"
            raise BatchError(
                f"an interrupted run can't go on: {words} {values}; undo the change, or delete "
                f"{path.name} and the part file to begin again"
            )
