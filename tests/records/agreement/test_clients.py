"""Clients' keys, changed past the chain."""

from datetime import UTC, datetime, timedelta

import pytest

from auscult.people import new_client, revoke_key
from records import audit
from records.agreement import disagreements
from records.clients import create_client, key_id_of
from records.models import Client
from records.settings import Settings

NOW = datetime(2026, 3, 1, 8, 30, 0, 123456, tzinfo=UTC)
LATER = NOW + timedelta(hours=1)


@pytest.fixture
def told(records_db: Settings) -> str:
    """The id of a live key, beside one that was revoked."""
    live = new_client("laboratory", scopes=("outcome", "read"), now=NOW, by="olga")
    gone = new_client("portal", now=NOW, by="olga", is_test=True)
    revoke_key(str(key_id_of(gone)), by="olga", now=LATER)
    return str(key_id_of(live))


def test_keys_that_were_made_and_revoked_agree(told: str) -> None:
    assert Client.objects.count() == 2
    assert disagreements() == []


@pytest.mark.parametrize(
    "change",
    [
        {"name": "portal"},
        {"digest": "0" * 64},
        {"scopes": ["outcome", "read", "predict"]},
        {"is_test": True},
        {"expires_at": NOW + timedelta(days=9999)},
        {"revoked_at": LATER},
    ],
)
def test_a_key_that_was_changed_past_the_chain_is_found(
    told: str, change: dict[str, object]
) -> None:
    Client.objects.filter(key_id=told).update(**change)
    found = disagreements()
    assert {one.table for one in found} == {"records_client"}
    assert all(told in one.words for one in found)


def test_a_key_that_was_revived_or_deleted_is_found(told: str) -> None:
    Client.objects.filter(key_id=told).delete()
    Client.objects.update(revoked_at=None)
    deleted, revived = disagreements()
    assert f"a client was changed or deleted: {told}" in deleted.words
    assert "a revocation was changed or deleted" in revived.words


def test_a_key_from_before_its_digest_was_noted_is_compared_by_the_rest(
    records_db: Settings,
) -> None:
    _, client = create_client("ward", ["predict"], now=NOW)
    said = {"key_id": client.key_id, "name": "ward", "scopes": ["predict"]}
    audit.note("client created", "olga", said, NOW)
    assert disagreements() == []
    Client.objects.update(scopes=["predict", "replay"])
    assert {one.table for one in disagreements()} == {"records_client"}


def test_a_key_that_nobody_is_noted_to_have_made_is_found(told: str) -> None:
    _, client = create_client("mallory", ["predict"], now=LATER)
    (one,) = disagreements()
    assert one.words.startswith(f"a client was changed or inserted: {client.key_id}, mallory")
