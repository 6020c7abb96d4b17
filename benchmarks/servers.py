"""The servers that are measured: ours and its peers, each in processes of its own."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryFile
from typing import BinaryIO

import msgspec
import psutil  # type: ignore[import-untyped]  # it ships no types

from auscult.processes import free_port
from benchmarks.environments import python_of
from benchmarks.load import Load, ask, connect, http_request, load_over, run_load
from benchmarks.made_up import NAME, NAMES, Installation, people
from records.telemetry import SWITCHES

SECONDS_TO_START = 120.0
MLSERVER = ("mlserver==1.7.1", "numpy==2.4.6", "shap==0.51.0", "xgboost-cpu==3.2.0")
_MOST_CONNECTIONS = 1000
_PREDICT = f"/v1/models/{NAME}/predict"
_SAVE_MLFLOW_MODEL = (
    "import sys, mlflow; mlflow.pyfunc.save_model(sys.argv[1], python_model=sys.argv[2], "
    "artifacts={'booster': sys.argv[3]}, pip_requirements=['mlflow'])"
)


@dataclass(frozen=True)
class Server:
    """A running server: its port, its processes and what it's asked."""

    port: int
    process: psutil.Process
    requests: list[bytes]
    workers: int = 1

    def measure(self, clients: int, seconds: float) -> tuple[Load, float]:
        """Return the load that was borne, and milliseconds of the server's CPU a request."""
        connections = self._connections(clients)
        before = self._cpu_seconds()
        load = load_over(connections, self.requests, seconds)
        return load, 1e3 * (self._cpu_seconds() - before) / (load.rate * seconds)

    def _connections(self, clients: int) -> list[socket.socket]:
        """Connect to each worker equally often, as a balancer in front of them would see to.

        The kernel lets any worker that is awake accept, and so gives most to one.
        """
        if self.workers == 1:
            return [connect(self.port) for _ in range(clients)]
        share = clients // self.workers
        by_worker: dict[int, list[socket.socket]] = {}
        for _ in range(_MOST_CONNECTIONS):
            connection = connect(self.port)
            held = by_worker.setdefault(self._worker_of(connection), [])
            if len(held) < share:
                held.append(connection)
            else:
                connection.close()
            if sum(map(len, by_worker.values())) == share * self.workers:
                return [one for held in by_worker.values() for one in held]
        raise RuntimeError(f"{_MOST_CONNECTIONS} connections were not accepted by all workers")

    def _worker_of(self, connection: socket.socket) -> int:
        """Ask once over a connection, and return the process that answered."""
        ask(connection, self.requests[0])
        ours = connection.getsockname()[1]
        for worker in self.process.children(recursive=True):
            ports = {one.raddr.port for one in worker.net_connections("tcp") if one.raddr}
            if ours in ports:
                return int(worker.pid)
        raise RuntimeError(f"no worker holds the connection from port {ours}")

    def _cpu_seconds(self) -> float:
        family = [self.process, *self.process.children(recursive=True)]
        times = [one.cpu_times() for one in family]
        return float(sum(one.user + one.system for one in times))


@contextmanager
def ours(
    installed: Installation,
    cores: set[int],
    *,
    workers: int = 1,
    slower_ms: float = 0.0,
    asking: tuple[str, list[bytes]] | None = None,
    more: Mapping[str, str] | None = None,
    wait: bool = True,
) -> Iterator[Server]:
    """Serve what is installed by BentoML, every answer recorded; `more` are further settings.

    Without `wait` it isn't waited for until it answers.
    """
    service = "benchmarks.peers.slow_disk" if slower_ms else "serving.service"
    settings = {
        "AUSCULT_HOME": os.fspath(installed.settings.root),
        "AUSCULT_ARTEFACTS": os.fspath(installed.artefacts),
        "AUSCULT_WORKERS": str(workers),
        # one client asks for all
        "AUSCULT_REQUESTS_PER_SECOND": "1e6",
        "AUSCULT_EXPLANATIONS_PER_DAY": str(10**9),
        "SLOW_DISK_MS": str(slower_ms),
        **(more or {}),
    }
    path, bodies = asking or (_PREDICT, [_json({"values": one}) for one in people()])
    headers = {"Authorization": f"Bearer {installed.key}"}
    command = ["bentoml", "serve", f"{service}:service"]
    with _serving(command, cores, settings, path, bodies, headers, wait=wait) as server:
        yield replace(server, workers=workers)


@contextmanager
def bare(installed: Installation, cores: set[int], sync_to: Path | None = None) -> Iterator[Server]:
    """Serve our scorer on bare uvicorn; nothing is checked, or kept but by a synced append."""
    settings = {"SYNC_TO": os.fspath(sync_to)} if sync_to else {}
    command = ["python", "-m", "benchmarks.peers.bare", os.fspath(installed.artefacts / NAME)]
    bodies = [_json({"values": one}) for one in people()]
    with _serving(command, cores, settings, "/", bodies) as server:
        yield server


