import asyncio
import hashlib
from datetime import timedelta

import pytest

from models.errors import RecordError
from records import clients
from records.clients import ClientCache, authenticate, create_client, keys_of, revoke_client
from records.models import Client
from records.settings import Settings
from tests.records.made_up import NOW

LATER = NOW + timedelta(days=1)


def test_a_key_is_shown_once_and_only_its_digest_is_kept(records_db: Settings) -> None:
    """AUTH-9."""
    key, client = create_client("EHR", ["predict", "read"], now=NOW)
    prefix, key_id, secret = key.split("_", 2)
    assert (prefix, key_id) == ("auk", client.key_id)
    stored = Client.objects.values().get(key_id=key_id)
    assert stored["digest"] == hashlib.sha256(secret.encode()).hexdigest()
    assert secret not in str(stored)
    assert stored["scopes"] == ["predict", "read"]


def test_a_key_is_known_until_it_expires(records_db: Settings) -> None:
    key, client = create_client("EHR", ["predict"], valid_days=30, now=NOW)
    assert authenticate(key, NOW) == client
    assert authenticate(key, NOW + timedelta(days=30, seconds=-1)) == client
    assert authenticate(key, NOW + timedelta(days=30)) is None


def test_a_wrong_key_is_nobodys(records_db: Settings) -> None:
    key, _ = create_client("EHR", ["predict"], now=NOW)
    other, _ = create_client("Portal", ["predict"], now=NOW)
    forged = f"{other[:21]}{key[21:]}"
    for wrong in ("", "auk_", key[:-1], key + "A", key.upper(), forged, "x" * 10_000):
        assert authenticate(wrong, NOW) is None


def test_a_revoked_key_is_nobodys(records_db: Settings) -> None:
    key, client = create_client("EHR", ["predict"], now=NOW)
    revoke_client(client.key_id, now=LATER)
    assert authenticate(key, LATER) is None
    with pytest.raises(RecordError, match="no live key"):
        revoke_client(client.key_id, now=LATER)


def test_two_keys_may_live_for_rotation_and_no_more(records_db: Settings) -> None:
    """AUTH-9."""
    _, first = create_client("EHR", ["predict"], now=NOW)
    create_client("EHR", ["predict"], now=NOW)
    with pytest.raises(RecordError, match="2 live keys"):
        create_client("EHR", ["predict"], now=NOW)
    revoke_client(first.key_id, now=NOW)
    create_client("EHR", ["predict"], now=NOW)


@pytest.mark.parametrize(
    ("name", "scopes", "days"),
    [("", ["read"], 1), ("a/b", ["read"], 1), ("a", [], 1), ("a", ["all"], 1), ("a", ["read"], 0)],
)
def test_a_client_of_wrong_form_is_refused(
    sqlite_db: Settings, name: str, scopes: list[str], days: int
) -> None:
    with pytest.raises(RecordError):
        create_client(name, scopes, valid_days=days, now=NOW)


def test_the_cache_answers_inside_an_event_loop(records_db: Settings) -> None:
    cache = ClientCache()
    key, client = create_client("EHR", ["predict"], now=NOW)

    async def ask() -> tuple[Client | None, Client | None]:
        return cache.authenticate(key, NOW), cache.authenticate("auk_" + "0" * 60, NOW)

    assert asyncio.run(ask()) == (client, None)
    cache.close()


def test_the_cache_finds_a_new_key_at_once_and_forgets_a_revoked_one(
    records_db: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = ClientCache()
    old, old_client = create_client("EHR", ["predict"], now=NOW)
    assert cache.authenticate(old, NOW)
    new, new_client = create_client("Portal", ["predict"], now=NOW)
    assert cache.authenticate(new, NOW) == new_client
    revoke_client(old_client.key_id, now=NOW)
    monkeypatch.setattr(clients, "REFRESH_SECONDS", 0.0)
    assert cache.authenticate(old, NOW) is None
    cache.close()


def test_unknown_keys_can_not_make_the_cache_read_without_end(
    sqlite_db: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clients, "REFRESH_SECONDS", 3600.0)
    cache = ClientCache()
    for number in range(clients.LOOKS_PER_REFRESH):
        assert cache.authenticate(f"auk_{number:016x}_{'A' * 43}", NOW) is None
    key, _ = create_client("EHR", ["predict"], now=NOW)
    assert cache.authenticate(key, NOW) is None
    cache.close()


def test_a_names_keys_are_one_client_and_its_test_keys_another(records_db: Settings) -> None:
    _, old = create_client("EHR", ["read"], now=NOW)
    revoke_client(old.key_id, now=NOW)
    _, new = create_client("EHR", ["predict"], now=NOW)
    _, test = create_client("EHR", ["read"], is_test=True, now=NOW)
    _, other = create_client("Portal", ["read"], now=NOW)
    assert keys_of(new) == keys_of(old) == {old.key_id, new.key_id}
    assert keys_of(test) == {test.key_id}
    assert keys_of(other) == {other.key_id}


def test_a_client_of_an_issuer_has_no_keys_of_a_name_here(records_db: Settings) -> None:
    create_client("EHR", ["read"], now=NOW)
    issued = Client(key_id="EHR", name="EHR", scopes=["read"])
    assert keys_of(issued) == {"EHR"}
