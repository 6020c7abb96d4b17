"""The servers as processes of their own: what runs them, when they're ready, how they stop."""

import fcntl
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

import httpx

from auscult.installation import exports
from auscult.packaging import BENTO
from models.errors import AuscultError
from records.locks import locked
from records.settings import Settings


class ServerFailed(AuscultError):
    """A server ended or wasn't ready in time."""


@dataclass(frozen=True, slots=True)
class Server:
    """How to run a server: its arguments, environment and the address that says it's ready.

    `alone` is a file that is locked while it runs, where there may be one such server at a time.
    """

    name: str
    arguments: tuple[str, ...]
    address: str
    ready: str
    environment: Mapping[str, str] = field(default_factory=dict)
    alone: Path | None = None

    def run(self) -> int:
        """Run in the foreground until it ends; Ctrl-C and SIGTERM are passed on to it.

        Returns its exit code. Raises ServerFailed where something listens on its port already, and
        where it has to be alone and isn't.
        """
        self._check_port()
        if self.alone is None:
            return self._run()
        try:
            with locked(self.alone, fcntl.LOCK_EX | fcntl.LOCK_NB):
                return self._run()
        except BlockingIOError as error:
            raise ServerFailed(
                f"{self.name} runs in {self.alone.parent} already, and a second would empty its "
                "metrics; stop it, set AUSCULT_WORKERS for more workers, or give this one another "
                "AUSCULT_HOME"
            ) from error

    def _run(self) -> int:
        process = subprocess.Popen(self.arguments, env=os.environ | dict(self.environment))  # noqa: S603 - our own arguments

        def stop(number: int, frame: FrameType | None) -> None:
            process.send_signal(signal.SIGTERM)

        before = signal.signal(signal.SIGTERM, stop)
        try:
            return process.wait()
        except KeyboardInterrupt:
            return process.wait()  # the terminal has sent Ctrl-C to the whole group
        finally:
            signal.signal(signal.SIGTERM, before)

    def _check_port(self) -> None:
        url = httpx.URL(self.address)
        try:
            socket.create_connection((url.host, url.port or 80), timeout=1).close()
        except OSError:
            return
        raise ServerFailed(
            f"something listens on {self.address} already, so {self.name} can't; "
            "stop it, or set AUSCULT_PORT (the service) or AUSCULT_CONSOLE_PORT (the console)"
        )

    def start(self, log: Path) -> "Running":
        """Start in the background in a process group of its own, its output in `log`."""
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as sink:
            process = subprocess.Popen(  # noqa: S603 - our own arguments
                self.arguments,
                env=os.environ | dict(self.environment),
                stdout=sink,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        return Running(self, process, log)


@dataclass(slots=True)
class Running:
    """A server that was started in the background."""

    server: Server
    process: "subprocess.Popen[bytes]"
    log: Path

    def wait_until_ready(self, *, seconds: float = 60) -> None:
        """Wait until it answers; raise ServerFailed with the log's end where it doesn't."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                if httpx.get(self.server.ready, timeout=1).status_code == 200:
                    return
            except httpx.TransportError:
                time.sleep(0.05)
            else:
                time.sleep(0.05)
        end = "\n".join(self.log.read_text(errors="replace").splitlines()[-15:])
        raise ServerFailed(f"{self.server.name} isn't ready at {self.server.ready}:\n{end}")

    def stop(self, *, grace: float = 8) -> None:
        """Stop the whole process group: politely, then by force."""
        for sign in (signal.SIGTERM, signal.SIGKILL):
            try:
                os.killpg(self.process.pid, sign)
            except ProcessLookupError:
                return
            if _ended(self.process, grace):
                grace = 1


def _ended(process: "subprocess.Popen[bytes]", seconds: float) -> bool:
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        return False
    return True


def free_port(wanted: int) -> int:
    """Return the wanted loopback port, or the next one up that is free."""
    for port in range(wanted, min(wanted + 200, 65536)):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise ServerFailed(f"no free port from {wanted} on")


def serve_command(bento: str, settings: Settings, *, port: int | None = None) -> Server:
    """Return how a Bento is served; the latest one where no tag is given."""
    port = port or settings.port
    address = f"http://{settings.host}:{port}"
    program = _program("bentoml")
    arguments = (program, "serve", bento or f"{BENTO}:latest", "--host", settings.host)
    environment = exports(settings) | {"AUSCULT_PORT": str(port), "AUSCULT_HOST": settings.host}
    ready = f"{address}/readyz"
    # BentoML keeps all workers' figures in one directory of the home, which it empties at its start
    alone = settings.root / "serving.lock"
    with_port = (*arguments, "--port", str(port))
    return Server("serving", with_port, address, ready, environment, alone)


def console_command(
    settings: Settings, *, port: int | None = None, links: Mapping[str, str] | None = None
) -> Server:
    """Return how the console is run; `links` are addresses of the libraries' own pages."""
    port = port or settings.console_port
    address = f"http://127.0.0.1:{port}"
    named = {f"AUSCULT_{name.upper()}_URL": link for name, link in (links or {}).items()}
    environment = exports(settings) | named | {"AUSCULT_CONSOLE_PORT": str(port)}
    arguments = (sys.executable, "-m", "monitoring.console.server")
    return Server("console", arguments, address, f"{address}/livez", environment)


def mlflow_command(settings: Settings, *, port: int) -> Server:
    """Return how MLflow's own pages are run, without its job runner."""
    address = f"http://127.0.0.1:{port}"
    arguments = (_program("mlflow"), "ui", "--port", str(port), "--workers", "1")
    return Server("MLflow", arguments, address, f"{address}/health", exports(settings))


def evidently_command(settings: Settings, *, port: int) -> Server:
    """Return how Evidently's own pages are run."""
    address = f"http://127.0.0.1:{port}"
    workspace = os.fspath(settings.evidently_workspace)
    arguments = (_program("evidently"), "ui", "--workspace", workspace, "--port", str(port))
    return Server("Evidently", arguments, address, f"{address}/api/version", exports(settings))


def _program(name: str) -> str:
    return os.fspath(Path(sys.executable).with_name(name))
