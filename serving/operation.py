"""One operation of the API: its path, who may call it, and the way from socket to answer."""

from __future__ import annotations

import asyncio
import inspect
import re
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from fastapi.routing import APIRoute
from starlette.types import Receive, Scope, Send

from models.errors import MalformedInput, RecordError
from serving.access import BROWSER_CHALLENGE, as_bearer, authorise
from serving.json_depth import check_depth
from serving.json_keys import check_keys
from serving.json_scan import NUL, is_plain
from serving.media_type import FORM_TYPES, MEDIA_TYPES, check_sent, check_wanted
from serving.message import Answer
from serving.openapi import describe_operation
from serving.premises import Premises
from serving.problems import (
    BodyLate,
    CallerGone,
    MediaTypeNotSupported,
    NotAllowed,
    NotAuthenticated,
    NotReadable,
    TooLarge,
)
from serving.query import check_query, read_query
from serving.subject import BOUND_PATIENT

if TYPE_CHECKING:
    from records.models import Client

PUBLIC: tuple[str, ...] = ()
_PART = re.compile(r"{(\w+)}")
# below these all answers are JSON, and asked for as that
PROTOCOLS = ("/v1/", "/fhir/", "/cds-services")


@dataclass(slots=True)
class Call:
    """One call of an operation by a client that may make it."""

    premises: Premises
    client: Client | None
    now: datetime
    scope: Scope
    receive: Receive

    @property
    def caller(self) -> Client:
        """The client; only operations that anyone may call have none."""
        if self.client is None:
            raise RuntimeError("an operation that is public asked who calls")
        return self.client

    @property
    def address(self) -> str:
        """The service's own address: AUSCULT_PUBLIC_URL, or else as this caller has it."""
        if self.premises.settings.public_url is not None:
            return self.premises.settings.public_url.rstrip("/")
        host = dict(self.scope["headers"]).get(b"host", b"127.0.0.1").decode("latin-1")
        return f"{self.scope['scheme']}://{host}"

    @property
    def fhir_base(self) -> str:
        """The address of the service's FHIR interface."""
        return f"{self.address}/fhir"

    def path(self, name: str) -> str:
        """Return a part of the path."""
        return str(self.scope["path_params"][name])

    def asked(self) -> list[tuple[str, str]]:
        """Return the parameters of the address, each as often as it's given."""
        return read_query(self.scope["query_string"])

    def query(self, name: str) -> str | None:
        """Return a parameter of the address, the last one if it's repeated."""
        return dict(self.asked()).get(name)

    async def body(self) -> bytes:
        """Read the whole body; raise TooLarge if it's too long, MalformedInput for doubled keys."""
        body = await self._whole_body()
        if not is_plain(body):
            check_depth(body)
            check_keys(body)
        return body

    async def unchecked_body(self) -> bytes:
        """Read the whole body, whose reader must see to doubled keys; raise TooLarge."""
        body = await self._whole_body()
        check_depth(body)
        return body

    async def _whole_body(self) -> bytes:
        """Read the body; raise TooLarge as soon as it's longer than is allowed, or BodyLate.

        The time is for all of it, so that a caller who sends a byte now and then is cut off too.
        """
        seconds = self.premises.settings.body_timeout_s
        try:
            async with asyncio.timeout(seconds):
                body = await self._received()
        except TimeoutError:
            raise BodyLate(
                f"the body was not complete {seconds:g} s after its headers; send it again"
            ) from None
        # one byte is looked for much quicker than six
        if b"\\" in body and NUL in body:
            raise MalformedInput(
                "body: a text holds the character \\u0000, which no record can; leave it out",
                field="body",
                reason="control_character",
            )
        return body

    async def _received(self) -> bytes:
        limit = self.premises.settings.max_body_bytes
        parts: list[bytes] = []
        length, more = 0, True
        while more:
            message = await self.receive()
            if message["type"] != "http.request":
                raise CallerGone("the body ended before it was complete")
            parts.append(message.get("body", b""))
            length += len(parts[-1])
            if length > limit:
                raise _too_large(limit)
            more = message.get("more_body", False)
        return parts[0] if len(parts) == 1 else b"".join(parts)


Handler = Callable[[Call], Awaitable[Answer]]


