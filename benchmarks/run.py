"""Measures every claim of speed in turn, and writes `benchmarks/RESULTS.md`.

    python -m benchmarks.run            # all sections, some ten minutes
    python -m benchmarks.run http       # some sections; RESULTS.md is left alone

Each section is a program of its own that prints Markdown, so it can be run alone too.
"""

import argparse
import os
import platform
import subprocess
import sys
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

RESULTS = Path(__file__).with_name("RESULTS.md")
VERSIONS = ("xgboost-cpu", "shap", "numba", "numpy", "mlflow", "bentoml", "uvicorn", "fastapi")
LONGEST_SECONDS = 600


@dataclass(frozen=True)
class Section:
    """A part of the results: its title, and the program that prints it."""

    title: str
    module: str
    arguments: tuple[str, ...] = ()


SECTIONS = {
    "explain": Section("One explanation", "explain", ("--repeats", "3")),
    "growth": Section("How an explanation's cost grows", "growth", ("--repeats", "3")),
    "writer": Section("What durability costs", "writer", ("--seconds", "1")),
    "cold": Section("From a cold start to ready", "cold"),
    "http": Section("An answer over HTTP", "over_http"),
    "cds": Section("A card over CDS Hooks", "cds"),
    "monitoring": Section("Watching", "monitoring", ("--evidently-rows", "10000")),
    "batch": Section("A file", "batch", ("--rows", "500000", "--peer-rows", "5000")),
}


def main() -> None:
    """Run the sections asked for; write the results if that's all of them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sections", nargs="*", choices=[[], *SECTIONS], help="default: all")
    parser.add_argument("--note", default="", help="what to say of the machine at this time")
    asked = parser.parse_args()
    parts = [heading(asked.note)]
    for name in asked.sections or SECTIONS:
        parts.append(measured(SECTIONS[name]))
        print(parts[-1], flush=True)
    if not asked.sections:
        RESULTS.write_text("\n".join(parts))
        print(f"written to {RESULTS}")


def heading(note: str) -> str:
    """Say when, where and with which versions all was measured."""
    versions = ", ".join(f"{name} {version(name)}" for name in VERSIONS)
    one, five, fifteen = os.getloadavg()
    lines = [
        "# Results of `make bench`",
        f"Taken {datetime.now(UTC):%Y-%m-%d %H:%M} UTC on {_processor()}, {os.cpu_count()} cores, "
        f"{platform.system()} {platform.release()}; Python {platform.python_version()}, "
        f"{versions}.",
        f"Load of the machine when it began: {one:.1f}, {five:.1f} and {fifteen:.1f} (1, 5 and 15 "
        f"minutes). {note}".rstrip(),
        "Rates and times are this machine's; the ratios, taken side by side in one run, carry "
        "over best.",
    ]
    return "\n\n".join(lines) + "\n"


def measured(section: Section) -> str:
    """Run a section's program, and return what it printed under its title."""
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", f"benchmarks.{section.module}", *section.arguments],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        timeout=LONGEST_SECONDS,
    )
    command = " ".join(["python -m", f"benchmarks.{section.module}", *section.arguments])
    took = f"`{command}`, {time.monotonic() - began:.0f} s"
    return f"## {section.title}\n\n{took}\n\n{done.stdout.strip()}\n"


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


if __name__ == "__main__":
    main()
