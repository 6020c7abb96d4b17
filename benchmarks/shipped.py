"""The README's table of the shipped models, from the evidence of their registered versions.

    python -m benchmarks.shipped            # the newest version of each, in AUSCULT_HOME
    python -m benchmarks.shipped champion   # or the one that an alias means
    python -m benchmarks.shipped --write    # and into the README

Every figure is read from the sealed `evidence.json`; a model without a version says so.
"""

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.markdown import write_between
from models.catalogue import definitions
from models.errors import RegistryError
from records.settings import Settings, read_settings

README = Path(__file__).parents[1] / "README.md"
FIGURES = {
    "auroc": "AUROC",
    "calibration_slope": "calibration slope",
    "calibration_in_the_large": "in the large",
    "brier": "Brier score",
}


def main() -> None:
    """Print the table, and write it where that is asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("which", nargs="?", default="newest", help="an alias, or newest")
    parser.add_argument("--write", action="store_true", help="into the README too")
    asked = parser.parse_args()
    text = table(asked.which, read_settings())
    print(text)
    if asked.write:
        write_between(README, "benchmarks.shipped", text)


def table(which: str, settings: Settings) -> str:
    """Return the table as Markdown."""
    heads = ["model", "judged on", *FIGURES.values(), "regression's AUROC"]
    rule = "| --- | --- |" + " --: |" * (len(FIGURES) + 1)
    rows = [row(name, which, settings) for name in definitions([])]
    return "\n".join(["| " + " | ".join(heads) + " |", rule, *rows])


def row(name: str, which: str, settings: Settings) -> str:
    """Return a model's line."""
    from training.registry import download, find_version, newest_version

    try:
        version = (
            newest_version(name, settings=settings)
            if which == "newest"
            else find_version(name, which, settings=settings)
        )
    except RegistryError:
        return f"| `{name}` | not trained here |" + " |" * (len(FIGURES) + 1)
    place = settings.cache / "artefacts" / version.artefact_digest
    artefact = download(version, place, settings=settings)
    evidence: dict[str, Any] = json.loads((artefact / "evidence.json").read_bytes())
    own = evidence["model_evidence"]["evaluation"]
    split = evidence["split"]
    how = "nested cross-validation" if split["nested_folds"] else "later rows"
    quick = ", quick" if evidence["quick"] else ""
    cells = [
        f"`{name}` {version.version}{quick}",
        f"{how}: {own['n']:,} rows, {own['events']:,} events",
        *(shown(own["figures"][figure]) for figure in FIGURES),
        shown(evidence["baseline_evidence"]["evaluation"]["figures"]["auroc"]),
    ]
    return "| " + " | ".join(cells) + " |"


def shown(estimate: Mapping[str, Any]) -> str:
    """Write a figure with its interval."""
    if estimate["low"] is None:
        return "not estimable"
    return f"{estimate['value']:.3f} ({estimate['low']:.3f} to {estimate['high']:.3f})"


if __name__ == "__main__":
    main()
