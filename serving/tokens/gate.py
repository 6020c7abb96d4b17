"""The door for tokens: API keys pass to their own check, refusals are bare and audited."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

from starlette.types import Scope

from models.errors import RecordError, SettingsError
from records.rows import AuditRow
from records.settings import Settings
from records.writer import Writer
from serving.access import Clients, authorise, bearer, check_scopes
from serving.outbound import Outbound
from serving.problems import NotAuthenticated
from serving.subject import BOUND_PATIENT
from serving.tokens.issuers import read_issuers
from serving.tokens.refusal import TokenRefused
from serving.tokens.verifier import CDS_PATH, Verifier

if TYPE_CHECKING:
    from records.models import Client

KEY_PREFIX = "auk_"
AUDITED_PER_SECOND = 10


class Gate:
    """Tells who calls, by an API key or by a token of a registered issuer."""

    def __init__(self, verifier: Verifier, clients: Clients, writer: Writer) -> None:
        self._verifier = verifier
        self._clients = clients
        self._writer = writer
        self._audited: tuple[int, int] = (0, 0)

    async def authorise(self, scope: Scope, scopes: Sequence[str], now: datetime) -> Client:
        """Return the client that calls; raise NotAuthenticated, or NotAllowed without the scope."""
        token = bearer(scope)
        if token.startswith(KEY_PREFIX):
            return authorise(scope, scopes, self._clients, now)
        path: str = scope["path"]
        try:
            caller = await self._verifier.verify(token, path, now)
        except TokenRefused as refusal:
            self._audit(str(refusal), path, now)
            if path.startswith(CDS_PATH):
                raise NotAuthenticated from None
            raise NotAuthenticated(challenge=b'Bearer error="invalid_token"') from None
        check_scopes(caller.client, scopes)
        if caller.patient is not None:
            scope[BOUND_PATIENT] = caller.patient
        return caller.client

    def _audit(self, reason: str, path: str, now: datetime) -> None:
        """Note why a token was refused, a few times a second at most: anybody can send one."""
        second, count = int(now.timestamp()), self._audited[1]
        count = count + 1 if second == self._audited[0] else 1
        self._audited = (second, count)
        if count > AUDITED_PER_SECOND:
            return
        where = "cds-services" if path.startswith(CDS_PATH) else "other"
        details = {"reason": reason, "where": where}
        row = AuditRow(
            id=uuid4(), action="token.refuse", by="nobody", recorded_at=now, details=details
        )
        try:
            future = self._writer.submit_async([row], asyncio.get_running_loop())
        except RecordError:
            # the caller is refused whether or not the reason can be kept; readiness tells
            return
        future.add_done_callback(_forget)


def make_gate(
    issuers: Path, settings: Settings, clients: Clients, writer: Writer, outbound: Outbound
) -> Gate:
    """Return the gate for keys and for the tokens of a file's issuers."""
    if settings.public_url is None or not settings.public_url.startswith("https://"):
        raise SettingsError(
            "AUSCULT_ISSUERS_FILE needs AUSCULT_PUBLIC_URL, the https address that callers use: "
            "tokens are made for it"
        )
    verifier = Verifier(read_issuers(issuers), outbound, settings.public_url)
    return Gate(verifier, clients, writer)


def _forget(future: asyncio.Future[None]) -> None:
    """Take note of a failed record, which asyncio would complain of otherwise."""
    if not future.cancelled():
        future.exception()
