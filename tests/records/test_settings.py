"""Settings from the environment, and what stops the start by name."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from models.errors import SettingsError
from records.settings import read_settings

# root may do anything, unless it gives these up
_NO_OVERRIDE = ["setpriv", "--bounding-set=-dac_override,-dac_read_search,-fowner,-chown", "--"]


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("AUSCULT_WORKER", "2", r"AUSCULT_WORKER is no setting \(did you mean AUSCULT_WORKERS\?\)"),
        ("AUSCULT_OUTBOUND_HOST", "a", r"did you mean AUSCULT_OUTBOUND_HOSTS\?"),
        ("AUSCULT_XYZZY", "1", r"AUSCULT_XYZZY is no setting; correct or unset it"),
        ("AUSCULT_WORKERS", "two", "AUSCULT_WORKERS: must be a whole number, not 'two'"),
        ("AUSCULT_WORKERS", "0", "AUSCULT_WORKERS: must be at least 1, not '0'"),
        ("AUSCULT_PORT", "99999", "AUSCULT_PORT: must be less than 65536, not '99999'"),
        ("AUSCULT_LOG_LEVEL", "loud", "AUSCULT_LOG_LEVEL: must be one of 'debug', .*not 'loud'"),
        ("AUSCULT_REQUEST_TIMEOUT_S", "-1", "must be more than 0, not '-1'"),
        ("AUSCULT_DATABASE_URL", "mysql://a:secret@b/c", "must begin with sqlite:///"),
        ("AUSCULT_CORS_ORIGINS", "https://a/b", "'https://a/b' is no origin"),
        ("AUSCULT_MAIL_TO", "a@x.org,b@x.org", "'a@x.org,b@x.org' is no address"),
        ("AUSCULT_MAIL_TO", "a@x.org; b@x.org", "'a@x.org;' is no address"),
        ("AUSCULT_MAIL_TO", "a@x.org nobody", "'nobody' is no address"),
    ],
)
def test_a_setting_that_is_wrong_or_none_stops_the_start_by_name(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, words: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError, match=words) as caught:
        read_settings()
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("name", ["AUSCULT_TEST_FUZZ", "AUSCULT_REQUIRE_BROWSER", "AUSCULT_MODELS"])
def test_what_the_code_reads_itself_is_let_pass(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "")
    read_settings()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a directory to somebody else")
@pytest.mark.parametrize("command", ["init", "migrate", "serve"])
@pytest.mark.parametrize("mode", [0o700, 0o755])
def test_a_home_of_somebody_else_is_named_by_its_setting(
    tmp_path: Path, command: str, mode: int
) -> None:
    home = tmp_path / "home"
    home.mkdir(mode=mode)
    os.chown(home, 65534, 65534)
    done = subprocess.run(
        [*_NO_OVERRIDE, sys.executable, "-m", "auscult", command],
        env={"PATH": os.environ["PATH"], "AUSCULT_HOME": os.fspath(home)},
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 1
    if command == "serve" and mode == 0o755:
        assert "nothing is set up" in done.stderr
    else:
        assert done.stderr.startswith(f"auscult: AUSCULT_HOME: {home} ")
    assert done.stderr.count("\n") == 1
