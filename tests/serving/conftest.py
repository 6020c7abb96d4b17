"""A real server on loopback, with a small real model, a real database and real API keys.

Whatever brings Django's models is imported where it's used: this file may be read before Django
is set up.
"""

import io
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn

from models.risk_model import RiskModel
from records.pseudonym import Pseudonymiser, read_pseudonym_key
from records.settings import Settings
from records.writer import Writer
from serving.app import create_app
from serving.earlier import EarlierVersions
from tests.factories import NAME, NOW, make_artefact


@dataclass
class Service:
    """A running service: where it answers, what it wrote to its log, and its clock."""

    settings: Settings
    writer: Writer
    address: str
    log: io.BytesIO
    now: datetime = NOW
    key: str = ""
    clients: list[httpx.Client] = field(default_factory=list)

    def client(self, *scopes: str, is_test: bool = False, name: str = "") -> httpx.Client:
        """A client with a new key of these scopes, and a new name unless one is given."""
        from records.clients import create_client

        name = name or f"client {len(self.clients)}"
        key, _ = create_client(name, scopes, is_test=is_test, now=self.now)
        return self.caller({"Authorization": f"Bearer {key}"})

    def caller(self, headers: dict[str, str]) -> httpx.Client:
        """A caller with these headers."""
        # the server ends a connection after 5 s without a request, maybe just as the next is sent
        limits = httpx.Limits(keepalive_expiry=2)
        made = httpx.Client(base_url=self.address, headers=headers, timeout=20, limits=limits)
        self.clients.append(made)
        return self.clients[-1]

    def predict(self, client: httpx.Client, body: Any) -> httpx.Response:
        """Post a prediction request."""
        return client.post(f"/v1/models/{NAME}/predict", json=body)


class Nothing:
    """Suspensions, of which there are none."""

    def check(self, model: str) -> None:
        """Suspend nothing."""

    def reason(self, model: str) -> None:
        """Suspend nothing."""


class Nobody:
    """Clients that nobody is."""

    def authenticate(self, key: str, now: datetime) -> None:
        """Know no key."""


@pytest.fixture(scope="session")
def model_directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The artefact of the made-up model, for demonstration."""
    directory = tmp_path_factory.mktemp("artefact") / NAME
    make_artefact(directory)
    return directory


@pytest.fixture(scope="session")
def model(model_directory: Path) -> RiskModel:
    """The made-up model, for demonstration."""
    return RiskModel.load(model_directory, version="1")


Serve = Callable[..., Service]


@contextmanager
def serving(model: RiskModel) -> Iterator[Serve]:
    """Give what serves models from a database, until the end."""
    from records.clients import ClientCache
    from records.suspensions import Suspensions

    running: list[tuple[uvicorn.Server, threading.Thread, Service, ClientCache, Suspensions]] = []

    def start(
        settings: Settings, *models: RiskModel, earlier: EarlierVersions | None = None
    ) -> Service:
        writer = Writer(settings.database, queue=settings.write_queue, clock=lambda: NOW)
        writer.start()
        listening = socket.create_server(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{listening.getsockname()[1]}"
        service = Service(settings, writer, address, io.BytesIO())
        clients, suspensions = ClientCache(), Suspensions()
        app = create_app(
            {one.definition.name: one for one in models or (model,)},
            writer,
            Pseudonymiser(read_pseudonym_key(settings.pseudonym_key)),
            clients,
            suspensions,
            settings,
            lambda: service.now,
            earlier=earlier,
            log_stream=service.log,
        )
        server = uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        running.append((server, thread, service, clients, suspensions))
        return service

    try:
        yield start
    finally:
        _end(running)


def _end(running: list[Any]) -> None:
    for server, thread, service, clients, suspensions in running:
        for client in service.clients:
            client.close()
        server.should_exit = True
        thread.join()
        service.writer.close()
        clients.close()
        suspensions.close()


@pytest.fixture
def serve(model: RiskModel) -> Iterator[Serve]:
    """Serve models from a database until the test ends."""
    with serving(model) as start:
        yield start


@pytest.fixture
def service(serve: Serve, sqlite_db: Settings) -> Service:
    """The made-up model served from SQLite."""
    return serve(sqlite_db)


@pytest.fixture
def ehr(service: Service) -> httpx.Client:
    """A client that may do everything."""
    from records.clients import SCOPES

    return service.client(*SCOPES)


@pytest.fixture
def recorded(service: Service) -> Callable[[], list[Any]]:
    """The predictions that are on disk, read through Django."""
    return read_predictions


def read_predictions() -> list[Any]:
    """Read the predictions that are on disk, through Django."""
    from records.models import Prediction

    return list(Prediction.objects.order_by("recorded_at"))


@pytest.fixture
def artefacts(tmp_path: Path) -> Path:
    """A directory for artefacts that one test makes."""
    return tmp_path / "artefacts"
