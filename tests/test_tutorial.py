"""The tutorial, run from its first block to its last as somebody at a desk would."""

import itertools
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[1] / "docs" / "tutorial.md"
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FILE = re.compile(r"`([\w./]+)`:\s*$")
NUMBER = re.compile(r"[+-]?\d[\d,]*\.?\d*")
RUN = re.compile(r"\b[0-9a-f]{32}\b")
TIME = re.compile(r"\b\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(?:\.\d{6}Z)?")


@dataclass(frozen=True)
class Cell:
    """A block of the page, the file that it is the content of, and what it is said to print."""

    kind: str
    text: str
    file: str
    printed: str | None


def cells(page: str) -> Iterator[Cell]:
    found = list(BLOCK.finditer(page))
    for block, after in itertools.zip_longest(found, found[1:]):
        if block[1] == "text":
            continue
        named = FILE.search(page[: block.start()])
        follows = after is not None and after[1] == "text"
        adjacent = follows and not page[block.end() : after.start()].strip()
        yield Cell(block[1], block[2], named[1] if named else "", after[2] if adjacent else None)


def run(cell: Cell, directory: Path, environment: dict[str, str]) -> str:
    """Run a block; return what it printed, without the stages that go by."""
    program = [sys.executable, "-c"] if cell.kind == "python" else ["bash", "-c"]
    done = subprocess.run(
        [*program, cell.text],
        cwd=directory,
        env=environment,
        capture_output=True,
        text=True,
        timeout=600,
    )
    refused = cell.printed is not None and cell.printed.startswith("auscult: ")
    assert (done.returncode != 0) == refused, done.stdout + done.stderr
    printed = done.stderr if refused else done.stdout
    return "".join(line for line in printed.splitlines(True) if not line.endswith(" …\n"))


def words(text: str) -> list[str]:
    return RUN.sub("(run)", TIME.sub("(time)", text)).split()


def numbers(text: str) -> list[float]:
    plain = RUN.sub("", TIME.sub("", text)).replace("−", "-")
    return [float(found.replace(",", "")) for found in NUMBER.findall(plain)]


def decimals(text: str) -> list[int]:
    """Return how many decimals each number has: a figure printed shorter is another text."""
    plain = RUN.sub("", TIME.sub("", text))
    return [len(found.partition(".")[2]) for found in NUMBER.findall(plain)]


def test_the_tutorial_does_what_it_says(tmp_path: Path) -> None:
    """Words are held exactly; figures to within what another processor's rounding may change."""
    kept = {name: os.environ[name] for name in ("PYTHONPATH", "HOME") if name in os.environ}
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**kept, "PATH": path, "COLUMNS": "100"}
    seen = []
    for cell in cells(PAGE.read_text("utf-8")):
        if cell.file:
            target = tmp_path / cell.file
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(cell.text, encoding="utf-8")
            continue
        environment |= dict(re.findall(r"\b(AUSCULT_[A-Z]+)=(\S+)", cell.text))
        printed = run(cell, tmp_path, environment)
        seen.append(cell.kind)
        if cell.printed is not None:
            without = [NUMBER.sub("#", word) for word in words(cell.printed)]
            assert [NUMBER.sub("#", word) for word in words(printed)] == without, printed
            assert decimals(printed) == decimals(cell.printed), printed
            assert numbers(printed) == pytest.approx(numbers(cell.printed), rel=0.02, abs=0.02)
    assert seen.count("sh") >= 6
    assert seen.count("python") >= 4
