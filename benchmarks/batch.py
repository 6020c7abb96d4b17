"""What scoring a file with explanations costs here, beside SHAP and XGBoost on the same rows.

Every candidate reads the rows from Parquet and writes their risks and contributions to Parquet,
in a process of its own, whose processor time (all threads) and largest memory are taken; processor
time, since other work on the machine changes it least. Peers get fewer rows, being slow; their
memory grows with the rows, ours doesn't. The kernel is measured alone too. Prints Markdown.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

import models
from benchmarks.explain import as_scorer, fit, installed, patients
from models.definition import Definition
from models.risk_model import RiskModel
from models.scoring.scorer import load_scorer
from serving.batch.run import BatchOptions, score_file

FEATURES, TREES, DEPTH = 30, 300, 5
NAMES = tuple(f"x{i}" for i in range(FEATURES))
ROW_GROUP = 100_000
Measured = dict[str, float]


def main() -> None:
    """Fit a booster, write the rows, and print the comparison."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--peer-rows", type=int, default=10_000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--candidate", choices=CANDIDATES, help=argparse.SUPPRESS)
    parser.add_argument("--directory", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.candidate:
        print(json.dumps(measured(CANDIDATES[asked.candidate], asked.directory, asked.rows)))
        return
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        booster = fit(patients(20_000, FEATURES), TREES, DEPTH)
        booster.save_model(directory / "booster.ubj")
        as_scorer(booster, FEATURES, directory)
        print(heading())
        print(kernel_table(directory, asked.repeats))
        few, many = asked.peer_rows, asked.rows
        for rows in (few, many):
            write_rows(directory / f"{rows}.parquet", rows)
        plan = [("auscult", many), ("auscult", few), ("xgboost", few), ("shap", few)]
        print(file_table(directory, plan, asked.repeats))


def heading() -> str:
    """Say what was measured, where and with which versions."""
    packages = ("xgboost-cpu", "shap", "numba", "numpy", "pyarrow")
    versions = ", ".join(f"{name} {installed(name)}" for name in packages)
    return (
        f"## Batch scoring: {TREES} trees of depth {DEPTH}, {FEATURES} features, a tenth missing"
        "\n\n"
        f"{platform.machine()}, {len(os.sched_getaffinity(0))} cores shared with other work (load "
        f"{os.getloadavg()[0]:.1f} at the start), Python {platform.python_version()}, {versions}"
    )


def kernel_table(directory: Path, repeats: int) -> str:
    """Return what score and explanation cost, rows in memory, by threads."""
    scorer = load_scorer(directory)
    rows = patients(200_000, FEATURES)
    lines = [
        "\n| kernel, score and explanation | microseconds of processor time a row | rows/s a core "
        "| rows/s, wall clock |",
        "| --- | --: | --: | --: |",
    ]
    for threads in (1, len(os.sched_getaffinity(0))):
        times = []
        for _ in range(repeats + 1):
            began, began_cpu = time.perf_counter(), time.process_time()
            scorer.explain_batch(rows, threads=threads)
            times.append((time.process_time() - began_cpu, time.perf_counter() - began))
        cpu, wall = (median(each) / len(rows) for each in zip(*times[1:], strict=True))
        lines.append(f"| threads: {threads} | {cpu * 1e6:.1f} | {1 / cpu:,.0f} | {1 / wall:,.0f} |")
    return "\n".join(lines)


def file_table(directory: Path, plan: list[tuple[str, int]], repeats: int) -> str:
    """Return what each candidate costs from Parquet to Parquet, the first beside itself."""
    results: dict[tuple[str, int], list[Measured]] = {each: [] for each in plan}
    for _ in range(repeats):
        for each in plan:
            results[each].append(in_a_process(*each, directory))
    lines = [
        "\n| Parquet to Parquet | rows | microseconds of processor time a row | times ours "
        "| rows/s, wall clock | largest memory, MB |",
        "| --- | --: | --: | --: | --: | --: |",
    ]
    ours = median(one["cpu"] for one in results[plan[0]]) / plan[0][1]
    for (name, rows), runs in results.items():
        middle = {key: median(one[key] for one in runs) for key in runs[0]}
        cpu = middle["cpu"] / rows
        lines.append(
            f"| {TITLES[name]} | {rows:,} | {cpu * 1e6:,.1f} | {cpu / ours:,.1f} "
            f"| {rows / middle['wall']:,.0f} | {middle['memory']:,.0f} |"
        )
    return "\n".join(lines)


def in_a_process(name: str, rows: int, directory: Path) -> Measured:
    """Run a candidate in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.batch", "--candidate", name, "--rows", str(rows),
         "--directory", directory],
        capture_output=True,
        text=True,
        check=True,
    )  # fmt: skip
    answer: Measured = json.loads(done.stdout.splitlines()[-1])
    return answer


def measured(candidate: "Candidate", directory: Path, rows: int) -> Measured:
    """Score a file; imports and loading the model aren't counted, but in memory."""
    target = directory / f"out-{os.getpid()}.parquet"
    with candidate(directory) as work:
        began, began_cpu = time.perf_counter(), time.process_time()
        work(directory / f"{rows}.parquet", target)
        wall, cpu = time.perf_counter() - began, time.process_time() - began_cpu
    assert pq.read_metadata(target).num_rows == rows
    target.unlink()
    return {"wall": wall, "cpu": cpu, "memory": largest_memory_mb()}


def largest_memory_mb() -> float:
    """Return this process's peak; what getrusage says includes the process that started it."""
    status = Path("/proc/self/status").read_text()
    peak = next(line for line in status.splitlines() if line.startswith("VmHWM"))
    return int(peak.split()[1]) / 1024


def write_rows(path: Path, rows: int) -> None:
    """Write patients, a row group at a time."""
    schema = pa.schema([("patient_id", pa.string()), *((name, pa.float64()) for name in NAMES)])
    rng = np.random.default_rng(3)
    with pq.ParquetWriter(path, schema) as writer:
        for start in range(0, rows, ROW_GROUP):
            count = min(ROW_GROUP, rows - start)
            X = rng.normal(size=(count, FEATURES))
            X[rng.random(X.shape) < 0.1] = np.nan
            ids = pa.array([f"patient {i}" for i in range(start, start + count)])
            columns = [pa.array(X[:, i], from_pandas=True) for i in range(FEATURES)]
            writer.write_table(pa.Table.from_arrays([ids, *columns], schema=schema))


Work = Callable[[Path, Path], object]


@contextmanager
def auscult(directory: Path) -> Iterator[Work]:
    """Score as `auscult score` does."""
    model = RiskModel(definition(), "", "", "1", load_scorer(directory), "")
    options = BatchOptions(threads=len(os.sched_getaffinity(0)))

    def work(source: Path, target: Path) -> object:
        return score_file(
            model,
            source,
            target,
            options=options,
            recorder=None,
            now=datetime.now(UTC),
            progress=lambda *_: None,
        )

    yield work


@contextmanager
def xgboost_contributions(directory: Path) -> Iterator[Work]:
    """Let XGBoost explain, on all cores."""
    import xgboost

    booster = xgboost.Booster()
    booster.load_model(directory / "booster.ubj")

    def work(source: Path, target: Path) -> None:
        rows = pq.read_table(source)
        matrix = xgboost.DMatrix(_matrix(rows))
        write_scores(rows, booster.predict(matrix, pred_contribs=True), target)

    yield work


@contextmanager
def shap_values(directory: Path) -> Iterator[Work]:
    """Let SHAP's TreeExplainer explain, kept for all rows."""
    import shap
    import xgboost

    booster = xgboost.Booster()
    booster.load_model(directory / "booster.ubj")
    explainer = shap.TreeExplainer(booster)

    def work(source: Path, target: Path) -> None:
        rows = pq.read_table(source)
        values = explainer.shap_values(_matrix(rows))
        base = np.full((len(values), 1), float(np.ravel(explainer.expected_value)[0]))
        write_scores(rows, np.hstack([values, base]), target)

    yield work


def write_scores(rows: pa.Table, phi: np.ndarray, target: Path) -> None:
    """Write ids, risks and contributions (the base last), as a user of the library would."""
    risk = 1 / (1 + np.exp(-phi.sum(axis=1)))
    columns = {"patient_id": rows["patient_id"], "risk": risk}
    columns |= {name: phi[:, i] for i, name in enumerate((*NAMES, "base"))}
    pq.write_table(pa.table(columns), target)


def definition() -> Definition:
    """Return a shipped definition with plain numbers for features."""
    text = (Path(models.__path__[0]) / "mortality_5y" / "model.toml").read_text()
    document: dict[str, Any] = tomllib.loads(text)
    for part in ("inclusion", "subgroups", "smallest_set"):
        document.pop(part, None)
    common = {"kind": "numeric", "unit": "mmol/L", "plausible": [-20, 20], "look_back_days": 30}
    document["features"] = [{"name": name, "title": f"Value {name}", **common} for name in NAMES]
    return Definition.model_validate(document)


def _matrix(rows: pa.Table) -> np.ndarray:
    return np.column_stack([rows[name].to_numpy() for name in NAMES])


Candidate = Callable[[Path], Any]
CANDIDATES: dict[str, Candidate] = {
    "auscult": auscult,
    "xgboost": xgboost_contributions,
    "shap": shap_values,
}
TITLES = {
    "auscult": "Auscult",
    "xgboost": "XGBoost pred_contribs",
    "shap": "shap.TreeExplainer, kept",
}


if __name__ == "__main__":
    main()
