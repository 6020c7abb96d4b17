"""Clients: whose keys were made with which scopes, and which of them were revoked."""

from collections.abc import Hashable, Iterator
from typing import Any, Final

from records.agreement.compared import Disagreement, compared, digest, events
from records.models import Client

TABLE: Final = "records_client"


def particulars(client: Client) -> dict[str, Any]:
    """Return what is noted of a new client: its key's id, name and scopes, a digest of the rest."""
    key = digest(client.digest, client.is_test, str(client.created_at), str(client.expires_at))
    return {
        "key_id": client.key_id,
        "name": client.name,
        "scopes": client.scopes,
        "key": key,
    }


def disagreements() -> Iterator[Disagreement]:
    """Yield keys that nobody is noted to have made, changed, or revoked, and the other way."""
    yield from compared(TABLE, _made(), _clients(), "client")
    yield from compared(TABLE, _revocations(), _revoked(), "revocation")


def _made() -> Iterator[Hashable]:
    for event in events("client created"):
        yield _identity(event.details)


def _clients() -> Iterator[Hashable]:
    # of a key that was made before its digest was noted, the rest is compared
    undigested = {
        event.details["key_id"] for event in events("client created") if "key" not in event.details
    }
    for row in Client.objects.all():
        said = particulars(row)
        if row.key_id in undigested:
            del said["key"]
        yield _identity(said)


def _identity(said: dict[str, Any]) -> Hashable:
    return said["key_id"], said["name"], ", ".join(said["scopes"]), said.get("key", "")


def _revocations() -> Iterator[Hashable]:
    for event in events("client revoked"):
        yield event.details["key_id"], event.recorded_at


def _revoked() -> Iterator[Hashable]:
    for row in Client.objects.exclude(revoked_at=None):
        yield row.key_id, row.revoked_at
