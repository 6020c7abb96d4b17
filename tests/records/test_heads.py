from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from models.errors import RecordError, SettingsError
from records import audit, heads
from records.canonical import canonical
from records.models import ChainBlock
from records.settings import Settings
from tests.records.made_up import NOW


def test_a_head_is_signed_and_kept_in_the_table_and_in_a_file(records_db: Settings) -> None:
    audit.note("model.promote", "ada", {}, NOW)
    signed = heads.sign_head(records_db.signing_key, records_db.heads, NOW)
    assert signed is not None
    (path,) = records_db.heads.iterdir()
    assert path.stat().st_mode & 0o777 == 0o600
    assert heads.in_directory(records_db.heads) == heads.in_database() == [signed]
    assert heads.known(records_db.heads) == [signed]
    block = ChainBlock.objects.get()
    content = canonical(
        {
            "time": "2026-03-01 12:30:15.250000Z",
            "previous": "0" * 64,
            "heads": {"audit": {"seq": 1, "hash": block.hash}},
        }
    )
    key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(signed.key))
    key.verify(bytes.fromhex(signed.signature), content)


def test_only_heads_that_moved_are_signed_again(records_db: Settings) -> None:
    def sign(hours: int) -> heads.SignedStatement | None:
        now = NOW + timedelta(hours=hours)
        return heads.sign_head(records_db.signing_key, records_db.heads, now)

    assert sign(0) is None
    audit.note("first", "ada", {}, NOW)
    first = sign(1)
    assert sign(2) is None
    audit.note("second", "ada", {}, NOW)
    second = sign(3)
    assert first is not None
    assert second is not None
    assert second.statement.previous == first.statement.digest
    assert second.statement.heads["audit"].seq == 2


@pytest.mark.parametrize("content", [b"", b"no key", None])
def test_a_signing_key_of_another_form_is_refused_by_name(
    tmp_path: Path, content: bytes | None
) -> None:
    path = tmp_path / "signing.key"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SettingsError, match=r"signing\.key"):
        heads.read_signing_key(path)


def test_a_key_of_another_kind_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "signing.key"
    path.write_bytes(
        generate_private_key(SECP256R1()).private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    with pytest.raises(SettingsError, match="Ed25519"):
        heads.read_signing_key(path)


def test_a_head_that_can_not_be_kept_is_not_signed(sqlite_db: Settings) -> None:
    audit.note("first", "ada", {}, NOW)
    with pytest.raises(RecordError, match="can't be kept"):
        heads.sign_head(sqlite_db.signing_key, sqlite_db.root / "nowhere", NOW)
    assert heads.in_database() == []


def test_a_file_that_is_no_head_is_named(tmp_path: Path) -> None:
    (tmp_path / "2026.json").write_text('{"statement": 1}')
    with pytest.raises(RecordError, match=r"2026\.json"):
        heads.in_directory(tmp_path)
