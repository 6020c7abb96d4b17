import os
import subprocess
import sys
from pathlib import Path

import pytest

from models.errors import SettingsError
from monitoring.console.accounts import create_console_user
from monitoring.console.settings import console_url, is_loopback, read_secret
from records.settings import Settings
from tests.monitoring.console.people import PASSWORD


def check_deployment(home: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run Django's own deployment check in a process of its own."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AUSCULT_")}
    return subprocess.run(
        [sys.executable, "-m", "django", "check", "--deploy", "--fail-level", "WARNING"],
        env={**kept, "AUSCULT_HOME": str(home), **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_djangos_deployment_check_passes_behind_https(sqlite_db: Settings) -> None:
    checked = check_deployment(
        sqlite_db.root, AUSCULT_CONSOLE_URL="https://console.example.org", AUSCULT_HOST="10.0.0.5"
    )
    assert checked.returncode == 0, checked.stderr


def test_a_start_that_would_send_passwords_in_the_clear_is_refused(sqlite_db: Settings) -> None:
    checked = check_deployment(sqlite_db.root, AUSCULT_HOST="10.0.0.5")
    assert checked.returncode != 0
    assert "would send passwords in the clear" in checked.stderr


@pytest.mark.parametrize("url", ["console.example.org", "ftp://127.0.0.1", "https://"])
def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(SettingsError, match="AUSCULT_CONSOLE_URL"):
        console_url(Settings(console_url=url))


def test_loopback_may_go_without_https() -> None:
    assert console_url(Settings(console_port=8500)) == "http://127.0.0.1:8500"
    assert [is_loopback(host) for host in ("localhost", "::1", "10.0.0.1", "example.org")] == [
        True,
        True,
        False,
        False,
    ]


def test_a_short_secret_is_refused_and_a_missing_one_is_none(tmp_path: Path) -> None:
    path = tmp_path / "console.key"
    assert read_secret(path) == ""
    path.write_text("too short")
    with pytest.raises(SettingsError, match="9 characters, 32 are the least"):
        read_secret(path)


@pytest.mark.parametrize(
    ("name", "password", "role"),
    [
        ("rita", "short", "reviewer"),
        ("rita", "password1234", "reviewer"),
        ("", PASSWORD, "reviewer"),
        ("rita", PASSWORD, "emperor"),
    ],
)
def test_a_user_that_would_be_unsafe_is_not_made(
    sqlite_db: Settings, name: str, password: str, role: str
) -> None:
    with pytest.raises(SettingsError, match="console user"):
        create_console_user(name, password, role)  # type: ignore[arg-type]


def test_a_name_can_be_taken_once(sqlite_db: Settings) -> None:
    create_console_user("rita", PASSWORD, "viewer")
    with pytest.raises(SettingsError, match="already exists"):
        create_console_user("rita", PASSWORD, "viewer")
