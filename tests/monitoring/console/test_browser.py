"""The console in a real browser, served by its own server process."""

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

import pytest

from auscult.demo.visitor import alarms_on_page
from records.models import Alarm, AuditEvent, Review
from tests.monitoring.clinic import Clinic
from tests.monitoring.console.people import PASSWORD

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="Debian's chromium isn't installed")


@pytest.fixture
def address(watched: Clinic, tmp_path: Path) -> Iterator[str]:
    """Where the console's server, a process of its own, answers for the watched clinic."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {
        **os.environ,
        "AUSCULT_HOME": str(watched.settings.root),
        "AUSCULT_MODELS": str(tmp_path / "models"),
        "AUSCULT_CONSOLE_PORT": str(port),
    }
    process = subprocess.Popen(
        [sys.executable, "-W", "error", "-m", "monitoring.console.server"],
        env=environment,
        stdout=subprocess.DEVNULL,
    )
    try:
        wait_for(f"http://127.0.0.1:{port}/livez", process)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(10)


def wait_for(url: str, process: "subprocess.Popen[bytes]") -> None:
    for _ in range(600):
        assert process.poll() is None, "the console's server ended"
        try:
            urlopen(url).close()  # noqa: S310 - our own address
        except URLError:
            time.sleep(0.1)
        else:
            return
    raise AssertionError(f"{url} didn't answer")


@dataclass
class Seen:
    """What a page complained of, and whom it asked for anything."""

    complaints: list[str]
    asked: list[str]


def open_page(browser: Any, width: int, seen: Seen) -> Any:
    page = browser.new_context(viewport={"width": width, "height": 800}).new_page()
    page.on("console", lambda line: seen.complaints.append(line.text))
    page.on("request", lambda request: seen.asked.append(request.url))
    return page


def test_a_reviewer_logs_in_looks_at_the_model_and_signs(watched: Clinic, address: str) -> None:
    from playwright.sync_api import sync_playwright

    seen = Seen([], [])
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        page = open_page(browser, 360, seen)
        page.goto(address)
        page.get_by_label("Username").fill("rita")
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Log in").click()
        page.get_by_role("link", name=watched.definition.title).click()
        assert page.get_by_role("heading", name="Outside its validated use").is_visible()
        assert page.evaluate("document.documentElement.scrollWidth") == 360
        page.get_by_role("link", name="Creatinine in serum is missing").click()
        page.get_by_label("Close, a fault that is repaired").check()
        page.get_by_label("Why").fill("The laboratory feed was repaired this morning")
        page.get_by_label("Your password").fill(PASSWORD)
        page.get_by_role("button", name="Sign").click()
        assert page.get_by_text("Signed and recorded").is_visible()
        page.goto(f"{address}/models/{watched.model}/1/reports/2024/")
        assert page.frame_locator("iframe").locator("title").text_content() == "A report"
        page.get_by_role("button", name="Log out").click()
        assert page.url.startswith(f"{address}/login/")
        browser.close()
    assert seen.complaints == []
    assert all(url.startswith(address) for url in seen.asked)
    assert Review.objects.get(alarm__stream="missing:creatinine").by == "rita"
    assert Alarm.objects.get(stream="missing:creatinine").state == "closed"
    assert AuditEvent.objects.filter(action="console.logout", by="rita").exists()


def test_the_demonstrations_visitor_reads_every_open_alarm_whole(
    watched: Clinic, address: str
) -> None:
    shown = alarms_on_page(address, watched.model, "vera", PASSWORD)
    assert sorted(shown) == sorted(Alarm.objects.values_list("summary", flat=True))
    assert any(" % (" in text for text in shown)
