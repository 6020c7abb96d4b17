"""A fitted version's directory: the manifest that seals it, and the check before it's loaded."""

import hashlib
import json
from pathlib import Path

from models.errors import ArtefactError

MANIFEST = "manifest.json"
_FORMAT = 1
# Nothing here can run code when it's read; a pickle under another name is never unpickled.
_ALLOWED = frozenset(
    (".toml", ".md", ".json", ".ubj", ".npz", ".parquet", ".html", ".png", ".svg", ".csv")
)


def write_manifest(directory: Path, model: str) -> str:
    """Write the digests of all files in the directory; return the digest of that manifest."""
    files = {name: _digest(path) for name, path in _files(directory).items()}
    if not files:
        raise ArtefactError(f"{directory}: there is nothing to seal")
    document = {"format": _FORMAT, "model": model, "files": files}
    text = json.dumps(document, indent=1, sort_keys=True).encode()
    (directory / MANIFEST).write_bytes(text)
    return hashlib.sha256(text).hexdigest()


def verify_artefact(directory: Path, digest: str | None = None) -> str:
    """Check every file against the manifest, and the manifest against `digest`; return its digest.

    Raises ArtefactError that names the file which is absent, changed, added or not allowed.
    """
    if not directory.is_dir():
        raise ArtefactError(f"{directory}: no such directory")
    found = _files(directory)
    text = _read(directory / MANIFEST)
    actual = hashlib.sha256(text).hexdigest()
    if digest is not None and actual != digest:
        raise ArtefactError(f"{directory / MANIFEST}: its digest is {actual}, not {digest}")
    listed = _listed(text, directory / MANIFEST)
    for name in sorted(listed.keys() | found.keys()):
        if name not in found:
            raise ArtefactError(f"{directory / name}: the manifest lists it, but it's absent")
        if name not in listed:
            raise ArtefactError(f"{directory / name}: the manifest doesn't list it")
        if _digest(found[name]) != listed[name]:
            raise ArtefactError(f"{directory / name}: changed since it was sealed")
    return actual


def sealed_model(directory: Path) -> str:
    """Return the name of the model that a directory's manifest states."""
    document = json.loads(_read(directory / MANIFEST))
    return str(document["model"])


def _files(directory: Path) -> dict[str, Path]:
    files: dict[str, Path] = {}
    for path in sorted(directory.rglob("*")):
        if path.is_symlink():
            raise ArtefactError(f"{path}: links aren't allowed in an artefact")
        if path.is_dir() or path == directory / MANIFEST:
            continue
        if path.suffix not in _ALLOWED:
            raise ArtefactError(
                f"{path}: files of this kind aren't allowed in an artefact; allowed are "
                f"{', '.join(sorted(_ALLOWED))}"
            )
        files[path.relative_to(directory).as_posix()] = path
    return files


def _listed(text: bytes, path: Path) -> dict[str, str]:
    try:
        document = json.loads(text)
        version, files, model = document["format"], document["files"], document["model"]
        listed = {str(name): str(digest) for name, digest in files.items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ArtefactError(f"{path}: not a manifest ({error})") from error
    if version != _FORMAT or not isinstance(model, str):
        raise ArtefactError(f"{path}: has format {version!r}; this code reads {_FORMAT}")
    return listed


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ArtefactError(f"{path}: can't be read ({error.strerror})") from error


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
