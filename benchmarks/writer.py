"""What durability costs: group commits against one commit a request, on this machine's disk.

`python -m benchmarks.writer` prints a table; AUSCULT_TEST_POSTGRES_URL adds PostgreSQL, in a
database that is made and dropped. Both ways use the same writer and rows; only `batch` differs.
"""

import argparse
import asyncio
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import msgspec
import numpy as np
import psycopg

from records.home import init_home
from records.migration import migrate
from records.rows import PredictionRow, prepare
from records.settings import Settings
from records.writer import Writer

FEATURES = 30
CLIENTS = (1, 8, 32, 128)


@dataclass(frozen=True)
class Measured:
    """Requests a second, and how long one waits: median and 99th percentile."""

    rate: float
    p50_ms: float
    p99_ms: float


def made_up_row() -> PredictionRow:
    """Return a prediction of 30 features, a tenth of them missing."""
    rng = np.random.default_rng(20261)
    values = rng.normal(50, 20, FEATURES).round(2)
    now = datetime.now(UTC)
    return PredictionRow(
        id=uuid4(),
        model="made_up",
        version="1",
        definition_digest="d" * 64,
        artefact_digest="a" * 64,
        patient="p" * 64,
        client="0" * 16,
        is_test=False,
        protocol="json",
        site="",
        predicted_at=now,
        recorded_at=now,
        status="final",
        shown=True,
        features={
            f"feature_{i}": None if i % 10 == 0 else float(value) for i, value in enumerate(values)
        },
        vector=values.tobytes(),
        contributions=rng.normal(size=FEATURES).tobytes(),
        base=-2.0,
        margin=-1.5,
        risk=0.18,
        band="low",
        findings=[
            {"feature": f"feature_{i}", "kind": "missing", "reason": "missing", "words": "missing"}
            for i in range(0, FEATURES, 10)
        ],
        sources=[],
        input_digest="e" * 64,
    )


def measure(database: str, clients: int, batch: int, seconds: float) -> Measured:
    """Let so many clients record one prediction after another, each waiting for its commit."""
    writer = Writer(database, queue=4096, batch=batch)
    writer.start()
    waits = asyncio.run(_load(writer, clients, seconds))
    writer.close()
    ordered = sorted(waits)
    return Measured(
        len(waits) / seconds, 1e3 * statistics.median(ordered), 1e3 * ordered[-len(ordered) // 100]
    )


async def _load(writer: Writer, clients: int, seconds: float) -> list[float]:
    loop = asyncio.get_running_loop()
    row = made_up_row()
    waits: list[float] = []

    async def ask(end: float) -> None:
        while (begun := time.perf_counter()) < end:
            await writer.submit_async([msgspec.structs.replace(row, id=uuid4())], loop)
            waits.append(time.perf_counter() - begun)

    await asyncio.gather(*(ask(time.perf_counter() + 0.2) for _ in range(clients)))
    waits.clear()
    await asyncio.gather(*(ask(time.perf_counter() + seconds) for _ in range(clients)))
    return waits


def fsync_ms(directory: Path, repeats: int = 200) -> float:
    """Return the median time of appending a page to a file and syncing it to the disk."""
    times = []
    with open(directory / "fsync", "wb", buffering=0) as file:
        for _ in range(repeats):
            begun = time.perf_counter()
            file.write(bytes(4096))
            os.fsync(file.fileno())
            times.append(time.perf_counter() - begun)
    return 1e3 * statistics.median(times)


def prepare_us(repeats: int = 2000) -> float:
    """Return the CPU time of preparing a row: its canonical bytes, its leaf hash, its values."""
    row = made_up_row()
    begun = time.thread_time()
    for _ in range(repeats):
        prepare(row)
    return 1e6 * (time.thread_time() - begun) / repeats


@contextmanager
def databases(home: Path) -> Iterator[dict[str, Settings]]:
    """Give migrated databases to measure, and drop what was made on a server."""
    found = {"SQLite": Settings(home=home)}
    server = os.environ.get("AUSCULT_TEST_POSTGRES_URL")
    name = f"auscult_bench_{uuid4().hex[:12]}"
    if server:
        with psycopg.connect(server, autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")
        url = f"{server.rpartition('/')[0]}/{name}"
        found["PostgreSQL"] = Settings(home=home, database_url=url)
    try:
        for settings in found.values():
            init_home(settings)
            migrate(settings)
        yield found
    finally:
        if server:
            with psycopg.connect(server, autocommit=True) as connection:
                connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


def main() -> None:
    """Measure both ways side by side and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=2.0, help="of each measurement")
    parser.add_argument("--repeats", type=int, default=3, help="of which the median rate stands")
    options = parser.parse_args()
    # not in /tmp, which may be memory
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as directory:
        home = Path(directory)
        print(f"{platform.platform()}, {os.cpu_count()} cores, Python {platform.python_version()}")
        print(f"fsync of a page: {fsync_ms(home):.2f} ms; preparing a row: {prepare_us():.0f} us\n")
        print("| database | clients | group commit, rows/s (p50, p99 ms) | one each | ratio |")
        print("| --- | --: | --: | --: | --: |")
        with databases(home) as found:
            for name, settings in found.items():
                for clients in CLIENTS:
                    print(_line(name, settings.database, clients, options), flush=True)


def _line(name: str, database: str, clients: int, options: argparse.Namespace) -> str:
    runs = [
        (
            measure(database, clients, 512, options.seconds),
            measure(database, clients, 1, options.seconds),
        )
        for _ in range(options.repeats)
    ]
    ratio = statistics.median(group.rate / single.rate for group, single in runs)
    group, single = sorted(runs, key=lambda run: run[0].rate)[len(runs) // 2]
    cells = [f"{one.rate:,.0f} ({one.p50_ms:.1f}, {one.p99_ms:.1f})" for one in (group, single)]
    return f"| {name} | {clients} | {cells[0]} | {cells[1]} | {ratio:.2f} |"


if __name__ == "__main__":
    main()