@contextmanager
def fastapi_peer(
    artefact: Path, cores: set[int], bodies: list[bytes], *, by_xgboost: bool = False
) -> Iterator[Server]:
    """Serve an artefact's scorer, or its trees by XGBoost, by a FastAPI route and nothing else."""
    command = ["python", "-m", "benchmarks.peers.fastapi_route", os.fspath(artefact)]
    command += ["--xgboost"] if by_xgboost else []
    with _serving(command, cores, {}, "/score", bodies) as server:
        yield server


@contextmanager
def slow_fhir_server(cores: set[int], seconds: float) -> Iterator[Server]:
    """Serve every read and search of a FHIR server late, and with nothing found."""
    command = ["python", "-m", "benchmarks.peers.slow_fhir", str(seconds)]
    with _serving(command, cores, {}, "/fhir", [b""]) as server:
        yield server


@contextmanager
def mlflow_peer(installed: Installation, cores: set[int], directory: Path) -> Iterator[Server]:
    """Serve XGBoost with a kept shap explainer by `mlflow models serve`; nothing is recorded."""
    model = directory / "mlflow"
    peer = Path(__file__).with_name("peers") / "mlflow_model.py"
    booster = installed.artefacts / NAME / "trees.ubj"
    save = [sys.executable, "-c", _SAVE_MLFLOW_MODEL, *map(os.fspath, (model, peer, booster))]
    subprocess.run(save, check=True, env=_environment({}), capture_output=True)
    command = ["mlflow", "models", "serve", "-m", os.fspath(model), "--env-manager", "local"]
    rows = [[[one.get(name) for name in NAMES]] for one in people()]
    bodies = [_json({"dataframe_split": {"columns": NAMES, "data": row}}) for row in rows]
    with _serving([*command, "-w", "1"], cores, {}, "/invocations", bodies) as server:
        yield server


@contextmanager
def bentoml_peer(installed: Installation, cores: set[int]) -> Iterator[Server]:
    """Serve XGBoost with a kept shap explainer by a native BentoML API; nothing is recorded."""
    command = ["bentoml", "serve", "benchmarks.peers.bentoml_service:Explained"]
    settings = {"PEER_BOOSTER": os.fspath(installed.artefacts / NAME / "trees.ubj")}
    bodies = [_json({"values": [one.get(name) for name in NAMES]}) for one in people()]
    with _serving(command, cores, settings, "/predict", bodies) as server:
        yield server


@contextmanager
def mlserver_peer(installed: Installation, cores: set[int]) -> Iterator[Server]:
    """Serve XGBoost with a kept shap explainer by MLServer; nothing is recorded.

    It has an environment of its own; raises NotInstalled where that can't be made.
    """
    python = python_of("mlserver", MLSERVER)
    peer = Path(__file__).with_name("peers") / "mlserver_model.py"
    booster = installed.artefacts / NAME / "trees.ubj"
    command = [os.fspath(one) for one in (python, peer, booster)]
    shape = {"name": "rows", "shape": [1, len(NAMES)], "datatype": "FP64"}
    rows = [[one.get(name) for name in NAMES] for one in people()]
    bodies = [_json({"inputs": [{**shape, "data": row}]}) for row in rows]
    with _serving(command, cores, {}, "/v2/models/explained/infer", bodies) as server:
        yield server


@contextmanager
def _serving(
    command: list[str],
    cores: set[int],
    settings: Mapping[str, str],
    path: str,
    bodies: list[bytes],
    headers: Mapping[str, str] | None = None,
    *,
    wait: bool = True,
) -> Iterator[Server]:
    """Run a server on these cores until the block ends; its port comes last."""
    port = free_port(4700)
    program = [os.fspath(Path(sys.executable).parent / command[0]), *command[1:]]
    requests = [http_request(path, body, dict(headers or {})) for body in bodies]
    with TemporaryFile() as log:
        process = subprocess.Popen(
            [*program, "--port", str(port)],
            env=_environment(settings),
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=lambda: os.sched_setaffinity(0, cores),
        )
        try:
            if wait:
                _wait_until_it_answers(process, port, requests, log)
            yield Server(port, psutil.Process(process.pid), requests)
        finally:
            _stop(process)


def _wait_until_it_answers(
    process: "subprocess.Popen[bytes]", port: int, requests: list[bytes], log: BinaryIO
) -> None:
    deadline = time.monotonic() + SECONDS_TO_START
    while True:
        try:
            run_load(port, requests, 1, 0.1)
        except (OSError, RuntimeError) as error:
            if process.poll() is not None or time.monotonic() > deadline:
                log.seek(0)
                said = log.read().decode(errors="replace")[-2000:]
                raise RuntimeError(f"{process.args!r} doesn't answer: {error}\n{said}") from error
            time.sleep(0.2)
        else:
            return


def _stop(process: "subprocess.Popen[bytes]") -> None:
    for sign in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError, subprocess.TimeoutExpired):
            os.killpg(process.pid, sign)
            process.wait(20)
            return


def _environment(settings: Mapping[str, str]) -> dict[str, str]:
    programs = os.fspath(Path(sys.executable).parent)
    here = {
        "PYTHONPATH": os.fspath(Path(__file__).parents[1]),
        "PATH": f"{programs}:{os.environ['PATH']}",
    }
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AUSCULT_")}
    return kept | SWITCHES | here | dict(settings)


def _json(value: object) -> bytes:
    return msgspec.json.encode(value)
