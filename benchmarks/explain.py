"""What an exact explanation costs here, beside SHAP and XGBoost.

All candidates run in turn in one process on one pinned core, on the same rows; each figure is the
median of the repeats, warm-up excluded, in microseconds of processor time a row. woodelf and ONNX
Runtime aren't among the dependencies: they run in environments of their own, on the same core and
rows, between two measurements of ours. Prints Markdown.
"""

import argparse
import os
import platform
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import xgboost

from benchmarks.environments import NotInstalled, python_of
from models.scoring.calibration import Sigmoid
from models.scoring.scorer import Scorer, load_scorer, save_scorer

Work = Callable[[np.ndarray], object]


@dataclass(frozen=True)
class Peer:
    """A peer with an environment of its own, and the rows a call at which it's at its best."""

    title: str
    script: str
    rows: int
    packages: tuple[str, ...]


XGBOOST = "xgboost-cpu==3.2.0"
PEERS = (
    Peer(
        "ONNX Runtime, score only",
        "onnx_scores",
        1024,
        ("onnxruntime==1.31.1", "onnxmltools==1.16.0", "scikit-learn==1.9.1", XGBOOST),
    ),
    Peer(
        "woodelf, path-dependent",
        "woodelf_rows",
        100_000,
        ("woodelf-explainer==0.4.8", XGBOOST),
    ),
)


def main() -> None:
    """Fit a booster of the size asked for and print the comparison."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trees", type=int, default=300)
    parser.add_argument("--depth", type=int, default=5)
    parser.add_argument("--features", type=int, default=30)
    parser.add_argument("--repeats", type=int, default=7)
    asked = parser.parse_args()
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    X = patients(20_000, asked.features)
    booster = fit(X, asked.trees, asked.depth)
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        scorer = as_scorer(booster, asked.features, directory)
        scorer.verify(X[:2000])
        candidates = all_candidates(scorer, booster)
        print(heading(asked.trees, asked.depth, asked.features))
        for rows in (1, 32, 1024):
            print(table(rows, measure(candidates, X, rows, asked.repeats)))
        for peer in PEERS:
            print(beside(peer, scorer, directory, asked.repeats))


def beside(peer: Peer, scorer: Scorer, directory: Path, repeats: int) -> str:
    """Measure a peer in its own environment, and ours before and after it; say how they compare."""
    try:
        python = python_of(peer.script, peer.packages)
    except NotInstalled as error:
        return f"\n- {peer.title}: skipped, {error}"
    rows = directory / "rows.npy"
    X = patients(peer.rows, len(scorer.features))
    np.save(rows, X)
    ours = {"ours": lambda part: scorer.explain_batch(part)}
    before = measure(ours, X, len(X), repeats)["ours"]
    script = Path(__file__).with_name("peers") / f"{peer.script}.py"
    command = [python, script, directory / "trees.ubj", rows, str(repeats)]
    try:
        done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=300)
    except subprocess.SubprocessError as error:
        return f"\n- {peer.title}: skipped, it failed ({type(error).__name__})"
    ours_now = (before + measure(ours, X, len(X), repeats)["ours"]) / 2
    figure, difference = map(float, done.stdout.split()[-2:])
    return (
        f"\n- {peer.title}, {peer.rows:,} rows a call: {figure:,.1f} microseconds a row, ours "
        f"{ours_now:,.1f} with score and explanation: {figure / ours_now:,.1f} times ours. It "
        f"differs from XGBoost by {difference:.1g} at most. ({', '.join(peer.packages)})"
    )


def patients(rows: int, features: int) -> np.ndarray:
    """Make rows of normal values of which a tenth is missing."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(rows, features))
    X[rng.random(X.shape) < 0.1] = np.nan
    return X


def fit(X: np.ndarray, trees: int, depth: int) -> Any:
    """Fit a booster to an outcome that depends on some of the columns."""
    risk = 1 / (1 + np.exp(-np.nansum(X[:, :5], axis=1)))
    y = np.random.default_rng(1).random(len(X)) < risk
    settings = {"objective": "binary:logistic", "max_depth": depth, "eta": 0.1, "nthread": 1}
    return xgboost.train(settings, xgboost.DMatrix(X, y), trees)


def as_scorer(booster: Any, features: int, directory: Path) -> Scorer:
    """Package the booster as a scorer, and load it."""
    names = tuple(f"x{i}" for i in range(features))
    save_scorer(
        directory,
        features=names,
        columns=names,
        column_feature=np.arange(features),
        calibration=Sigmoid(),
        booster_ubj=bytes(booster.save_raw("ubj")),
        linear=None,
    )
    return load_scorer(directory)


def all_candidates(scorer: Scorer, booster: Any) -> dict[str, Work]:
    """Return what is measured, ours first."""
    import shap  # slow to import

    booster.set_param({"nthread": 1})
    explainer = shap.TreeExplainer(booster)
    candidates: dict[str, Work] = {
        "Auscult, score and explanation": lambda part: (
            scorer.explain(part[0]) if len(part) == 1 else scorer.explain_batch(part)
        ),
        "XGBoost pred_contribs": lambda part: booster.predict(
            xgboost.DMatrix(part, nthread=1), pred_contribs=True
        ),
        "shap.TreeExplainer, kept": explainer.shap_values,
        "XGBoost inplace_predict, score only": booster.inplace_predict,
    }
    return candidates


def measure(
    candidates: dict[str, Work], X: np.ndarray, rows: int, repeats: int
) -> dict[str, float]:
    """Return for each candidate the median microseconds a row; the rows vary."""
    parts = [X[start : start + rows].copy() for start in range(0, max(256, rows), rows)]
    times: dict[str, list[float]] = {name: [] for name in candidates}
    for work in candidates.values():
        work(parts[0])
    for _ in range(repeats):
        for name, work in candidates.items():
            began = time.process_time()
            for part in parts:
                work(part)
            times[name].append((time.process_time() - began) / (len(parts) * rows) * 1e6)
    return {name: median(values) for name, values in times.items()}


def heading(trees: int, depth: int, features: int) -> str:
    """Say what was measured, where and with which versions."""
    packages = ("xgboost-cpu", "shap", "numba", "numpy")
    versions = ", ".join(f"{name} {installed(name)}" for name in packages if installed(name))
    return (
        f"## Explanation: {trees} trees of depth {depth}, {features} features, a tenth missing\n\n"
        f"{platform.machine()}, {os.cpu_count()} cores (one used), Python "
        f"{platform.python_version()}, {versions}"
    )


def installed(name: str) -> str:
    """Return a distribution's version, or nothing."""
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


def table(rows: int, times: dict[str, float]) -> str:
    """Return one Markdown table, each figure beside its ratio to ours."""
    ours = next(iter(times.values()))
    lines = [
        f"\n| rows a call: {rows} | microseconds a row | times ours |",
        "| --- | --: | --: |",
        *(f"| {name} | {value:,.1f} | {value / ours:,.1f} |" for name, value in times.items()),
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
