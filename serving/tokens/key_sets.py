"""The public keys of an issuer: fetched, kept for a while, and kept on when fetching fails."""

import asyncio
import json
import re
from datetime import datetime, timedelta
from pathlib import Path

from joserfc.errors import JoseError
from joserfc.jwk import ECKey, KeySet, RSAKey

from models.errors import SettingsError
from serving.outbound import Outbound, OutboundError
from serving.tokens.issuers import Issuer

LONGEST_KEPT = timedelta(seconds=300)
COOL_DOWN = timedelta(seconds=30)
FETCH_SECONDS = 2.0
SMALLEST_RSA_BITS = 2048
_MAX_AGE = re.compile(r"max-age=(\d{1,9})")
VerifyingKey = ECKey | RSAKey


class IssuerKeys:
    """One issuer's key set (AUTH-3, AUTH-6): by https or from a file exchanged out of band."""

    def __init__(self, issuer: Issuer, outbound: Outbound) -> None:
        self._issuer = issuer
        self._outbound = outbound
        self._keys: dict[str, list[VerifyingKey]] = {}
        self._fresh_until: datetime | None = None
        self._asked_at: datetime | None = None
        self._lock = asyncio.Lock()
        if issuer.jwks_file is not None:
            try:
                self._keys = _read(Path(issuer.jwks_file).read_bytes())
            except (OSError, ValueError, JoseError) as error:
                raise SettingsError(f"{issuer.jwks_file}: no set of keys: {error}") from error

    async def find(self, kid: str, key_type: str, now: datetime) -> VerifyingKey | None:
        """Return the one key of this id and type, or None; an unknown id asks the issuer once."""
        if self._issuer.jwks_url is not None:
            stale = self._fresh_until is None or now >= self._fresh_until
            if stale or kid not in self._keys:
                async with self._lock:
                    await self._refresh(self._issuer.jwks_url, now)
        fitting = [key for key in self._keys.get(kid, ()) if key.key_type == key_type]
        return fitting[0] if len(fitting) == 1 else None

    async def _refresh(self, url: str, now: datetime) -> None:
        if self._asked_at is not None and now < self._asked_at + COOL_DOWN:
            return
        self._asked_at = now
        try:
            body, headers = await self._outbound.get(
                url, headers={"accept": "application/json"}, seconds=FETCH_SECONDS
            )
            self._keys = _read(body)
        except (OutboundError, ValueError, JoseError):
            # the last good set is kept, so that an issuer's outage doesn't become ours
            return
        found = _MAX_AGE.search(headers.get("cache-control", ""))
        kept = timedelta(seconds=int(found[1])) if found else LONGEST_KEPT
        self._fresh_until = now + min(kept, LONGEST_KEPT)


def _read(body: bytes) -> dict[str, list[VerifyingKey]]:
    """Return the keys that can verify, by id; raise ValueError or JoseError for no key set."""
    keys: dict[str, list[VerifyingKey]] = {}
    for key in KeySet.import_key_set(json.loads(body)).keys:
        kid = key.kid
        if kid is None or not isinstance(key, VerifyingKey):
            continue
        if isinstance(key, RSAKey) and key.public_key.key_size < SMALLEST_RSA_BITS:
            continue
        keys.setdefault(kid, []).append(key)
    return keys
