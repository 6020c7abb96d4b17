"""The BentoML service: workers that each load the models, open the records and answer."""

import gc
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from records import telemetry

telemetry.switch_off()

import bentoml  # noqa: E402 - after its telemetry is switched off
import click  # noqa: E402
import psutil  # type: ignore[import-untyped]  # noqa: E402 - it ships no types
from starlette.types import ASGIApp, Receive, Scope, Send  # noqa: E402

from models.errors import AuscultError  # noqa: E402
from records.settings import read_settings  # noqa: E402

if TYPE_CHECKING:
    from fastapi import FastAPI

# Of what BentoML answers itself, these are left; they ask __is_alive__ and __is_ready__.
HEALTH = ("/livez", "/readyz", "/healthz")
SPARE_SECONDS = 1.0
COLLECT_AFTER = 20_000  # more objects than at the last collection

try:
    settings = read_settings()
except AuscultError as error:
    # the command line shows this as one line
    raise click.ClickException(str(error)) from error


class Entrance:
    """Stands before BentoML's application, and hands it its health checks only."""

    application: "FastAPI | None" = None

    def __init__(self, app: ASGIApp) -> None:
        self._bentoml = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a call on."""
        ours = type(self).application
        if ours is None or scope["type"] != "http" or scope["path"] in HEALTH:
            await self._bentoml(scope, receive, send)
        else:
            await ours(scope, receive, send)


class Service(bentoml.Service["Worker"]):
    """BentoML's service, without its middleware around our application."""

    def to_asgi(self, is_main: bool = True) -> ASGIApp:
        """Return what the worker's HTTP server calls."""
        return Entrance(super().to_asgi(is_main=is_main))


class Worker:
    """One worker: its models, its writer and its application."""

    def __init__(self) -> None:
        from serving.app import create_app
        from serving.loading import (
            artefacts_directory,
            check_approved,
            check_servable,
            listed_versions,
            load_models,
            open_records,
            utc_now,
        )

        # BentoML makes its workers' instances where an event loop runs already
        with ThreadPoolExecutor(1) as thread:
            key = thread.submit(open_records, settings).result()
            thread.submit(check_approved, artefacts_directory(settings)).result()
        from records.clients import ClientCache
        from records.pseudonym import Pseudonymiser
        from records.suspensions import Suspensions
        from records.writer import Writer
        from serving.earlier import EarlierVersions

        artefacts = artefacts_directory(settings)
        models = load_models(artefacts)
        for host in _listening_hosts():
            check_servable((model.definition for model in models.values()), host)
        self.writer = Writer(settings.database, queue=settings.write_queue, clock=utc_now)
        self.writer.start()
        self.clients = ClientCache()
        self.suspensions = Suspensions()
        Entrance.application = create_app(
            models,
            self.writer,
            Pseudonymiser(key),
            self.clients,
            self.suspensions,
            settings,
            utc_now,
            earlier=EarlierVersions(artefacts, listed_versions(artefacts).earlier),
        )
        # BentoML's heap is large: unfrozen, each full collection holds answers up
        gc.collect()
        gc.freeze()
        # what a request leaves behind is freed by its count; only a cycle would need a collection
        gc.set_threshold(COLLECT_AFTER, 20, 20)

    @bentoml.on_deployment
    @staticmethod
    def check() -> None:
        """Refuse to start what no worker could serve, before there is any worker."""
        from serving.loading import (
            artefacts_directory,
            check_approved,
            check_servable,
            open_records,
            read_definitions,
        )

        try:
            open_records(settings)
            check_servable(read_definitions(artefacts_directory(settings)), _wanted_host())
            check_approved(artefacts_directory(settings))
        except AuscultError as error:
            # the command line shows this as one line
            raise click.ClickException(str(error)) from error

    @bentoml.on_shutdown
    def close(self) -> None:
        """Commit what waits, then stop."""
        self.writer.close()
        self.clients.close()
        self.suspensions.close()

    async def __is_alive__(self) -> bool:
        """Say that this worker answers."""
        return True

    async def __is_ready__(self) -> bool:
        """Say whether predictions can be recorded, and so answered."""
        return self.writer.ready


def _wanted_host() -> str:
    """Return the host to be served on: that of the command line, else the settings'."""
    context = click.get_current_context(silent=True)
    given: Any = context.params.get("host") if context else None
    return str(given or settings.host)


def _listening_hosts() -> set[str]:
    """Return the addresses on which this process listens, whoever opened them."""
    connections = psutil.Process().net_connections("tcp")
    return {one.laddr.ip for one in connections if one.status == psutil.CONN_LISTEN}


service: Any = bentoml.service(
    name="auscult",
    service_class=Service,
    workers=settings.workers,
    # our own deadline answers first; BentoML's timers live as long as its timeout
    traffic={"timeout": settings.request_timeout_s + SPARE_SECONDS},
    http={"host": settings.host, "port": settings.port},
    metrics={"enabled": False},
    logging={"access": {"enabled": False}},
    tracing={"excluded_urls": ".*"},
)(Worker)
