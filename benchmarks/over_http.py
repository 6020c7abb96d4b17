"""What an explained and recorded answer costs over HTTP, beside its peers and our own floor.

    python -m benchmarks.over_http --seconds 2 --repeats 3

Every server has one core to itself and the load generator another. All run at the same time and
are asked in turn; figures are medians of the repeats, the warm-up excluded. A ratio is taken
within each repeat. Prints Markdown.
"""

import argparse
import os
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import msgspec

from benchmarks.environments import NotInstalled
from benchmarks.load import Load
from benchmarks.made_up import DEPTH, FEATURES, NAME, TREES, Installation, bundle, install
from benchmarks.servers import Server, bare, bentoml_peer, mlflow_peer, mlserver_peer, ours
from benchmarks.writer import fsync_ms

CLIENTS = (1, 32)
WARM_UP_SECONDS = 1.5
DELAYS_MS = (0.1, 1.0, 5.0)
OURS = "Auscult in BentoML: explained, recorded on SQLite, each commit synced"
BARE = "our scorer on bare uvicorn, no check, no record"
SYNCED = "the same, each answer appended to a file and synced: the least a record can cost"
MLFLOW = "MLflow `models serve`, kept shap explainer, no record"
MLSERVER = "MLServer custom runtime, kept shap explainer, no record"
BENTOML = "BentoML native API, kept shap explainer, no record"
BUNDLE_ENTRIES = 200


@dataclass(frozen=True)
class Options:
    """How long each measurement takes, and how often it's made."""

    seconds: float
    repeats: int


@dataclass(frozen=True)
class Measured:
    """What the repeats of one server at one number of clients gave."""

    loads: list[Load]
    cpu_ms: list[float]

    @property
    def rate(self) -> float:
        """Requests a second."""
        return median(one.rate for one in self.loads)

    def ratio(self, other: "Measured") -> float:
        """How many times the other's rate this is."""
        return median(a.rate / b.rate for a, b in zip(self.loads, other.loads, strict=True))

    def __str__(self) -> str:
        p50 = median(one.p50_ms for one in self.loads)
        p99 = median(one.p99_ms for one in self.loads)
        return f"{self.rate:,.0f} ({p50:.2f}, {p99:.2f}) | {median(self.cpu_ms):.2f}"


def main() -> None:
    """Start the servers, ask them, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=2.0, help="of each measurement")
    parser.add_argument("--repeats", type=int, default=3, help="of which the medians stand")
    asked = parser.parse_args()
    options = Options(asked.seconds, asked.repeats)
    server_core, load_core = sorted(os.sched_getaffinity(0))[:2]
    os.sched_setaffinity(0, {load_core})
    # not in /tmp, which may be memory
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as name:
        directory = Path(name)
        installed = install(directory / "home")
        print(f"{TREES} trees of depth {DEPTH}, {FEATURES} features, a tenth missing, rows vary. ")
        print(f"fsync of a page that lengthens a file: {fsync_ms(directory):.2f} ms.\n")
        for line in report(installed, directory, server_core, load_core, options):
            print(line, flush=True)


def report(
    installed: Installation, directory: Path, server_core: int, load_core: int, options: Options
) -> Iterator[str]:
    """Yield the report's lines as they are measured."""
    core = {server_core}
    with ExitStack() as stack:
        servers = {
            OURS: stack.enter_context(ours(installed, core)),
            BARE: stack.enter_context(bare(installed, core)),
            SYNCED: stack.enter_context(bare(installed, core, directory / "answers")),
            MLFLOW: stack.enter_context(mlflow_peer(installed, core, directory)),
            BENTOML: stack.enter_context(bentoml_peer(installed, core)),
        }
        try:
            servers[MLSERVER] = stack.enter_context(mlserver_peer(installed, core))
        except NotInstalled as error:
            yield f"- MLServer skipped: {error}"
        yield from side_by_side(servers, options)
    yield from slower_disks(installed, core, options)
    yield from two_workers(installed, {server_core, load_core}, options)
    yield from fhir(installed, core, options)


def side_by_side(servers: dict[str, Server], options: Options) -> Iterator[str]:
    """Measure every server in turn, and compare them with ours."""
    for clients in CLIENTS:
        found = measure(servers, clients, options)
        yield f"\n| {clients} client(s) | requests/s (p50, p99 ms) | CPU ms | ours is |"
        yield "| --- | --: | --: | --: |"
        for name, one in found.items():
            yield f"| {name} | {one} | {found[OURS].ratio(one):.2f} x |"
        waits = [one.p99_ms / one.p50_ms for one in found[OURS].loads]
        yield f"\nOurs: p99 is {median(waits):.1f} times p50."


def measure(servers: dict[str, Server], clients: int, options: Options) -> dict[str, Measured]:
    """Ask every server in turn, as often as is wanted, after a warm-up."""
    found = {name: Measured([], []) for name in servers}
    for server in servers.values():
        server.measure(clients, WARM_UP_SECONDS)
    for _ in range(options.repeats):
        for name, server in servers.items():
            load, cpu_ms = server.measure(clients, options.seconds)
            found[name].loads.append(load)
            found[name].cpu_ms.append(cpu_ms)
    return found


def slower_disks(installed: Installation, core: set[int], options: Options) -> Iterator[str]:
    """Measure what a disk costs whose syncs take longer."""
    yield "\n| each commit takes longer by | clients | requests/s (p50, p99 ms) | CPU ms |"
    yield "| --- | --: | --: | --: |"
    for delay in (0.0, *DELAYS_MS):
        with ours(installed, core, slower_ms=delay) as server:
            for clients in CLIENTS:
                one = measure({OURS: server}, clients, options)[OURS]
                yield f"| {delay:g} ms | {clients} | {one} |"


def two_workers(installed: Installation, cores: set[int], options: Options) -> Iterator[str]:
    """Measure what a second worker adds; the load generator shares the cores."""
    clients = CLIENTS[-1]
    with ours(installed, cores) as one, ours(installed, cores, workers=2) as two:
        found = measure({"one": one, "two": two}, clients, options)
    ratio = found["two"].ratio(found["one"])
    yield f"\n| workers, {clients} clients | requests/s (p50, p99 ms) | CPU ms |"
    yield "| --- | --: | --: |"
    for name, measured in found.items():
        yield f"| {name} | {measured} |"
    yield (
        f"\nTwo workers answer {ratio:.2f} times what one does, with as many connections each. The "
        f"load generator runs on one of their {len(cores)} cores, so they have less than all."
    )


def fhir(installed: Installation, core: set[int], options: Options) -> Iterator[str]:
    """Measure what a FHIR Bundle costs."""
    path = f"/fhir/RiskAssessment/$predict?model={NAME}"
    bodies = [msgspec.json.encode(bundle(BUNDLE_ENTRIES))]
    with ours(installed, core, asking=(path, bodies)) as server:
        one = measure({OURS: server}, 1, options)[OURS]
    yield f"\n| Bundle of {BUNDLE_ENTRIES} entries in, RiskAssessment out | requests/s | CPU ms |"
    yield "| --- | --: | --: |"
    yield f"| {OURS} | {one} |"


if __name__ == "__main__":
    main()
