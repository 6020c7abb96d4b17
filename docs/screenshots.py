"""Takes the pictures of the README and the documentation from a demonstration's console.

    AUSCULT_HOME=DIR make screenshots

The home is one in which the demonstration has run; where nothing is set up, it is run first.
"""

import io
import shutil
import subprocess
import sys
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

from auscult.database import now, open_records
from auscult.people import renewed_reviewer
from auscult.processes import console_command, free_port
from models.errors import SettingsError
from records.settings import read_settings

IMAGES = Path(__file__).parent / "images"
MODEL = "mortality_5y"
USER = "screenshots"
WIDTH, COLOURS = 1280, 128
FLAGS = ["--disable-gpu", "--no-sandbox", "--disable-background-networking"]


def main() -> None:
    """Run the demonstration where there is none, start its console and take every picture."""
    if not read_settings().pseudonym_key.exists():
        auscult = Path(sys.executable).with_name("auscult")
        subprocess.run([auscult, "demo", "--exit"], check=True)  # noqa: S603 - our own command
    settings = open_records()
    password = renewed_reviewer(USER, by=USER, now=now())
    server = console_command(settings, port=free_port(settings.console_port))
    console = server.start(settings.root / "logs" / "screenshots.log")
    try:
        console.wait_until_ready()
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=_chromium(), args=FLAGS)
            page = _logged_in(browser, server.address, password)
            _take(page, "models", height=400)
            page.get_by_role("main").get_by_role("link", name="Risk of death").first.click()
            _take(page, "console", height=1110)
            _keep("drift", page.locator("section[aria-labelledby=drift]").screenshot())
            page.locator(".alarm-summary", has_text="is missing").first.click()
            _take(page, "alarm", height=1200)
            browser.close()
    finally:
        console.stop()


def _chromium() -> str:
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    if found is None:
        raise SettingsError("there is no chromium on the PATH; install Debian's package chromium")
    return found


def _logged_in(browser: Browser, address: str, password: str) -> Page:
    page = browser.new_page(viewport={"width": WIDTH, "height": 800}, color_scheme="light")
    page.goto(f"{address}/login/")
    page.get_by_label("Username").fill(USER)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Log in").click()
    return page


def _take(page: Page, name: str, *, height: int) -> None:
    """Keep the top of a page."""
    page.wait_for_load_state()
    page.set_viewport_size({"width": WIDTH, "height": height})
    _keep(name, page.screenshot())


def _keep(name: str, png: bytes) -> None:
    """Keep a picture with few colours, which text and lines don't miss."""
    picture = Image.open(io.BytesIO(png))
    few = picture.convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE)
    path = IMAGES / f"{name}.png"
    path.parent.mkdir(exist_ok=True)
    few.save(path, optimize=True)
    print(f"{path}: {path.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
