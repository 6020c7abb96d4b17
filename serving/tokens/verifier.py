"""From a signed token to the client that calls, or the reason why it's refused."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec
from anyio import to_thread
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.util import urlsafe_b64decode

from serving.outbound import Outbound
from serving.tokens.introspection import Introspector
from serving.tokens.issuers import ALGORITHMS, IssuedClient, Issuer
from serving.tokens.key_sets import IssuerKeys
from serving.tokens.refusal import TokenRefused
from serving.tokens.smart_scopes import Granted, granted

if TYPE_CHECKING:
    from records.models import Client

MAX_TOKEN_BYTES = 16_384
SKEW_SECONDS = 60
CDS_PATH = "/cds-services"


class Header(msgspec.Struct, frozen=True):
    """A token's header."""

    alg: str
    kid: str
    typ: str
    jku: str | None = None
    crit: Any = None


class Claims(msgspec.Struct, frozen=True):
    """A token's claims, of which those that aren't known are ignored."""

    iss: str
    aud: str | tuple[str, ...]
    exp: float
    iat: float
    jti: str
    nbf: float | None = None
    tenant: str | None = None
    client_id: str | None = None
    scope: str = ""
    patient: str | None = None


@dataclass(frozen=True, slots=True)
class Bearer:
    """Who calls by a token, and the one patient that it may be about, if it's bound to one."""

    client: Client
    patient: str | None


class Verifier:
    """Verifies tokens of the registered issuers (CDS-15 to CDS-20, AUTH-5 to AUTH-7)."""

    def __init__(self, issuers: tuple[Issuer, ...], outbound: Outbound, public_url: str) -> None:
        self._issuers: Mapping[str, tuple[Issuer, IssuerKeys]] = {
            one.iss: (one, IssuerKeys(one, outbound))
            for one in issuers
            if one.introspection_url is None
        }
        asked = (one for one in issuers if one.introspection_url is not None)
        self._introspector = next((Introspector(one, outbound) for one in asked), None)
        self._public_url = public_url.rstrip("/")

    async def verify(self, token: str, path: str, now: datetime) -> Bearer:
        """Return who calls; raise TokenRefused with the reason."""
        if self._introspector is not None and token.count(".") != 2:
            return await self._ask(self._introspector, token, now)
        header, claims = _parse(token)
        issuer, keys = self._issuer(claims.iss)
        await _check_signature(token, header, issuer, keys, now)
        _check_times(claims, issuer, now)
        self._check_audience(claims, issuer, path)
        if issuer.tenants and claims.tenant not in issuer.tenants:
            raise TokenRefused("the tenant isn't registered")
        if issuer.kind == "cds-client":
            client = _registered(issuer, claims.iss)
            await _check_first_use(claims, now)
            return Bearer(_client(client, client.scopes, claims, now), None)
        return self._access(issuer, claims, now)

    async def _ask(self, introspector: Introspector, token: str, now: datetime) -> Bearer:
        """Return who calls by a token that only its issuer can read."""
        if len(token) > MAX_TOKEN_BYTES:
            raise TokenRefused("the token is too long")
        issuer, told = introspector.issuer, await introspector.ask(token, now)
        claims = Claims(
            iss=issuer.iss,
            aud=issuer.audience,
            exp=told.exp,
            iat=now.timestamp(),
            jti="",
            client_id=told.client_id,
            scope=told.scope,
            patient=told.patient,
        )
        return self._access(issuer, claims, now)

    def _issuer(self, iss: str) -> tuple[Issuer, IssuerKeys]:
        found = self._issuers.get(iss)
        if found is None:
            raise TokenRefused("the issuer isn't registered")
        return found

    def _check_audience(self, claims: Claims, issuer: Issuer, path: str) -> None:
        """Compare with the configured address, never with the Host header (CDS-17)."""
        wanted = set(issuer.audience)
        if issuer.kind == "cds-client":
            if path != CDS_PATH and not path.startswith(f"{CDS_PATH}/"):
                raise TokenRefused("a CDS client's token opens CDS Hooks only")
            wanted = {self._public_url + path, self._public_url + path.removesuffix("/feedback")}
        given = {claims.aud} if isinstance(claims.aud, str) else set(claims.aud)
        if not wanted & given:
            raise TokenRefused("the audience is another")

    def _access(self, issuer: Issuer, claims: Claims, now: datetime) -> Bearer:
        client = _registered(issuer, claims.client_id or "")
        given = granted(claims.scope, self._public_url)
        scopes = _allowed(client, given)
        patient = (claims.patient or "") if given.for_one else None
        return Bearer(_client(client, scopes, claims, now), patient)


