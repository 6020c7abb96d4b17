"""Reading from the EHR's FHIR server what the prefetch didn't tell, within a deadline."""

import asyncio
from collections.abc import Sequence
from datetime import datetime

import msgspec

from models.definition import Definition
from models.errors import MalformedInput
from models.fhir_bundle import AnyEntry, matches
from models.fhir_resources import Meta
from serving.cds_hooks.discovery import Template, count_of, url_of
from serving.cds_hooks.prefetch import Gathered, Supplied, is_known, page_of, read_answer
from serving.cds_hooks.request import HookRequest
from serving.json_depth import check_depth
from serving.json_keys import check_keys
from serving.json_scan import NUL, is_plain
from serving.outbound import Outbound, OutboundError, read_url
from serving.problems import PrefetchNeeded, ReadBackLate, TooLarge

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
    hindrance = _hindrance(request, outbound, plain_http=plain_http)
    if hindrance is not None:
        raise _not_read(gathered, hindrance)
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


def _hindrance(request: HookRequest, outbound: Outbound, *, plain_http: bool) -> str | None:
    """Return why nothing can be read from the server that a request names, or None."""
    server, token = request.fhir_server, request.fhir_authorization
    if server is None:
        return "no fhirServer is named from which it could be read"
    if token is None:
        return "no fhirAuthorization came with which it could be read"
    if token.expires_in <= 0:
        return "the access token that came has expired"
    if not outbound.allows(server, plain_http=plain_http):
        return "the fhirServer isn't one of AUSCULT_OUTBOUND_HOSTS"
    return None


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
        if len(asked) > 1 and not matches(together.entries):
            alone = await asyncio.gather(*(self._read([one]) for one in asked))
            labelled = msgspec.structs.replace(alone[0], labels=together.labels + alone[0].labels)
            found = (labelled, *alone[1:])
            return {one.key: supplied for one, supplied in zip(asked, found, strict=True)}
        return {one.key: Supplied("none") for one in asked} | {asked[0].key: together}

    async def _read(self, asked: Sequence[Template]) -> Supplied:
        """Read page by page until it's known what there is of every key."""
        url: str | None = url_of(asked, self._server, self._patient_id)
        entries: tuple[AnyEntry, ...] = ()
        labels: tuple[Meta, ...] = ()
        for number in range(MAX_PAGES):
            # the token goes to the server that it's for, and to no other (AUTH-4)
            if url is None or not _same_origin(url, self._server):
                break
            page = read_answer(await self._get(url, asked), asked[0], count_of(asked))
            if page.state == "error":
                raise _needed(asked, f"what the EHR's FHIR server answered {page.because}")
            entries += page.entries
            labels += page.labels
            whole = page_of(entries, page.total, page.next_page, labels)
            if page.because and not number:  # after a link to it, the last page needs none
                whole = page
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
        _check_form(body, asked)
        return body


def _check_form(body: bytes, asked: Sequence[Template]) -> None:
    """Raise PrefetchNeeded for JSON that readers understand differently, as a request's body."""
    if is_plain(body):
        return
    if NUL in body:
        raise _needed(asked, "what the EHR's FHIR server answered holds a NUL character")
    try:
        check_depth(body)
        check_keys(body)
    except TooLarge as error:
        words = "what the EHR's FHIR server answered is nested too deeply"
        raise _needed(asked, words) from error
    except MalformedInput as error:
        words = "what the EHR's FHIR server answered has a key twice in one object"
        raise _needed(asked, words) from error


def _same_origin(url: str, server: str) -> bool:
    one, other = read_url(url), read_url(server)
    if one is None or other is None:
        return False
    return (one.scheme, one.host, one.port) == (other.scheme, other.host, other.port)


def _not_read(gathered: Gathered, hindrance: str) -> PrefetchNeeded:
    """Return the error that says of each key why it isn't known, and why it can't be read."""
    keys: dict[str, list[str]] = {}
    for template in gathered.unknown:
        keys.setdefault(gathered.because[template.key], []).append(template.key)
    words = "; ".join(f"{', '.join(named)} {because}" for because, named in keys.items())
    field = ", ".join(template.key for template in gathered.unknown)
    return PrefetchNeeded(
        f"prefetch {words}; and {hindrance}", field=field, reason="prefetch_unknown"
    )


def _needed(templates: Sequence[Template], words: str) -> PrefetchNeeded:
    keys = ", ".join(template.key for template in templates)
    return PrefetchNeeded(f"prefetch {keys}: {words}", field=keys, reason="prefetch_unknown")