class Operation(APIRoute):
    """A route that documents itself to FastAPI and is dispatched without its machinery.

    `scopes` are the alternatives of which a client needs one; there is no default, so that a
    route nobody thought about can't be written. PUBLIC is for what everybody may see. `request`
    and `answer` are the msgspec types to document; `known` are what the path's one part may be.
    `query` are the parameters of the address; others are refused under /v1 and /fhir, where
    FHIR's own of the answer's form are taken besides, unless the handler `sees_to_query` itself.
    What is `in_browser` may be opened in one, which asks for the key as a password.
    """

    def __init__(
        self,
        method: str,
        path: str,
        handler: Handler,
        *,
        scopes: Sequence[str],
        summary: str,
        wants_score: bool = False,
        request: Sequence[Any] = (),
        answer: Any = None,
        status: int = 200,
        media_types: tuple[str, ...] = MEDIA_TYPES,
        for_one_patient: bool = False,
        known: Sequence[str] = (),
        query: Sequence[str] = (),
        sees_to_query: bool = False,
        form: bool = False,
        in_browser: bool = False,
    ) -> None:
        super().__init__(
            path,
            _documented,
            methods=[method],
            status_code=status,
            summary=summary,
            description=inspect.getdoc(handler),
            operation_id=f"{handler.__module__.rpartition('.')[2]}.{handler.__name__}",
            openapi_extra=describe_operation(
                path,
                scopes,
                query,
                request,
                {status: answer},
                media_type=FORM_TYPES[0] if form else MEDIA_TYPES[0],
            ),
        )
        self.handler = handler
        self.scopes = tuple(scopes)
        self.wants_score = wants_score
        self.types = (*request, *(() if answer is None else (answer,)))
        self.media_types = FORM_TYPES if form else media_types
        self.for_one_patient = for_one_patient
        self.known = tuple(known)
        self.in_browser = in_browser
        self.is_fhir = path.startswith("/fhir/")
        self.is_protocol = path.startswith(PROTOCOLS)
        self.query = tuple(query)
        self.checks_query = path.startswith(("/v1/", "/fhir/")) and not sees_to_query
        self.reads_body = method == "POST" and bool(request)
        self.only_reads = method == "GET" or form  # a form is sent by a search alone
        self.app = self._run

    def known_paths(self, models: Iterable[str]) -> Iterator[tuple[str, dict[str, str]]]:
        """Yield the paths that lead here and their parts, as far as they can be told beforehand."""
        names = _PART.findall(self.path)
        if not names:
            yield self.path, {}
        elif len(names) == 1:
            for value in self.known or (models if names == ["name"] else ()):
                yield self.path.format(**{names[0]: value}), {names[0]: value}

    async def _run(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            answer = await self._answer(scope, receive)
        except RecordError as error:
            if self.only_reads:
                raise NotReadable(str(error)) from error
            raise
        scope["auscult.status"] = answer.status
        await answer.send(send)

    async def _answer(self, scope: Scope, receive: Receive) -> Answer:
        premises: Premises = scope["app"].state.premises
        now = premises.clock()
        client = await self._client(scope, premises, now) if self.scopes else None
        scope["auscult.client"] = client
        if client is not None:
            premises.limits.check_rate(client)
        if self.is_protocol:
            check_wanted(scope, of_fhir=self.is_fhir)
        if self.checks_query and scope["query_string"]:
            check_query(scope["query_string"], self.query, of_fhir=self.is_fhir)
        if self.reads_body:
            _check_body(scope, self.media_types, premises.settings.max_body_bytes)
        call = Call(premises, client, now, scope, receive)
        if client is None:
            return await self.handler(call)
        premises.limits.begin(client)
        try:
            return await self.handler(call)
        finally:
            premises.limits.end(client)

    async def _client(self, scope: Scope, premises: Premises, now: datetime) -> Client:
        """Return the client that calls; raise NotAuthenticated, or NotAllowed."""
        if self.in_browser:
            try:
                return await self._authorised(as_bearer(scope), premises, now)
            except NotAuthenticated as error:
                raise NotAuthenticated(str(error), challenge=BROWSER_CHALLENGE) from None
        return await self._authorised(scope, premises, now)

    async def _authorised(self, scope: Scope, premises: Premises, now: datetime) -> Client:
        if premises.gate is None:
            return authorise(scope, self.scopes, premises.clients, now)
        client = await premises.gate.authorise(scope, self.scopes, now)
        if BOUND_PATIENT in scope and not self.for_one_patient:
            raise NotAllowed("the token is for one patient, and this isn't")
        return client


def _documented() -> None:
    """Stand for every handler in FastAPI's documentation, which reads signatures."""


def _check_body(scope: Scope, media_types: tuple[str, ...], limit: int) -> None:
    headers = dict(scope["headers"])
    check_sent(headers.get(b"content-type", b""), media_types)
    if headers.get(b"content-encoding", b"identity") != b"identity":
        raise MediaTypeNotSupported("send the body without Content-Encoding")
    length = headers.get(b"content-length", b"0")
    if not length.isdigit() or int(length) > limit:
        raise _too_large(limit)


def _too_large(limit: int) -> TooLarge:
    return TooLarge(f"the body may have {limit} bytes at most")
