"""Clients: the programs that may call, each known by an API key that is shown once."""

import hashlib
import hmac
import math
import re
import secrets
import time
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

from django.db import DatabaseError, connection

from models.errors import RecordError
from records.models import Client

SCOPES = (
    *("predict", "explain", "outcome", "read", "replay", "bulk", "feedback", "correct"),
    "suspend",
)
LIVE_KEYS = 2
REFRESH_SECONDS = 1.0
LOOKS_PER_REFRESH = 10
READ_TIMEOUT_SECONDS = 5.0
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._-]{0,79}")
_KEY = re.compile(r"auk_([0-9a-f]{16})_([A-Za-z0-9_-]{43})")
_NOBODY = hashlib.sha256(secrets.token_bytes(32)).hexdigest()


def create_client(
    name: str,
    scopes: Collection[str],
    *,
    is_test: bool = False,
    valid_days: int = 365,
    now: datetime,
) -> tuple[str, Client]:
    """Make a client's API key, of 256 random bits; only its digest is stored.

    A name may have two live keys, so that they can be rotated without a gap.
    """
    if not _NAME.fullmatch(name):
        raise RecordError(f"client name {name!r}: use letters, digits, spaces, dots and dashes")
    unknown = sorted(set(scopes) - set(SCOPES))
    if unknown or not scopes:
        raise RecordError(f"scopes {unknown} are none of {', '.join(SCOPES)}; give at least one")
    if valid_days < 1:
        raise RecordError(f"a key must be valid for at least one day, not {valid_days}")
    live = Client.objects.filter(name=name, revoked_at=None, expires_at__gt=now).count()
    if live >= LIVE_KEYS:
        raise RecordError(f"client {name} has {live} live keys already; revoke one first")
    key_id, secret = secrets.token_hex(8), secrets.token_urlsafe(32)
    client = Client.objects.create(
        key_id=key_id,
        name=name,
        digest=_digest(secret),
        scopes=[scope for scope in SCOPES if scope in scopes],
        is_test=is_test,
        created_at=now,
        expires_at=now + timedelta(days=valid_days),
    )
    return f"auk_{key_id}_{secret}", client


def revoke_client(key_id: str, *, now: datetime) -> None:
    """Make a key invalid from now on."""
    if not Client.objects.filter(key_id=key_id, revoked_at=None).update(revoked_at=now):
        raise RecordError(f"there is no live key {key_id!r}")


def authenticate(key: str, now: datetime) -> Client | None:
    """Return the client whose live key this is, or None."""
    return check_secret(Client.objects.filter(key_id=key_id_of(key)).first(), key, now)


def keys_of(client: Client) -> frozenset[str]:
    """Return the ids of all keys of a client's name, ended ones too; test keys stand apart.

    Whoever calls with an issuer's token has no key here, and is known by its own id alone.
    """
    named = Client.objects.filter(key_id=client.key_id).values("name")
    keys = Client.objects.filter(name__in=named, is_test=client.is_test)
    return frozenset({client.key_id, *keys.values_list("key_id", flat=True)})


def key_id_of(key: str) -> str | None:
    """Return the part of an API key that isn't secret, or None if it isn't of our form."""
    match = _KEY.fullmatch(key)
    return match[1] if match else None


def check_secret(client: Client | None, key: str, now: datetime) -> Client | None:
    """Return the client if the key is its, and is live; as slow for an unknown client."""
    match = _KEY.fullmatch(key)
    digest = _digest(match[2] if match else key)
    same = hmac.compare_digest(digest, client.digest if client else _NOBODY)
    if client is None or not same or client.revoked_at is not None or now >= client.expires_at:
        return None
    return client


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


class ClientCache:
    """The clients in memory, read anew at most each second, for a request's hot path.

    The tables are read in a thread of its own, because Django refuses to read them in one that
    runs an event loop. A key that isn't known yet is looked up at once, a few times a second.
    """

    def __init__(self) -> None:
        self._clients: dict[str, Client] = {}
        self._read_at = -math.inf
        self._looks_left = 0
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="records-clients")

    def authenticate(self, key: str, now: datetime) -> Client | None:
        """Return the client whose live key this is, or None; raise RecordError if unreadable."""
        if time.monotonic() - self._read_at >= REFRESH_SECONDS:
            self._read()
            self._looks_left = LOOKS_PER_REFRESH
        key_id = key_id_of(key)
        if key_id and key_id not in self._clients and self._looks_left:
            self._looks_left -= 1
            self._read()
        return check_secret(self._clients.get(key_id or ""), key, now)

    def close(self) -> None:
        """End the thread."""
        self._thread.submit(_disconnect)
        self._thread.shutdown()

    def _read(self) -> None:
        reading = self._thread.submit(_live_clients)
        try:
            self._clients = reading.result(READ_TIMEOUT_SECONDS)
        except TimeoutError as error:
            raise RecordError(
                f"the database didn't tell its clients within {READ_TIMEOUT_SECONDS} s"
            ) from error
        self._read_at = time.monotonic()


def _live_clients() -> dict[str, Client]:
    try:
        return {client.key_id: client for client in Client.objects.filter(revoked_at=None)}
    except DatabaseError as error:
        _disconnect()
        raise RecordError("the clients can't be read from the database") from error


def _disconnect() -> None:
    # looked up here, since every thread has a connection of its own
    connection.close()
