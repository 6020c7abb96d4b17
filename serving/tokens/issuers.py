"""The issuers whose tokens are taken, and their clients, from the file AUSCULT_ISSUERS_FILE."""

import re
import tomllib
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from models.errors import SettingsError
from models.misfit import misfit
from records.clients import SCOPES

# RFC 8725, CDS-16: no `none`, and no algorithm for which the verifier holds the signing secret
ALGORITHMS = {
    **dict.fromkeys(("ES256", "ES384", "ES512"), "EC"),
    **dict.fromkeys(("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"), "RSA"),
}
DEFAULT_ALGORITHMS = ("ES384", "RS384")
_KEY_ID = re.compile(r"[0-9a-f]{16}")

# as long as a key's id in the records, and never one
ClientName = Annotated[str, msgspec.Meta(pattern=r"^[a-z][a-z0-9-]{1,15}$")]
Seconds = Annotated[int, msgspec.Meta(ge=1, le=3600)]


class IssuedClient(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A client of an issuer: `id` is its `client_id`, or the `iss` of a CDS Hooks client."""

    id: str
    name: ClientName
    scopes: tuple[str, ...]
    test: bool = False


class Issuer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An issuer: how its tokens are verified, and which clients it speaks for.

    Its keys verify signed tokens; of opaque ones it is asked at `introspection_url`, where
    `introspection_id` and the secret in a file tell who asks.
    """

    iss: str
    kind: Literal["cds-client", "access-token"]
    client: tuple[IssuedClient, ...]
    jwks_url: str | None = None
    jwks_file: str | None = None
    introspection_url: str | None = None
    introspection_id: str | None = None
    introspection_secret_file: str | None = None
    audience: tuple[str, ...] = ()
    algorithms: tuple[str, ...] = DEFAULT_ALGORITHMS
    typ: str = "JWT"
    tenants: tuple[str, ...] = ()
    longest_validity_s: Seconds = 900

    def client_of(self, client_id: str) -> IssuedClient | None:
        """Return the registered client of that id, if there is one."""
        return next((one for one in self.client if one.id == client_id), None)


class IssuersFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the file holds."""

    issuer: tuple[Issuer, ...]


def read_issuers(path: Path) -> tuple[Issuer, ...]:
    """Read the issuers; raise SettingsError that names the file and what is wrong in it."""
    try:
        issuers = msgspec.convert(tomllib.loads(path.read_text("utf-8")), IssuersFile).issuer
    except OSError as error:
        raise SettingsError(f"{path}: can't be read ({error.strerror})") from error
    except msgspec.ValidationError as error:
        raise SettingsError(f"{path}: {misfit(str(error))}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path}: not TOML: {error}") from error
    for issuer in issuers:
        _check(path, issuer)
    if sum(one.introspection_url is not None for one in issuers) > 1:
        raise SettingsError(
            f"{path}: two issuers are to be asked of opaque tokens, and nothing tells whose one is"
        )
    names = [one.name for issuer in issuers for one in issuer.client]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice or len({one.iss for one in issuers}) < len(issuers):
        raise SettingsError(f"{path}: an iss or the client names {twice} stand twice")
    return issuers


def _check(path: Path, issuer: Issuer) -> None:
    where = f"{path}: issuer {issuer.iss}"
    unknown = [name for name in issuer.algorithms if name not in ALGORITHMS]
    if unknown or not issuer.algorithms:
        raise SettingsError(f"{where}: algorithms {unknown} are none of {', '.join(ALGORITHMS)}")
    _check_ways(where, issuer)
    if issuer.introspection_url is not None:
        _check_introspection(where, issuer)
    if (issuer.kind == "access-token") != bool(issuer.audience):
        raise SettingsError(f"{where}: an access-token's issuer, and no other, needs audience")
    if not issuer.client:
        raise SettingsError(f"{where}: name at least one client")
    for client in issuer.client:
        wrong = sorted(set(client.scopes) - set(SCOPES))
        if wrong or not client.scopes or _KEY_ID.fullmatch(client.name):
            raise SettingsError(
                f"{where}: client {client.name}: give scopes out of {', '.join(SCOPES)}, not "
                f"{wrong}, and a name that is no key's id"
            )


def _check_ways(where: str, issuer: Issuer) -> None:
    ways = (issuer.jwks_url, issuer.jwks_file, issuer.introspection_url)
    if sum(way is not None for way in ways) != 1:
        raise SettingsError(f"{where}: give one of jwks_url, jwks_file and introspection_url")
    for name in ("jwks_url", "introspection_url"):
        url = getattr(issuer, name)
        if url is not None and not url.startswith("https://"):
            raise SettingsError(f"{where}: {name} must be https")


def _check_introspection(where: str, issuer: Issuer) -> None:
    if issuer.kind != "access-token":
        raise SettingsError(f"{where}: a CDS client signs its own tokens; give jwks_url")
    if not issuer.introspection_id or not issuer.introspection_secret_file:
        raise SettingsError(
            f"{where}: introspection_url needs introspection_id and introspection_secret_file"
        )
