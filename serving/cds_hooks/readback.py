"""Reading from the EHR's FHIR server what the prefetch didn't tell, within a deadline."""

import asyncio
from collections.abc import Sequence
from datetime import datetime

import httpx

from models.definition import Definition
from models.fhir_resources import AnyEntry
from serving.cds_hooks.discovery import Template, url_of
from serving.cds_hooks.prefetch import Gathered, Supplied, is_known, page_of, read_supplied
from serving.cds_hooks.request import HookRequest
from serving.outbound import Outbound, OutboundError
from serving.problems import PrefetchNeeded, ReadBackLate

MAX_PAGES = 5


async def read_back(
    gathered: Gathered,
    request: HookRequest,
    definition: Definition,
    predicted_at: datetime,
    outbound: Outbound,
    *,
    seconds: float,
    plain_http: bool,
) -> None:
    """Add what the prefetch left unknown; raise PrefetchNeeded or ReadBackLate (CDS-6, CDS-10)."""
    if not gathered.unknown:
        return
    server, token = request.fhir_server, request.fhir_authorization
    if server is None or token is None or not outbound.allows(server, plain_http=plain_http):
        raise _needed(gathered.unknown, "wasn't prefetched, and there is no server to read it from")
    reader = _Reader(request, definition, predicted_at, outbound, seconds, plain_http)
    people = [one for one in gathered.unknown if one.feature is None]
    results = [one for one in gathered.unknown if one.feature is not None]
    groups = [group for group in (people, results) if group]
    try:
        async with asyncio.timeout(seconds):
            found = await asyncio.gather(
                *(reader.read_all(group) for group in groups), return_exceptions=True
            )
    except TimeoutError as error:
        raise ReadBackLate(
            f"the EHR's FHIR server didn't answer within {1000 * seconds:.0f} ms",
            field="prefetch",
            reason="read_back_late",
        ) from error
    for supplied in found:
        if isinstance(supplied, BaseException):
            raise supplied
        gathered.by_key.update(supplied)
    gathered.unknown.clear()


class _Reader:
    """Reads keys for one request, with the token that came with it."""

    def __init__(
        self,
        request: HookRequest,
        definition: Definition,
        predicted_at: datetime,
        outbound: Outbound,
        seconds: float,
        plain_http: bool,
    ) -> None:
        token = request.fhir_authorization
        self._server = (request.fhir_server or "").rstrip("/")
        self._patient_id = request.patient_id
        self._headers = {
            "accept": "application/fhir+json",
            "authorization": f"Bearer {token.access_token if token else ''}",
        }
        self._definition = definition
        self._predicted_at = predicted_at
        self._outbound = outbound
        self._seconds = seconds
        self._plain_http = plain_http

    async def read_all(self, asked: Sequence[Template]) -> dict[str, Supplied]:
        """Read all keys at once; what was found stands under the first of them.

        Where nothing at all is found, each is asked for alone: a server that doesn't know lists
        of codes finds nothing either.
        """
        together = await self._read(asked)
        if len(asked) > 1 and not together.entries:
            alone = await asyncio.gather(*(self._read([one]) for one in asked))
            return {one.key: supplied for one, supplied in zip(asked, alone, strict=True)}
        return {one.key: Supplied("none") for one in asked} | {asked[0].key: together}

    async def _read(self, asked: Sequence[Template]) -> Supplied:
        """Read page by page until it's known what there is of every key."""
        url: str | None = url_of(asked, self._server, self._patient_id)
        entries: tuple[AnyEntry, ...] = ()
        for _ in range(MAX_PAGES):
            # the token goes to the server that it's for, and to no other (AUTH-4)
            if url is None or not _same_origin(url, self._server):
                break
            page = read_supplied(await self._get(url, asked), asked[0])
            if page.state == "error":
                break
            entries += page.entries
            whole = page_of(entries, page.total, page.next_page)
            if all(is_known(whole, one, self._definition, self._predicted_at) for one in asked):
                return whole
            url = page.next_page
        raise _needed(asked, "couldn't be read from the EHR's FHIR server as a whole")

    async def _get(self, url: str, asked: Sequence[Template]) -> bytes:
        try:
            body, _ = await self._outbound.get(
                url, headers=self._headers, seconds=2 * self._seconds, plain_http=self._plain_http
            )
        except OutboundError as error:
            raise _needed(asked, f"can't be read back: {error}") from error
        return body


def _same_origin(url: str, server: str) -> bool:
    try:
        one, other = httpx.URL(url), httpx.URL(server)
    except httpx.InvalidURL:
        return False
    return (one.scheme, one.host, one.port) == (other.scheme, other.host, other.port)


def _needed(templates: Sequence[Template], words: str) -> PrefetchNeeded:
    keys = ", ".join(template.key for template in templates)
    return PrefetchNeeded(f"prefetch {keys}: {words}", field=keys, reason="prefetch_unknown")
