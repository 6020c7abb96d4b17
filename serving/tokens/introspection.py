"""Opaque access tokens, of which their issuer tells whether they are good (RFC 7662, AUTH-5)."""

import hashlib
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from urllib.parse import quote_plus, urlencode

import msgspec

from models.errors import SettingsError
from serving.outbound import Outbound, OutboundError
from serving.tokens.issuers import Issuer
from serving.tokens.refusal import TokenRefused

LONGEST_KEPT = timedelta(seconds=60)
ASK_SECONDS = 2.0
MOST_KEPT = 10_000


class Introspected(msgspec.Struct, frozen=True):
    """What the issuer says of a token; of one that isn't active it says nothing else."""

    active: bool
    scope: str = ""
    client_id: str = ""
    exp: float = 0.0
    nbf: float = 0.0
    iss: str | None = None
    aud: str | tuple[str, ...] = ()
    patient: str | None = None


@dataclass(frozen=True, slots=True)
class _Kept:
    told: Introspected
    until: datetime


class Introspector:
    """Asks one issuer about tokens, and keeps what it said of good ones for a minute at most."""

    def __init__(self, issuer: Issuer, outbound: Outbound) -> None:
        self.issuer = issuer
        self._outbound = outbound
        self._headers = {**_FORM, "authorization": f"Basic {_credentials(issuer)}"}
        self._kept: dict[bytes, _Kept] = {}

    async def ask(self, token: str, now: datetime) -> Introspected:
        """Return what is known of a good token; raise TokenRefused with the reason."""
        # the token itself is kept nowhere (CDS-9)
        digest = hashlib.sha256(token.encode()).digest()
        kept = self._kept.get(digest)
        if kept is not None and now < kept.until:
            return kept.told
        told = await self._ask(token)
        _check(told, self.issuer, now)
        while len(self._kept) >= MOST_KEPT:
            del self._kept[next(iter(self._kept))]
        expires_at = datetime.fromtimestamp(told.exp, now.tzinfo)
        self._kept[digest] = _Kept(told, min(now + LONGEST_KEPT, expires_at))
        return told

    async def _ask(self, token: str) -> Introspected:
        content = urlencode({"token": token, "token_type_hint": "access_token"}).encode()
        url = self.issuer.introspection_url or ""
        try:
            body = await self._outbound.post(
                url, headers=self._headers, content=content, seconds=ASK_SECONDS
            )
            return msgspec.json.decode(body, type=Introspected)
        except OutboundError as error:
            raise TokenRefused(f"its issuer couldn't be asked: {error}") from error
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise TokenRefused("its issuer's answer can't be read") from error


def _check(told: Introspected, issuer: Issuer, now: datetime) -> None:
    at = now.timestamp()
    given = {told.aud} if isinstance(told.aud, str) else set(told.aud)
    if not told.active:
        raise TokenRefused("its issuer says that it isn't active")
    if not told.exp > at:
        raise TokenRefused("it has expired, or has no end")
    if told.nbf > at:
        raise TokenRefused("it isn't valid yet")
    if told.iss not in (None, issuer.iss):
        raise TokenRefused("its issuer is another")
    if given and not given & set(issuer.audience):
        raise TokenRefused("the audience is another")


_FORM: Mapping[str, str] = {
    "accept": "application/json",
    "content-type": "application/x-www-form-urlencoded",
}


def _credentials(issuer: Issuer) -> str:
    """Return the name and secret by which the issuer knows us, as RFC 6749 2.3.1 writes them."""
    path = Path(issuer.introspection_secret_file or "")
    try:
        secret = path.read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(
            f"{path}: introspection_secret_file of {issuer.iss} can't be read"
        ) from error
    name = quote_plus(issuer.introspection_id or "")
    return b64encode(f"{name}:{quote_plus(secret)}".encode()).decode("ascii")
