"""The service as one ASGI application: operations, and a door that answers every error."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from time import perf_counter
from typing import Any, BinaryIO

import msgspec
from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Receive, Scope, Send
from structlog.typing import FilteringBoundLogger

from models.definition import Status
from models.errors import AuscultError, InputError
from models.risk_model import RiskModel
from records.pseudonym import Pseudonymiser
from records.settings import Settings
from records.writer import Writer
from serving import (
    cds_hooks,
    corrections,
    fhir_api,
    fhir_corrections,
    fhir_records,
    fhir_search,
    json_api,
    json_records,
    own_api,
)
from serving.access import Clients
from serving.answer_form import AnswerForm
from serving.contract import Contract
from serving.counters import Counters
from serving.cross_origin import CrossOrigin
from serving.deadlines import Deadlines
from serving.earlier import EarlierVersions
from serving.limits import Limits
from serving.loading import check_servable
from serving.log import make_log, places, silence_access_log
from serving.openapi import COMPONENTS
from serving.operation import Operation
from serving.outbound import Outbound
from serving.premises import Premises, Served, Suspensions
from serving.problems import OURS, Form, MethodNotAllowed, NotFound, answer_error, kind_of

# CDS Hooks 3.0 has its errors as OperationOutcomes, which clients of 2.0 may ignore
FHIR_PATHS = ("/fhir", "/cds-services")


def create_app(
    models: Mapping[str, RiskModel],
    writer: Writer,
    pseudonymiser: Pseudonymiser,
    clients: Clients,
    suspensions: Suspensions,
    settings: Settings,
    clock: Callable[[], datetime],
    *,
    earlier: EarlierVersions | None = None,
    log_stream: BinaryIO | None = None,
) -> FastAPI:
    """Make the application that answers for these models; the writer must have been started.

    `earlier` versions are those that replay their predictions, and predict nothing any more.

    Raises SettingsError for a model that may not be served, or not on this host.
    """
    check_servable((model.definition for model in models.values()), settings.host)
    silence_access_log()
    served = {
        name: Served(model, Contract(model.definition), AnswerForm(model))
        for name, model in sorted(models.items())
    }
    outbound = Outbound(settings)
    gate = None
    if settings.issuers_file is not None:
        # here, since it brings libraries that API keys don't need
        from serving.tokens.gate import make_gate

        gate = make_gate(settings.issuers_file, settings, clients, writer, outbound)
    premises = Premises(
        served,
        writer,
        pseudonymiser,
        clients,
        suspensions,
        settings,
        clock,
        Counters(),
        Limits(settings),
        Deadlines(settings.request_timeout_s),
        earlier or EarlierVersions(Path()),
        gate,
    )
    log = make_log(settings.log_level, log_stream)
    _say_what_is_served(log, models, settings)
    operations = (
        *json_api.operations(served),
        *json_records.operations(),
        *corrections.operations(),
        *fhir_api.operations(),
        *fhir_records.operations(),
        *fhir_search.operations(),
        *fhir_corrections.operations(),
        *cds_hooks.operations(served, outbound),
        *own_api.operations(),
    )
    return App(premises, operations, log)


def _say_what_is_served(
    log: FilteringBoundLogger, models: Mapping[str, RiskModel], settings: Settings
) -> None:
    log.info("serving", models=[f"{name} {model.version}" for name, model in models.items()])
    shown = (one.definition for one in models.values() if one.definition.cds_hooks)
    if settings.console_url is None and any(one.status is not Status.SILENT for one in shown):
        log.warning("cards have no links", reason="AUSCULT_CONSOLE_URL is not set")


class App(FastAPI):
    """FastAPI with one door of ours in the place of its middleware."""

    def __init__(
        self, premises: Premises, operations: Sequence[Operation], log: FilteringBoundLogger
    ) -> None:
        super().__init__(
            title="Auscult",
            summary="Clinical risks, explained and recorded",
            openapi_url=None,
            docs_url=None,
            redoc_url=None,
            redirect_slashes=False,
        )
        self.state.premises = premises
        self.router.routes.extend(operations)
        self._door: ASGIApp = Door(self.router, premises, operations, log)
        if premises.settings.cors_origins:
            self._door = CrossOrigin(self._door, premises.settings.cors_origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a call by the door, past FastAPI's telemetry, which may send out what it sees."""
        scope["app"] = self
        await self._door(scope, receive, send)

    def openapi(self) -> dict[str, Any]:
        """Return the OpenAPI description, with the types of requests and answers."""
        if self.openapi_schema is None:
            schema = super().openapi()
            operations = [route for route in self.routes if isinstance(route, Operation)]
            types = [type_ for operation in operations for type_ in operation.types]
            _, named = msgspec.json.schema_components(types, ref_template=COMPONENTS)
            components = schema.setdefault("components", {})
            components.setdefault("schemas", {}).update(named)
            components["securitySchemes"] = {"api_key": {"type": "http", "scheme": "bearer"}}
        return self.openapi_schema or schema


