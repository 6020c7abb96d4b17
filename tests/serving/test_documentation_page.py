"""The page of the operations in a real browser, which asks for the key as a password."""

import shutil
from base64 import b64encode
from collections.abc import Iterator
from typing import Any

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = ("--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking")
PAGES = ("/docs", "/openapi.json")


@pytest.fixture
def browser() -> Iterator[Any]:
    if CHROMIUM is None:
        pytest.skip("Debian's chromium isn't installed")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        yield playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))


def basic(password: str) -> dict[str, str]:
    return {"Authorization": f"Basic {b64encode(f'anybody:{password}'.encode()).decode()}"}


def key_of(client: Any) -> str:
    return str(client.headers["authorization"].removeprefix("Bearer "))


def test_a_browser_opens_the_page_with_the_key_as_password(service, ehr, browser):
    key = key_of(ehr)
    context = browser.new_context(
        http_credentials={"username": "anybody", "password": key},
        viewport={"width": 360, "height": 800},
    )
    opened, complaints, asked = context.new_page(), [], []
    opened.on("console", lambda line: complaints.append(line.text))
    opened.on("request", lambda request: asked.append(request.url))
    answer = opened.goto(f"{service.address}/docs")
    assert answer.status == 200
    assert opened.get_by_role("heading", name="Auscult: operations").is_visible()
    assert opened.evaluate("document.documentElement.scrollWidth") == 360
    # the style is the page's own, and the policy lets it through
    assert opened.evaluate("getComputedStyle(document.body).maxWidth") == "960px"
    opened.get_by_role("link", name="POST /v1/outcomes").click()
    assert opened.url.endswith("/docs#json_api.report_outcome")
    opened.get_by_role("link", name="/openapi.json", exact=True).click()
    assert '"openapi":"3.1' in opened.content()
    assert not complaints
    assert all(url.startswith((service.address, "data:,")) for url in asked)


@pytest.mark.parametrize("path", PAGES)
def test_a_wrong_password_opens_nothing_and_is_asked_for_again(service, path):
    stranger = service.caller({})
    for headers in ({}, basic("auk_x"), basic(""), {"Authorization": "Basic %%%"}):
        response = stranger.get(path, headers=headers)
        assert response.status_code == 401
        assert 'Basic realm="' in response.headers["www-authenticate"]
    other = service.client("outcome")
    assert stranger.get(path, headers=basic(key_of(other))).status_code == 403


def test_a_password_opens_these_pages_and_no_other_operation(service, ehr):
    stranger = service.caller(basic(key_of(ehr)))
    assert [stranger.get(path).status_code for path in PAGES] == [200, 200]
    for path in ("/v1/models", "/metrics", "/fhir/metadata", "/cds-services"):
        assert stranger.get(path).status_code == 401
    assert stranger.post("/v1/feedback", json={}).status_code == 401
