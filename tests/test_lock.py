"""The lock: pinned, hashed, without addresses, and the same for users and developers."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LOCKS = ("requirements.lock", "requirements-dev.lock")
_PIN = re.compile(r"^([A-Za-z0-9_.\[\]-]+)==(\S+) ?(?:; (.*?))? ?\\$", re.MULTILINE)


def pins(name: str) -> set[tuple[str, str, str]]:
    return {
        (match[1].lower(), match[2], match[3] or "")
        for match in _PIN.finditer((ROOT / name).read_text())
    }


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_names_no_address(name):
    assert "://" not in (ROOT / name).read_text()


@pytest.mark.parametrize("name", LOCKS)
def test_every_pin_has_a_hash(name):
    for entry in re.split(r"\n(?=[a-z0-9])", (ROOT / name).read_text()):
        assert "--hash=sha256:" in entry, entry.splitlines()[0]


def test_only_the_small_build_of_xgboost_is_locked():
    names = {name for name, _, _ in pins("requirements-dev.lock")}
    assert "xgboost-cpu" in names
    assert "xgboost" not in names


def test_developers_run_on_the_same_versions_as_users():
    developers = {(name, version) for name, version, _ in pins("requirements-dev.lock")}
    users = {(name, version) for name, version, _ in pins("requirements.lock")}
    assert len(users) > 100
    assert users <= developers
