"""Public data files: found beside the project, or fetched once from their origin and checked."""

import gzip
import hashlib
import io
import os
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import httpx

from models.errors import CohortError
from records.settings import Settings

Progress = Callable[[str, int, int], None]

_TIMEOUT_SECONDS = 60
_MOST_BYTES = 200_000_000


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a CSV file comes from: an archive, the member in it, and the SHA-256 of that member."""

    name: str
    url: str
    member: str
    sha256: str

    @property
    def file(self) -> str:
        """The name under which the file is kept, compressed."""
        return f"{Path(self.member).name}.gz"


def fetch_file(origin: Origin, settings: Settings, progress: Progress) -> Path:
    """Return the file, from the data directory, the cache, or its origin; always checked.

    Raises CohortError if it can't be fetched or isn't the file that it should be.
    """
    for known in _known_places(origin, settings):
        if known.is_file():
            _check_digest(read_file(known), origin, str(known))
            return known
    stage = f"Fetching {origin.name}"
    progress(stage, 0, 1)
    data = _member(origin, _download(origin))
    _check_digest(data, origin, f"{origin.member} of {origin.url}")
    kept = settings.cache / origin.file
    _keep(gzip.compress(data, mtime=0), kept)
    progress(stage, 1, 1)
    return kept


def read_file(path: Path) -> bytes:
    """Return the bytes of a file compressed by gzip; raise CohortError if it isn't one."""
    try:
        return gzip.decompress(path.read_bytes())
    except (OSError, EOFError) as error:
        raise CohortError(f"{path} can't be read: {error}; fetch it again") from error


def _known_places(origin: Origin, settings: Settings) -> list[Path]:
    places = [settings.cache / origin.file]
    if settings.data_dir is not None:
        places[:0] = [
            settings.data_dir / origin.file,
            settings.data_dir / origin.name / origin.file,
        ]
    return places


def _download(origin: Origin) -> bytes:
    try:
        with httpx.stream(
            "GET", origin.url, timeout=_TIMEOUT_SECONDS, follow_redirects=True
        ) as answer:
            answer.raise_for_status()
            data = bytearray()
            for piece in answer.iter_bytes():
                data += piece
                if len(data) > _MOST_BYTES:
                    raise CohortError(f"{origin.url} is larger than {_MOST_BYTES} bytes")
    except httpx.HTTPError as error:
        raise CohortError(
            f"{origin.name} can't be fetched from {origin.url} ({error}); check the network, or "
            f"put {origin.file} into AUSCULT_DATA_DIR"
        ) from error
    return bytes(data)


def _member(origin: Origin, archive: bytes) -> bytes:
    try:
        with zipfile.ZipFile(io.BytesIO(archive)) as opened:
            return opened.read(origin.member)
    except (zipfile.BadZipFile, KeyError) as error:
        raise CohortError(
            f"{origin.url} isn't an archive with {origin.member} in it ({error}); put "
            f"{origin.file} into AUSCULT_DATA_DIR"
        ) from error


def _check_digest(data: bytes, origin: Origin, name: str) -> None:
    found = hashlib.sha256(data).hexdigest()
    if found != origin.sha256:
        raise CohortError(
            f"{name} has SHA-256 {found}, not {origin.sha256}: it isn't the file that the shipped "
            "model was made from; delete it and fetch again"
        )


def _keep(data: bytes, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    partial = path.with_suffix(f".{os.getpid()}.part")
    partial.write_bytes(data)
    partial.replace(path)