class Door:
    """Answers what goes wrong behind it, counts and logs every answer.

    A call whose whole path is known is not routed: it goes straight to its operation.
    """

    def __init__(
        self,
        router: ASGIApp,
        premises: Premises,
        operations: Sequence[Operation],
        log: FilteringBoundLogger,
    ) -> None:
        self._router = router
        self._known = {
            (method, path): (operation, found)
            for operation in operations
            for path, found in operation.known_paths(premises.models)
            for method in operation.methods or ()
        }
        self._counters = premises.counters
        self._log = log
        for operation in operations:
            for slug in OURS:
                # from nought on, or no increase would be seen in the first
                self._counters.problems(operation.unique_id, slug)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a call on, and answer the error that comes back, if one does."""
        if scope["type"] != "http":
            await self._router(scope, receive, send)
            return
        started = perf_counter()
        try:
            known = self._known.get((scope["method"], scope["path"]))
            if known is None:
                await self._router(scope, receive, send)
            else:
                scope["route"], scope["path_params"] = known
                await known[0].app(scope, receive, send)
        except Exception as error:
            if "auscult.status" in scope:
                raise
            await self._answer_error(_told(error), scope, send)
        self._count(scope, perf_counter() - started)

    async def _answer_error(self, error: Exception, scope: Scope, send: Send) -> None:
        route = scope.get("route")
        form: Form = "fhir" if scope["path"].startswith(FHIR_PATHS) else "problem"
        wanted_score = isinstance(route, Operation) and route.wants_score
        answer = answer_error(error, form=form, wanted_score=wanted_score)
        scope["auscult.status"] = answer.status
        self._note(error, scope)
        await answer.send(send)

    def _note(self, error: Exception, scope: Scope) -> None:
        kind, name = kind_of(error), _operation(scope)
        self._counters.problems(name, kind.slug).inc()
        fields = {"operation": name, "status": kind.status, "problem": kind.slug}
        if (client := scope.get("auscult.client")) is not None:
            fields["client"] = client.key_id
        if isinstance(error, InputError):
            fields["reason"] = error.reason
        if kind.status == 500:
            self._log.error("failed", error=type(error).__name__, where=places(error), **fields)
        else:
            self._log.info("refused", **fields)

    def _count(self, scope: Scope, seconds: float) -> None:
        name = _operation(scope)
        self._counters.answers(name, scope["auscult.status"]).inc()
        self._counters.seconds(name).observe(seconds)
        self._log.debug("answered", operation=name, milliseconds=round(1000 * seconds, 3))


def _operation(scope: Scope) -> str:
    """Return the name under which a call is counted and logged, whatever its path held."""
    route = scope.get("route")
    return route.unique_id if isinstance(route, Operation) else "none"


def _told(error: Exception) -> Exception:
    """Return the router's own errors as ours."""
    if isinstance(error, AuscultError) or not isinstance(error, HTTPException):
        return error
    if error.status_code == 405:
        allow = (error.headers or {}).get("Allow", "")
        return MethodNotAllowed(f"this path is for {allow}", allow=allow)
    return NotFound("there is no such path")
