"""Environments of their own for peers that are no dependencies, made when first needed."""

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

CACHE = Path(__file__).with_name(".environments")
SECONDS_TO_INSTALL = 600


class NotInstalled(Exception):
    """A peer can't be installed here; says why."""


def python_of(name: str, packages: Sequence[str]) -> Path:
    """Return the interpreter of an environment with these packages; raise NotInstalled."""
    directory = CACHE / name
    python = directory / "bin" / "python"
    listed = directory / "packages"
    if listed.is_file() and listed.read_text().split() == list(packages):
        return python
    shutil.rmtree(directory, ignore_errors=True)
    install = [os.fspath(python), "-m", "pip", "install", "--quiet", *packages]
    try:
        _run([sys.executable, "-m", "venv", os.fspath(directory)])
        _run(install)
    except (OSError, subprocess.SubprocessError) as error:
        shutil.rmtree(directory, ignore_errors=True)
        raise NotInstalled(f"{', '.join(packages)} can't be installed here") from error
    listed.write_text("\n".join(packages))
    return python


def _run(command: list[str]) -> None:
    subprocess.run(command, check=True, capture_output=True, timeout=SECONDS_TO_INSTALL)
