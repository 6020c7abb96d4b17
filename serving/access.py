"""Who may call: API keys in the Authorization header, with the scope that an operation needs."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

from starlette.types import Scope

from serving.problems import NotAllowed, NotAuthenticated

if TYPE_CHECKING:
    from records.models import Client


# what a browser shows when it asks for name and password
BROWSER_CHALLENGE = b'Basic realm="Any name with the API key as password", charset="UTF-8"'


class Clients(Protocol):
    """Whoever knows the clients: the cache over the database, or one client in a test."""

    def authenticate(self, key: str, now: datetime) -> Client | None:
        """Return the client whose live key this is, or None."""


def authorise(scope: Scope, scopes: Sequence[str], clients: Clients, now: datetime) -> Client:
    """Return the client that calls; raise NotAuthenticated, or NotAllowed without the scope."""
    key = bearer(scope)
    client = clients.authenticate(key, now)
    if client is None:
        raise NotAuthenticated(
            "the API key is unknown, revoked or expired",
            challenge=b'Bearer error="invalid_token"',
        )
    check_scopes(client, scopes)
    return client


def as_bearer(scope: Scope) -> Scope:
    """Return a call's scope with the password that a browser sent as the key.

    A browser can't send a key of its own accord; it asks for name and password (RFC 7617), and
    the name may be any. Raises NotAuthenticated, with that challenge, where there is neither.
    """
    headers: list[tuple[bytes, bytes]] = scope["headers"]
    given = [value for name, value in headers if name == b"authorization"]
    scheme, _, told = given[0].partition(b" ") if len(given) == 1 else (b"", b"", b"")
    if scheme.lower() == b"bearer":
        return scope
    try:
        _, _, key = b64decode(told, validate=True).partition(b":")
    except ValueError:
        key = b""
    if scheme.lower() != b"basic" or not key:
        raise NotAuthenticated(
            "send one API key as 'Authorization: Bearer auk_...', or in a browser as password",
            challenge=BROWSER_CHALLENGE,
        )
    others = [(name, value) for name, value in headers if name != b"authorization"]
    return {**scope, "headers": [*others, (b"authorization", b"Bearer " + key)]}


def check_scopes(client: Client, scopes: Sequence[str]) -> None:
    """Raise NotAllowed unless the client has one of the scopes."""
    if not any(name in client.scopes for name in scopes):
        raise NotAllowed(f"the API key lacks the scope {' or '.join(scopes)}")


def bearer(scope: Scope) -> str:
    """Return the key or token of the Authorization header; raise NotAuthenticated without one."""
    given: list[bytes] = [value for name, value in scope["headers"] if name == b"authorization"]
    scheme, _, key = given[0].partition(b" ") if len(given) == 1 else (b"", b"", b"")
    if scheme.lower() != b"bearer" or not key:
        raise NotAuthenticated("send one API key as 'Authorization: Bearer auk_...'")
    return key.strip().decode("latin-1")
