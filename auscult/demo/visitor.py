"""Looking at the console as a reviewer does, to be sure that what was raised is shown."""

import html
import re

import httpx

from auscult.demo.calls import DemoFailed

_TOKEN = re.compile(r'name="csrfmiddlewaretoken" value="([^"]+)"')
_ALARM = re.compile(r'<a [^>]*class="[^"]*\balarm-summary\b[^"]*"[^>]*>(.*?)</a>', re.DOTALL)
_TAG = re.compile(r"<[^>]*>")


def alarms_on_page(address: str, model: str, user: str, password: str) -> list[str]:
    """Log in, open the model's page and return the alarms that it shows."""
    with httpx.Client(base_url=address, follow_redirects=True, timeout=30) as browser:
        form = browser.get("/login/")
        token = _TOKEN.search(form.text)
        if token is None:
            raise DemoFailed(f"{address}/login/ shows no form ({form.status_code})")
        fields = {"username": user, "password": password, "csrfmiddlewaretoken": token[1]}
        browser.post("/login/", data=fields, headers={"Referer": f"{address}/login/"})
        page = browser.get(f"/models/{model}/")
    if page.status_code != 200:
        raise DemoFailed(f"{address}/models/{model}/ answered {page.status_code}")
    return [html.unescape(_TAG.sub("", text)).strip() for text in _ALARM.findall(page.text)]
