"""Reading from other servers over HTTP: allow-listed hosts, checked addresses, no redirects."""

import asyncio
import logging
import ssl
from collections.abc import Mapping
from ipaddress import ip_address

import httpx

from models.errors import AuscultError
from records.settings import Settings

MAX_BYTES = 4_000_000


class OutboundError(AuscultError):
    """Another server may not be asked, or didn't answer as it should; the text holds no URL."""


class Outbound:
    """An HTTP client for what requests name: FHIR servers, next pages, key sets (API-7, API-10).

    A host must be listed in AUSCULT_OUTBOUND_HOSTS, as `host` or `host:port`, and may resolve to
    a private or loopback address only if it's in AUSCULT_OUTBOUND_PRIVATE_HOSTS too. The address
    that was checked is the one that is connected to.
    """

    def __init__(self, settings: Settings) -> None:
        self._hosts = frozenset(settings.outbound_hosts)
        self._private = frozenset(settings.outbound_private_hosts)
        self._ca_file = settings.outbound_ca_file
        self._client: httpx.AsyncClient | None = None
        # its lines name every address called, and those hold patients' ids
        for name in ("httpx", "httpcore"):
            logging.getLogger(name).setLevel(logging.WARNING)

    def allows(self, url: str, *, plain_http: bool = False) -> bool:
        """Say whether a URL's scheme and host may be asked at all."""
        parsed = read_url(url)
        if parsed is None:
            return False
        schemes = ("https", "http") if plain_http else ("https",)
        known = _name(parsed) in self._hosts | self._private
        return known and parsed.scheme in schemes and not parsed.userinfo

    async def get(
        self, url: str, *, headers: Mapping[str, str], seconds: float, plain_http: bool = False
    ) -> tuple[bytes, httpx.Headers]:
        """Return a document with its headers; raise OutboundError for anything but a 200."""
        if not self.allows(url, plain_http=plain_http):
            raise OutboundError("the server isn't one that may be asked")
        return await self._ask("GET", url, headers, None, seconds)

    async def post(
        self, url: str, *, headers: Mapping[str, str], content: bytes, seconds: float
    ) -> bytes:
        """Return the answer to what is posted; raise OutboundError for anything but a 200."""
        if not self.allows(url):
            raise OutboundError("the server isn't one that may be asked")
        body, _ = await self._ask("POST", url, headers, content, seconds)
        return body

    async def _ask(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        content: bytes | None,
        seconds: float,
    ) -> tuple[bytes, httpx.Headers]:
        target = httpx.URL(url)
        try:
            async with asyncio.timeout(seconds):
                address = await self._address(target)
                return await self._read(method, target, address, headers, content)
        except (TimeoutError, httpx.TimeoutException) as error:
            raise OutboundError("the server didn't answer in time") from error
        except (httpx.HTTPError, OSError, ssl.SSLError) as error:
            raise OutboundError(
                f"the server couldn't be read ({type(error).__name__})"
            ) from error.__cause__

    async def _address(self, target: httpx.URL) -> str:
        port = target.port or (443 if target.scheme == "https" else 80)
        found = await asyncio.get_running_loop().getaddrinfo(target.host, port, type=1)
        addresses = [str(one[4][0]) for one in found]
        if _name(target) not in self._private and not all(
            ip_address(one.partition("%")[0]).is_global for one in addresses
        ):
            raise OutboundError("the server's address isn't a public one")
        return addresses[0]

    async def _read(
        self,
        method: str,
        target: httpx.URL,
        address: str,
        headers: Mapping[str, str],
        content: bytes | None,
    ) -> tuple[bytes, httpx.Headers]:
        netloc = target.netloc.decode("ascii")
        request = self._http().build_request(
            method,
            target.copy_with(host=address),
            headers={**headers, "host": netloc},
            content=content,
            extensions={"sni_hostname": target.host},
        )
        response = await self._http().send(request, stream=True)
        try:
            if response.status_code != 200:
                raise OutboundError(f"the server answered {response.status_code}")
            body = bytearray()
            async for part in response.aiter_bytes():
                body += part
                if len(body) > MAX_BYTES:
                    raise OutboundError("the server's answer is too long")
            return bytes(body), response.headers
        finally:
            await response.aclose()

    def _http(self) -> httpx.AsyncClient:
        if self._client is None:
            # made in the loop that uses it
            context = ssl.create_default_context(cafile=self._ca_file)
            context.minimum_version = ssl.TLSVersion.TLSv1_2
            self._client = httpx.AsyncClient(
                verify=context, follow_redirects=False, trust_env=False, timeout=30
            )
        return self._client


def read_url(text: str) -> httpx.URL | None:
    """Return a URL whose host can be read too, which httpx only tries when it's asked for."""
    try:
        url = httpx.URL(text)
        return url if url.host else None
    except (httpx.InvalidURL, TypeError, UnicodeError):
        return None


def _name(url: httpx.URL) -> str:
    """Return how a server is listed: its host, and its port unless that is the scheme's own."""
    return f"{url.host}:{url.port}" if url.port else url.host
