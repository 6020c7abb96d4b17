"""Signed heads: statements, by a key that the writers lack, of how far each chain has come.

What comes after the last signed head can be truncated without trace; what comes before can't,
where the statements are also kept out of the database's reach. Each statement names the digest
of the one before it.
"""

import os
from collections.abc import Iterable, Mapping
from datetime import datetime
from hashlib import sha256
from pathlib import Path

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from models.errors import RecordError, SettingsError
from records.canonical import canonical
from records.rows import sql_time

NONE_BEFORE = "0" * 64


class Head(msgspec.Struct, frozen=True):
    """A writer's newest block: its number and hash."""

    seq: int
    hash: str


class Statement(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is signed: the heads that moved since the statement before."""

    time: str
    previous: str
    heads: dict[str, Head]

    @property
    def content(self) -> bytes:
        """The canonical bytes that are signed."""
        return canonical(msgspec.to_builtins(self))

    @property
    def digest(self) -> str:
        """The SHA-256 by which the next statement names this one."""
        return sha256(self.content).hexdigest()


class SignedStatement(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A statement with its Ed25519 signature and the public key, both in hexadecimal."""

    statement: Statement
    signature: str
    key: str

    def is_signed_by(self, key: Ed25519PublicKey) -> bool:
        """Say whether the signature is that key's."""
        try:
            key.verify(bytes.fromhex(self.signature), self.statement.content)
        except (InvalidSignature, ValueError):
            return False
        return True


def sign_head(signing_key: Path, directory: Path, now: datetime) -> SignedStatement | None:
    """Sign every head that moved, into the table and a file in `directory`; None if none did."""
    from django.db import connection, transaction

    from records.models import SignedHead

    key = read_signing_key(signing_key)
    with transaction.atomic():
        if connection.vendor == "postgresql":
            connection.cursor().execute("SELECT pg_advisory_xact_lock(hashtext('auscult heads'))")
        signed = in_database()
        moved = _moved(newest_signed(signed))
        if not moved:
            return None
        previous = signed[-1].statement.digest if signed else NONE_BEFORE
        statement = Statement(f"{sql_time(now)}Z", previous, moved)
        made = SignedStatement(
            statement,
            key.sign(statement.content).hex(),
            key.public_key().public_bytes_raw().hex(),
        )
        SignedHead.objects.create(
            time=now,
            previous=previous,
            heads=msgspec.to_builtins(moved),
            signature=made.signature,
            key=made.key,
        )
        _keep(made, directory)
    return made


def in_database() -> list[SignedStatement]:
    """Return the table's statements, the oldest first."""
    from records.models import SignedHead

    return [
        SignedStatement(
            Statement(
                f"{sql_time(row.time)}Z", row.previous, msgspec.convert(row.heads, dict[str, Head])
            ),
            row.signature,
            row.key,
        )
        for row in SignedHead.objects.order_by("id").iterator()
    ]


def in_directory(directory: Path) -> list[SignedStatement]:
    """Return the statements kept in files; raise RecordError that names one that can't be read."""
    found = []
    for path in sorted(directory.glob("*.json")):
        try:
            found.append(msgspec.json.decode(path.read_bytes(), type=SignedStatement))
        except (OSError, msgspec.MsgspecError) as error:
            raise RecordError(f"{path}: the signed head can't be read: {error}") from error
    return found


def known(directory: Path) -> list[SignedStatement]:
    """Return every statement in the table or in files, each once."""
    statements = [*in_database(), *in_directory(directory)]
    return list({one.statement.digest: one for one in statements}.values())


def newest_signed(signed: Iterable[SignedStatement]) -> dict[str, Head]:
    """Return the furthest head of each writer that any of the statements holds."""
    newest: dict[str, Head] = {}
    for one in signed:
        for writer, head in one.statement.heads.items():
            if writer not in newest or newest[writer].seq < head.seq:
                newest[writer] = head
    return newest


def read_signing_key(path: Path) -> Ed25519PrivateKey:
    """Read the Ed25519 key that signs heads; raise SettingsError that names the file."""
    try:
        key = load_pem_private_key(path.read_bytes(), password=None)
    except OSError as error:
        raise SettingsError(
            f"{path}: the signing key can't be read ({error.strerror}); run `auscult init`"
        ) from error
    except (ValueError, TypeError) as error:
        raise SettingsError(f"{path}: this is no unencrypted PEM key") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise SettingsError(f"{path}: heads are signed by an Ed25519 key, not this kind")
    return key


def _moved(signed: Mapping[str, Head]) -> dict[str, Head]:
    from django.db.models import Max

    from records.models import ChainBlock

    newest = ChainBlock.objects.values("writer").annotate(newest=Max("seq"))
    moved = {
        row["writer"]: row["newest"]
        for row in newest
        if row["writer"] not in signed or signed[row["writer"]].seq < row["newest"]
    }
    return {
        writer: Head(seq, ChainBlock.objects.get(writer=writer, seq=seq).hash)
        for writer, seq in sorted(moved.items())
    }


def _keep(signed: SignedStatement, directory: Path) -> None:
    name = signed.statement.time.replace(" ", "T").replace(":", "")
    path = directory / f"{name}-{signed.statement.digest[:8]}.json"
    try:
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(msgspec.json.encode(signed))
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise RecordError(f"{path}: the signed head can't be kept ({error.strerror})") from error
