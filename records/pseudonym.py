"""Pseudonyms: a patient is known in the records by a keyed digest of their identifier only."""

import hashlib
import hmac
from pathlib import Path

from models.errors import MalformedInput, SettingsError

KEY_BYTES = 32


class Pseudonymiser:
    """Turns identifiers into pseudonyms: `HMAC-SHA256(key, "pid:v1" 00 system 00 value)`."""

    def __init__(self, key: bytes) -> None:
        if len(key) != KEY_BYTES:
            raise SettingsError(f"the pseudonym key has {len(key)} bytes, not {KEY_BYTES}")
        self._started = hmac.new(key, b"pid:v1\0", hashlib.sha256)

    def pseudonym(self, system: str, value: str) -> str:
        """Return the pseudonym (64 hexadecimal digits) of an identifier in a system.

        White space around either is none of it: some systems pad their numbers.
        """
        system, value = system.strip(), value.strip()
        if not value or "\0" in system or "\0" in value:
            # the identifier itself stays out of the text
            raise MalformedInput(
                "a patient's identifier must have a value, and no NUL character",
                field="patient",
                reason="bad_identifier",
            )
        digest = self._started.copy()
        digest.update(f"{system}\0{value}".encode())
        return digest.hexdigest()


def read_pseudonym_key(path: Path) -> bytes:
    """Read the key, 64 hexadecimal digits; raise SettingsError that names the file."""
    try:
        text = path.read_text(encoding="ascii").strip()
    except OSError as error:
        raise SettingsError(
            f"{path}: the pseudonym key can't be read ({error.strerror}); "
            "run `auscult init`, or restore the key from its backup"
        ) from error
    except UnicodeDecodeError as error:
        raise SettingsError(f"{path}: the pseudonym key is no text") from error
    try:
        key = bytes.fromhex(text)
    except ValueError:
        key = b""
    if len(key) != KEY_BYTES:
        raise SettingsError(f"{path}: a pseudonym key is {2 * KEY_BYTES} hexadecimal digits")
    return key


def check_key(key: bytes) -> None:
    """Raise SettingsError if the database's pseudonyms were made with another key.

    The first key that a database sees is kept as its fingerprint.
    """
    from records.models import Installation

    fingerprint = hmac.new(key, b"fingerprint:v1", hashlib.sha256).hexdigest()
    installation, _ = Installation.objects.get_or_create(
        id=1, defaults={"pseudonym_key": fingerprint}
    )
    if not hmac.compare_digest(installation.pseudonym_key, fingerprint):
        raise SettingsError(
            "the pseudonym key is another than the one this database was made with; "
            "restore that key, or the same patient would get a second pseudonym"
        )
