"""What watching costs: from recorded predictions to alarms, performance and a report.

Each size is filled into a database of its own and watched by a process of its own, whose processor
time and peak of memory are measured; the first run of a version, over all of its days at once.
Evidently's presets run on the same rows, in processes of their own too. Prints Markdown.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from shutil import rmtree
from typing import Any
from uuid import uuid4

from benchmarks.markdown import table

DAYS = 365
MOST_IN_MEMORY = 1_000_000
NOW = datetime(2026, 6, 1, tzinfo=UTC)
ONE_THREAD = {"MKL_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
Found = dict[str, Any]


def main() -> None:
    """Measure every size asked for, and print the comparison."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--days", type=int, default=DAYS)
    parser.add_argument("--postgresql", default="", help="a server's URL, to measure there too")
    parser.add_argument("--evidently-rows", type=int, nargs="*", default=[10_000, 100_000])
    parser.add_argument("--task", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.task:
        arguments = json.loads(asked.task)
        print(json.dumps(TASKS[arguments.pop("what")](**arguments)))
        return
    with tempfile.TemporaryDirectory(prefix="auscult-bench-") as place:
        report(asked, Path(place))


def report(asked: argparse.Namespace, place: Path) -> None:
    """Run each measurement in a process of its own and print what it found."""
    artefact = str(place / "artefact")
    run("artefact", artefact=artefact)
    most = max(asked.rows)
    runs = [("SQLite", rows, watched(place, rows, asked.days, "")) for rows in asked.rows]
    if asked.postgresql:
        runs.append(("PostgreSQL", most, watched(place, most, asked.days, asked.postgresql)))
    print(
        f"From the database to alarms, performance and report: 30 features, {asked.days} days "
        "closed at once, an outcome for each prediction.\n"
    )
    print(table(HEAD, [row(*one) for one in runs]))
    held = min(most, MOST_IN_MEMORY)
    counted = run("in_memory", artefact=artefact, rows=held, days=asked.days, home=str(place / "m"))
    print(
        f"\nOnce in memory, {held:,} rows x 30 take {counted['counting']:.1f} s of processor time "
        f"to count, and closing {asked.days} days in {counted['streams']} streams takes "
        f"{counted['closing']:.1f} s more, whatever the rows ({counted['closing'] / asked.days:.3f}"
        " s a day).\n"
    )
    peers = [(rows, preset) for rows in asked.evidently_rows for preset in PRESETS]
    lines = [peer_row(rows, preset, artefact) for rows, preset in peers]
    if lines:
        print("Evidently on the same rows, as it comes, against 20,000 reference rows:\n")
        print(table(("rows", "preset", "CPU s", "peak MB"), lines))


HEAD = ("database", "predictions", "CPU s", "days", "report", "performance", "peak MB")


def row(database: str, rows: int, found: Found) -> tuple[str, ...]:
    """Return a line of the table."""
    stages = found["stages"]
    parts = [stages.get(name, 0.0) for name in STAGES]
    return (
        database,
        f"{rows:,}",
        f"{found['cpu']:.1f}",
        *(f"{part:.1f}" for part in parts),
        f"{found['megabytes']:,.0f}",
    )


STAGES = ("closing days", "reports by year", "performance over time")


def peer_row(rows: int, preset: str, artefact: str) -> tuple[str, ...]:
    """Return a line of Evidently's table."""
    found = run("evidently", artefact=artefact, rows=rows, preset=preset)
    return f"{rows:,}", preset, f"{found['cpu']:.1f}", f"{found['megabytes']:,.0f}"


def watched(place: Path, rows: int, days: int, server: str) -> Found:
    """Fill a database of its own, and watch it."""
    home, url, name = place / f"home-{rows}-{bool(server)}", "", ""
    if server:
        name = f"auscult_bench_{uuid4().hex[:10]}"
        on_server(server, f"CREATE DATABASE {name}")
        url = f"{server.rpartition('/')[0]}/{name}"
    common = {"home": str(home), "url": url, "artefact": str(place / "artefact"), "days": days}
    try:
        run("fill", rows=rows, **common)
        found = run("watch", **common)
        print(row("PostgreSQL" if server else "SQLite", rows, found), file=sys.stderr, flush=True)
        return found
    finally:
        rmtree(home, ignore_errors=True)
        if server:
            on_server(server, f"DROP DATABASE {name} WITH (FORCE)")


def on_server(server: str, statement: str) -> None:
    """Run a statement of this program's own making."""
    import psycopg

    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(statement.encode())


def run(what: str, **arguments: Any) -> Found:
    """Do one thing in a process of its own; return what it found."""
    task = json.dumps({"what": what, **arguments})
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.monitoring", "--task", task],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        env=os.environ | ONE_THREAD,
    )
    found: Found = json.loads(done.stdout.splitlines()[-1])
    return found


