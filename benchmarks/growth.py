"""How the cost of an explained score grows with trees, depth, features and rows a call.

One of them varies at a time, on one pinned core; microseconds of processor time a row, medians of
the repeats, warm-up excluded. Prints Markdown.
"""

import argparse
import os
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import xgboost

from benchmarks.explain import Work, as_scorer, fit, measure, patients

BATCH = 1024
ROWS_A_CALL = (1, 8, 16, 64, 256, 1024, 16_384)
OURS, XGBOOST = "ours", "XGBoost"


@dataclass(frozen=True)
class Size:
    """The size of a model."""

    trees: int = 300
    depth: int = 5
    features: int = 30


VARIED = {
    "trees": [Size(trees=trees) for trees in (50, 100, 300, 1000)],
    "depth": [Size(depth=depth) for depth in (2, 3, 4, 5, 6, 8)],
    "features": [Size(features=features) for features in (10, 30, 100)],
}


def main() -> None:
    """Fit boosters of many sizes and print what each costs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=3)
    asked = parser.parse_args()
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    print("| trees | depth | features | tables, MB | package, s | 1 row, us | XGBoost is", end="")
    print(f" | a row of {BATCH:,}, us | XGBoost is |\n| --: " + "| --: " * 8 + "|")
    for sizes in VARIED.values():
        for size in sizes:
            print(line(size, asked.repeats), flush=True)
    print("\n| rows a call | us a row |\n| --: | --: |")
    with tempfile.TemporaryDirectory() as name:
        size = Size()
        scorer = as_scorer(booster_of(size), size.features, Path(name))
        X = patients(max(ROWS_A_CALL), size.features)
        ours: dict[str, Work] = {
            OURS: lambda part: (
                scorer.explain(part[0]) if len(part) == 1 else scorer.explain_batch(part)
            )
        }
        for rows in ROWS_A_CALL:
            print(f"| {rows:,} | {measure(ours, X, rows, asked.repeats)[OURS]:,.1f} |", flush=True)


def booster_of(size: Size) -> xgboost.Booster:
    """Fit a booster of a size."""
    return fit(patients(20_000, size.features), size.trees, size.depth)


def line(size: Size, repeats: int) -> str:
    """Measure a model of a size, and return its row of the table."""
    booster = booster_of(size)
    booster.set_param({"nthread": 1})
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        began = time.process_time()
        scorer = as_scorer(booster, size.features, directory)
        seconds = time.process_time() - began
        tables = directory / "tables.npz"
        fits = tables.exists()
        megabytes = f"{tables.stat().st_size / 1e6:,.1f}" if fits else "none fit"
        X = patients(BATCH, size.features)
        candidates: dict[str, Work] = {
            OURS: lambda part: (
                scorer.explain(part[0]) if len(part) == 1 else scorer.explain_batch(part)
            ),
            XGBOOST: lambda part: booster.predict(
                xgboost.DMatrix(part, nthread=1), pred_contribs=True
            ),
        }
        # without tables XGBoost itself explains, slowly
        one, many = (measure(candidates, X, rows, repeats if fits else 1) for rows in (1, BATCH))
    cells = [f"{size.trees:,}", str(size.depth), str(size.features), megabytes, f"{seconds:.1f}"]
    for times in (one, many):
        cells += [f"{times[OURS]:,.1f}", f"{times[XGBOOST] / times[OURS]:,.0f} x"]
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    main()
