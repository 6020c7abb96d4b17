"""Benchmarks that don't start show nothing."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
MODULES = sorted(
    path.stem for path in (ROOT / "benchmarks").glob("*.py") if path.stem != "__init__"
)


def test_every_benchmark_can_be_imported_by_a_plain_interpreter() -> None:
    imports = "; ".join(f"import benchmarks.{name}" for name in MODULES)

    done = subprocess.run(
        [sys.executable, "-c", imports], cwd=ROOT, capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stderr