def _parse(token: str) -> tuple[Header, Claims]:
    if len(token) > MAX_TOKEN_BYTES:
        raise TokenRefused("the token is too long")
    parts = token.split(".")
    if len(parts) != 3:
        raise TokenRefused("it is no signed token")
    try:
        header, claims = (urlsafe_b64decode(part.encode("ascii")) for part in parts[:2])
        return msgspec.json.decode(header, type=Header), msgspec.json.decode(claims, type=Claims)
    except (msgspec.DecodeError, ValueError) as error:
        raise TokenRefused("the header or the claims lack a member") from error


async def _check_signature(
    token: str, header: Header, issuer: Issuer, keys: IssuerKeys, now: datetime
) -> None:
    if header.alg not in issuer.algorithms:
        raise TokenRefused("the algorithm isn't one of the issuer's")
    if header.typ.lower().removeprefix("application/") != issuer.typ.lower():
        raise TokenRefused("the type is another")
    if header.crit is not None:
        raise TokenRefused("a critical header isn't known")
    if header.jku is not None and header.jku != issuer.jwks_url:
        # before any fetch (CDS-18)
        raise TokenRefused("the jku isn't the registered one")
    key = await keys.find(header.kid, ALGORITHMS[header.alg], now)
    if key is None:
        raise TokenRefused("there isn't exactly one key of this id and type")
    try:
        jws.deserialize_compact(token, key, algorithms=[header.alg])
    except (JoseError, ValueError) as error:
        raise TokenRefused("the signature is wrong") from error


def _check_times(claims: Claims, issuer: Issuer, now: datetime) -> None:
    at = now.timestamp()
    if not claims.exp > at - SKEW_SECONDS:
        raise TokenRefused("it has expired")
    if not claims.iat <= at + SKEW_SECONDS:
        raise TokenRefused("it was issued in the future")
    if claims.nbf is not None and not claims.nbf <= at + SKEW_SECONDS:
        raise TokenRefused("it isn't valid yet")
    if not 0 < claims.exp - claims.iat <= issuer.longest_validity_s:
        raise TokenRefused(f"it is valid for longer than {issuer.longest_validity_s} s")
    if not claims.jti or len(claims.jti) > 512:
        raise TokenRefused("the jti is empty or too long")


async def _check_first_use(claims: Claims, now: datetime) -> None:
    # here, since Django's models can only be imported once Django is set up
    from records.used_tokens import use_once

    expires_at = datetime.fromtimestamp(claims.exp + SKEW_SECONDS, now.tzinfo)
    if not await to_thread.run_sync(use_once, claims.iss, claims.jti, expires_at, now):
        raise TokenRefused("the jti was used before")


def _registered(issuer: Issuer, client_id: str) -> IssuedClient:
    client = issuer.client_of(client_id)
    if client is None:
        raise TokenRefused("the client isn't registered")
    return client


def _allowed(client: IssuedClient, given: Granted) -> tuple[str, ...]:
    return tuple(name for name in client.scopes if name in given.wide | given.narrow)


def _client(client: IssuedClient, scopes: tuple[str, ...], claims: Claims, now: datetime) -> Client:
    from records.models import Client

    return Client(
        key_id=client.name,
        name=client.name,
        scopes=list(scopes),
        is_test=client.test,
        created_at=now,
        expires_at=datetime.fromtimestamp(claims.exp, now.tzinfo),
    )