def set_up(home: str, url: str = "") -> Any:
    """Make a home with a migrated database, and point Django at it."""
    from auscult.database import set_up_django
    from records.home import init_home
    from records.settings import Settings

    os.environ["AUSCULT_HOME"] = home
    if url:
        os.environ["AUSCULT_DATABASE_URL"] = url
    settings = Settings()
    with suppress(FileExistsError):
        init_home(settings)
    set_up_django()
    from records.migration import migrate

    migrate(settings)
    return settings


def artefact(artefact: str) -> Found:
    """Fit the model that is watched."""
    from benchmarks.clinic_days import make_artefact

    make_artefact(Path(artefact))
    return {}


def fill(home: str, url: str, artefact: str, rows: int, days: int) -> Found:
    """Record predictions and outcomes."""
    settings = set_up(home, url)
    from benchmarks.clinic_days import fill

    fill(settings, Path(artefact), rows, days)
    return {}


def watch(home: str, url: str, artefact: str, days: int) -> Found:
    """Watch all days at once, as the command does."""
    settings = set_up(home, url)
    from benchmarks.clinic_days import FIRST, NAME
    from models.profile import read_profile
    from monitoring.job import monitor

    stages: Counter[str] = Counter()
    last = time.process_time()

    def progress(stage: str, done: int, total: int) -> None:
        nonlocal last
        moment = time.process_time()
        stages[stage] += moment - last  # type: ignore[assignment]  # a Counter adds floats too
        last = moment

    began = time.process_time()
    result = monitor(
        NAME,
        version="1",
        profile=read_profile(Path(artefact) / "profile.json"),
        reference=Path(artefact) / "reference.parquet",
        through=FIRST + timedelta(days=days - 1),
        settings=settings,
        now=NOW,
        progress=progress,
    )
    alarms = [alarm.stream for alarm in result.open_alarms]
    assert "value:measured_3" in alarms
    return {
        "cpu": time.process_time() - began,
        "megabytes": peak(),
        "stages": stages,
        "alarms": alarms,
    }


def in_memory(home: str, artefact: str, rows: int, days: int) -> Found:
    """Count rows that are in memory already, and close their days."""
    settings = set_up(home)
    from benchmarks.clinic_days import FIRST, days_in_memory
    from models.definition import parse_definition
    from models.profile import read_profile
    from monitoring import ledger as books
    from monitoring.cases import Cases
    from monitoring.closing import Job, close_rows
    from monitoring.late_rows import LateRows
    from monitoring.watchlist import watched_streams

    assert settings
    text = (Path(artefact) / "model.toml").read_bytes()
    definition = parse_definition(text, source="benchmark")
    streams = watched_streams(definition, read_profile(Path(artefact) / "profile.json"))
    cases = Cases(definition, "1", streams, Path(artefact) / "reference.parquet")
    job = Job(definition, "1", streams, cases, NOW)
    ledger = books.load(definition.name, "1", streams)
    made = days_in_memory(Path(artefact), rows, days)
    counting = cpu_of(lambda: [s.see(day) for day in made for s in streams if not s.is_twin])
    anew = [replace(day) for day in made]  # what a day has counted, it keeps
    both = cpu_of(
        lambda: [
            close_rows(job, ledger, FIRST + timedelta(days=number), day, LateRows())
            for number, day in enumerate(anew)
        ]
    )
    return {"counting": counting, "closing": both - counting, "streams": len(streams)}


def cpu_of(work: Callable[[], object]) -> float:
    """Return the processor time of some work."""
    began = time.process_time()
    work()
    return time.process_time() - began


PRESETS = ("DataDriftPreset", "DataSummaryPreset")


def evidently(artefact: str, rows: int, preset: str) -> Found:
    """Run one of Evidently's presets on rows of the same kind."""
    import warnings

    import numpy as np
    import pandas as pd

    from benchmarks.clinic_days import days_in_memory

    reference = pd.read_parquet(Path(artefact) / "reference.parquet").drop(columns="risk")
    (day,) = days_in_memory(Path(artefact), rows, 1)
    current = pd.DataFrame(dict(day.features))
    warnings.simplefilter("ignore")
    from evidently import Report, presets

    with np.errstate(all="ignore"):
        cpu = cpu_of(lambda: Report([getattr(presets, preset)()]).run(current, reference).dict())
    return {"cpu": cpu, "megabytes": peak()}


def peak() -> float:
    """Return the peak of this process's memory in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


TASKS: dict[str, Callable[..., Found]] = {
    "artefact": artefact,
    "fill": fill,
    "watch": watch,
    "in_memory": in_memory,
    "evidently": evidently,
}

if __name__ == "__main__":
    main()
