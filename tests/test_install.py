"""`make install` in a directory of its own: it ends what an interruption left half-done."""

import hashlib
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PROJECT = """
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]
[project]
name = "project"
version = "1.0"
"""
BACKEND = """
import zipfile

def build_editable(directory, settings=None, metadata=None):
    name = "project-1.0-py3-none-any.whl"
    with zipfile.ZipFile(f"{directory}/{name}", "w") as wheel:
        for file, text in FILES.items():
            wheel.writestr(f"project-1.0.dist-info/{file}", text)
    return name

FILES = {
    "METADATA": "Metadata-Version: 2.1\\nName: project\\nVersion: 1.0\\n",
    "WHEEL": "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n",
    "RECORD": "",
}
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with the Makefile, one locked package, and a backend that needs no network."""
    shutil.copy(ROOT / "Makefile", tmp_path)
    (tmp_path / "pyproject.toml").write_text(PROJECT)
    (tmp_path / "backend.py").write_text(BACKEND)
    wheel = tmp_path / "thing-1.0-py3-none-any.whl"
    about = "thing-1.0.dist-info"
    with zipfile.ZipFile(wheel, "w") as files:
        files.writestr("thing.py", "ANSWER = 42")
        files.writestr(f"{about}/METADATA", "Metadata-Version: 2.1\nName: thing\nVersion: 1.0\n")
        files.writestr(f"{about}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\n")
        names = ("thing.py", f"{about}/METADATA", f"{about}/WHEEL", f"{about}/RECORD")
        files.writestr(f"{about}/RECORD", "".join(f"{name},,\n" for name in names))
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    lock = f"thing @ {wheel.as_uri()} --hash=sha256:{digest}\n"
    (tmp_path / "requirements-dev.lock").write_text(lock)
    return tmp_path


def install(project: Path) -> "subprocess.CompletedProcess[str]":
    kept = {"PATH": "/usr/bin:/bin", "HOME": str(project), "PIP_NO_INDEX": "1"}
    return subprocess.run(
        ["make", "install", f"PYTHON={sys.executable}"],
        cwd=project,
        env=kept,
        capture_output=True,
        text=True,
        timeout=300,
    )


def answer(project: Path) -> str:
    python = project / ".venv" / "bin" / "python"
    program = "import thing; print(thing.ANSWER)"
    return subprocess.run([python, "-c", program], capture_output=True, text=True).stdout.strip()


def cut_short(project: Path) -> Path:
    """Leave what an interrupted pip leaves: a package's metadata without its second half."""
    (about,) = (project / ".venv").glob("lib/python*/site-packages/thing-1.0.dist-info")
    (about / "RECORD").unlink()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: thing\n")
    (project / ".venv" / ".installed").unlink()
    return project / ".venv" / ".installing"


@pytest.mark.skipif(shutil.which("uv", path="/usr/bin:/bin") is not None, reason="of pip")
def test_an_installation_that_was_cut_short_begins_anew(project: Path) -> None:
    done = install(project)
    assert done.returncode == 0, done.stderr
    assert answer(project) == "42"
    assert not (project / ".venv" / ".installing").exists()
    left = cut_short(project)
    failed = install(project)  # nothing tells it yet that it was cut short
    assert failed.returncode != 0
    assert "The next `make install` begins with a new .venv" in failed.stderr
    assert left.exists()
    again = install(project)
    assert again.returncode == 0, again.stderr
    assert "beginning with a new .venv" in again.stdout
    assert answer(project) == "42"
    assert not left.exists()
    left = cut_short(project)
    left.write_text(f"{os.getpid()}\n")
    waits = install(project)
    assert waits.returncode != 0
    assert f"Process {os.getpid()} is installing into .venv already" in waits.stderr
    assert answer(project) == "42"
