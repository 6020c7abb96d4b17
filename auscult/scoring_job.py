"""Scoring a file for the command: finds the version and the client, then hands over to serving."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from auscult.database import now
from models.errors import SettingsError
from records.settings import Settings

if TYPE_CHECKING:
    from models.risk_model import RiskModel
    from serving.batch.recording import Recorder
    from serving.batch.run import BatchOptions, BatchSummary, Progress

_WAITING_ROWS = 1 << 17  # more than the rows of a chunk and its events


def load_version(name: str, version: str, *, settings: Settings) -> "RiskModel":
    """Fetch a registered version (or alias), verify and load it."""
    from models.risk_model import RiskModel
    from training.registry import download, find_version

    registered = find_version(name, version, settings=settings)
    place = settings.cache / "artefacts" / registered.artefact_digest
    artefact = download(registered, place, settings=settings)
    return RiskModel.load(artefact, version=registered.version, digest=registered.artefact_digest)


def score(
    model: "RiskModel",
    source: Path,
    target: Path,
    *,
    options: "BatchOptions",
    key_file: Path | None,
    settings: Settings,
    progress: "Progress",
) -> "BatchSummary":
    """Score a file; with a client's key, record what was predicted.

    Raises ModelSuspended before any row, and within a chunk of rows once the model is taken out
    of use; when it's given back, the same command goes on where it stopped.
    """
    from serving.batch.run import score_file

    started_at = now()
    with _recording(key_file, settings, started_at) as recorder, _in_use(model) as check:

        def step(done: int, rows: int | None) -> None:
            check()
            progress(done, rows)

        return score_file(
            model,
            source,
            target,
            options=options,
            recorder=recorder,
            now=started_at,
            progress=step,
        )


@contextmanager
def _in_use(model: "RiskModel") -> Iterator[Callable[[], None]]:
    """Give what raises ModelSuspended once the model is suspended."""
    from records.suspensions import Suspensions

    suspensions = Suspensions()
    try:
        yield lambda: suspensions.check(model.definition.name)
    finally:
        suspensions.close()


@contextmanager
def _recording(
    key_file: Path | None, settings: Settings, started_at: datetime
) -> "Iterator[Recorder | None]":
    """Open what recording needs, if there is a key."""
    if key_file is None:
        yield None
        return
    from records.clients import authenticate
    from records.pseudonym import Pseudonymiser, check_key, read_pseudonym_key
    from records.writer import Writer
    from serving.batch.recording import Recorder

    pseudonym_key = read_pseudonym_key(settings.pseudonym_key)
    check_key(pseudonym_key)
    client = authenticate(read_key(key_file), started_at)
    if client is None:
        raise SettingsError(f"{key_file}: its API key is unknown, revoked or expired")
    writer = Writer(settings.database, queue=_WAITING_ROWS)
    writer.start()
    try:
        yield Recorder(writer, Pseudonymiser(pseudonym_key), client, now)
    finally:
        writer.close()


def read_key(path: Path) -> str:
    """Read a client's API key from a file that holds nothing else."""
    try:
        return path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path}: the API key can't be read; it holds one line") from error
