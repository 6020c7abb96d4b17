"""The home directory: where an installation keeps its database, artefacts and keys."""

import os
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from models.errors import SettingsError
from records.settings import Settings, check_home


@dataclass(frozen=True, slots=True)
class InitResult:
    """The directories and keys that were made, and the keys that were there and were kept."""

    directories: tuple[Path, ...]
    made: tuple[Path, ...]
    kept: tuple[Path, ...]


def init_home(settings: Settings) -> InitResult:
    """Make the directories (mode 0700) and keys (0600) that are missing; overwrite nothing.

    Raises SettingsError where others than the owner could read what is there already.
    """
    directories = (
        settings.root,
        settings.keys,
        settings.heads,
        settings.cache,
        settings.mlflow_artifacts,
        settings.bentoml_home,
        settings.evidently_workspace,
    )
    missing = tuple(directory for directory in directories if not directory.exists())
    for directory in directories:
        _make_private(directory)
    keys: dict[Path, Callable[[], bytes]] = {
        settings.pseudonym_key: lambda: secrets.token_hex(32).encode(),
        settings.signing_key: _signing_key,
        settings.console_secret: lambda: secrets.token_urlsafe(48).encode(),
    }
    kept = tuple(path for path in keys if path.exists())
    for path, make in keys.items():
        if path in kept:
            _check_private(path)
        else:
            _write_private(path, make())
    return InitResult(missing, tuple(path for path in keys if path not in kept), kept)


def _make_private(directory: Path) -> None:
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        if directory.stat().st_mode & 0o077:
            directory.chmod(0o700)
    except OSError as error:
        raise SettingsError(
            f"AUSCULT_HOME: {directory} can't be made for its owner alone ({error.strerror}); "
            "name a directory that this user may write to"
        ) from error
    check_home(directory, os.W_OK | os.X_OK, "can't be written")


def _check_private(path: Path) -> None:
    mode = path.stat().st_mode & 0o777
    if mode & 0o077:
        raise SettingsError(f"{path}: mode {mode:o} lets others read the key; chmod 600 it")


def _write_private(path: Path, content: bytes) -> None:
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise SettingsError(f"{path}: the key can't be written ({error.strerror})") from error


def _signing_key() -> bytes:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    return Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
