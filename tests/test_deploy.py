"""The units for systemd and the alerts for Prometheus name what there is."""

import re
import shlex
import shutil
import subprocess
import sys
from configparser import RawConfigParser
from pathlib import Path
from typing import Any

import pytest
import yaml

from monitoring.console.figures import SEVERITIES, exposed
from records.settings import Settings
from serving.counters import Counters
from serving.problems import OURS, TABLE

DEPLOY = Path(__file__).parents[1] / "deploy"
UNITS = sorted((DEPLOY / "systemd").iterdir())
SERVICES = [path for path in UNITS if path.suffix == ".service"]
AUSCULT = Path(sys.executable).with_name("auscult")
INSTALLED = "/opt/auscult/.venv/bin/auscult"


def read(path: Path) -> RawConfigParser:
    unit = RawConfigParser(strict=False)
    unit.optionxform = str  # type: ignore[assignment]  # systemd tells cases apart
    unit.read(path)
    return unit


def rules() -> list[dict[str, Any]]:
    groups = yaml.safe_load((DEPLOY / "prometheus" / "auscult.rules.yml").read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


@pytest.mark.parametrize("path", SERVICES, ids=lambda path: path.name)
def test_a_service_runs_a_command_that_there_is_as_nobody_special(path: Path) -> None:
    service = read(path)["Service"]
    program, *arguments = shlex.split(service["ExecStart"].replace("%i", "mortality_5y"))
    assert program == INSTALLED
    shown = subprocess.run(
        [AUSCULT, *arguments, "--help"], capture_output=True, text=True, check=False
    )
    assert shown.returncode == 0, shown.stderr
    assert service["User"] == "auscult"
    assert service["ProtectSystem"] == "strict"
    assert service["Environment"] == f"AUSCULT_HOME={service['ReadWritePaths']}"


def test_open_alarms_are_no_failure_of_the_job_that_found_them() -> None:
    job = read(DEPLOY / "systemd" / "auscult-monitor@.service")["Service"]
    assert job["SuccessExitStatus"] == "3"


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.name)
@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd isn't installed")
def test_systemd_takes_every_unit(path: Path, tmp_path: Path) -> None:
    for unit in UNITS:
        text = unit.read_text().replace(INSTALLED, str(AUSCULT))
        (tmp_path / unit.name).write_text(text.replace("User=auscult", "User=root"))
    done = subprocess.run(
        ["systemd-analyze", "verify", tmp_path / path.name],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, path.stem in done.stderr) == (0, False), done.stderr


def test_every_alert_asks_for_figures_that_are_exposed() -> None:
    known = (Counters().expose() + exposed(())).decode()
    families = set(re.findall(r"^# TYPE (\w+)", known, re.MULTILINE)) | {"up"}
    for rule in rules():
        asked = set(re.findall(r"\b(?:auscult_\w+|up)\b", rule["expr"]))
        assert asked, rule["alert"]
        assert {name.removesuffix("_bucket") for name in asked} <= families, rule["alert"]


def test_every_problem_that_alerts_is_counted_before_it_first_happens() -> None:
    asked = {
        slug
        for rule in rules()
        for slug in re.findall(r'auscult_problems_total{problem="([^"]+)"', rule["expr"])
    }
    assert asked == set(OURS)


def test_every_alert_asks_for_problems_and_severities_that_there_are() -> None:
    known = {"problem": {kind.slug for kind in TABLE.values()}, "severity": set(SEVERITIES)}
    found = [
        (label, value)
        for rule in rules()
        for label, values in re.findall(r'(problem|severity)=~?"([^"]+)"', rule["expr"])
        for value in values.split("|")
    ]
    assert len(found) >= 4
    assert all(value in known[label] for label, value in found)


def test_what_is_scraped_are_the_ports_by_default() -> None:
    jobs = yaml.safe_load((DEPLOY / "prometheus" / "scrape.yml").read_text())["scrape_configs"]
    targets = {job["job_name"]: job["static_configs"][0]["targets"] for job in jobs}
    fields = Settings.model_fields
    assert targets == {
        "auscult-service": [f"127.0.0.1:{fields['port'].default}"],
        "auscult-console": [f"127.0.0.1:{fields['console_port'].default}"],
    }
