"""A good CDS Hooks request for the made-up model, and a FHIR server to read back from."""

import copy
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx

from tests.factories import BUNDLE

SERVICE = "made-up-sepsis"
PATH = f"/cds-services/{SERVICE}"
LACTATE, CREATININE = "lactate_2524-7", "creatinine_2160-0"
PATIENT, O1, O2 = (entry["resource"] for entry in BUNDLE["entry"])


def searchset(*resources: Any, **more: Any) -> dict[str, Any]:
    """What a search found."""
    entries = [{"resource": one, "search": {"mode": "match"}} for one in resources]
    return {"resourceType": "Bundle", "type": "searchset", "entry": entries, **more}


def hook_request(**changed: Any) -> dict[str, Any]:
    """A patient-view request whose prefetch is complete; a member that is None is left out."""
    request = {
        "hook": "patient-view",
        "hookInstance": "d1577c69-dfbe-44ad-ba6d-3e05e953b2ea",
        "context": {"userId": "Practitioner/example", "patientId": "p1"},
        "prefetch": {
            "patient": PATIENT,
            LACTATE: searchset(O1, total=1),
            CREATININE: searchset(O2, total=1),
        },
        **changed,
    }
    return copy.deepcopy({key: value for key, value in request.items() if value is not None})


def prefetched(**values: Any) -> dict[str, Any]:
    """A request whose prefetch has these values; `...` leaves a key out."""
    request = hook_request()
    names = {"patient": "patient", "lactate": LACTATE, "creatinine": CREATININE}
    for name, value in values.items():
        if value is ...:
            del request["prefetch"][names[name]]
        else:
            request["prefetch"][names[name]] = value
    return request


def card_of(response: httpx.Response) -> dict[str, Any]:
    """The one card of an answer."""
    assert response.status_code == 200, response.text
    (card,) = response.json()["cards"]
    return dict(card)


@dataclass
class FhirServer:
    """Answers reads and searches by code; `pages` holds what a search finds, page by page."""

    resources: dict[str, Any] = field(default_factory=lambda: {"Patient/p1": PATIENT})
    pages: dict[str, list[Any]] = field(
        default_factory=lambda: {
            "2524-7": [searchset(O1, total=1)],
            "2160-0": [searchset(O2, total=1)],
        }
    )
    delay_s: float = 0.0
    knows_lists: bool = True
    sent: Callable[[bytes], bytes] = bytes
    asked: list[tuple[str, str]] = field(default_factory=list)
    address: str = ""

    def find(self, url: str) -> Any:
        """What is at an address, or None."""
        parts = urlsplit(url)
        path = parts.path.removeprefix("/fhir/")
        query = parse_qs(parts.query)
        if path != "Observation":
            return self.resources.get(path)
        codes = [one.removeprefix("http://loinc.org|") for one in query["code"][0].split(",")]
        if len(codes) > 1 and not self.knows_lists:
            return searchset(total=0)
        number = int(query.get("page", ["0"])[0])
        pages = [self.pages[code][number] for code in codes if number < len(self.pages[code])]
        if any(page["resourceType"] != "Bundle" for page in pages):
            return next(page for page in pages if page["resourceType"] != "Bundle")
        page = copy.deepcopy(pages[0])
        if len(codes) > 1:
            entries = [entry for one in pages for entry in one["entry"]]
            newest = sorted(entries, key=lambda e: e["resource"]["effectiveDateTime"], reverse=True)
            page = {"resourceType": "Bundle", "type": "searchset", "entry": newest}
        if any(number + 1 < len(self.pages[code]) for code in codes):
            listed = ",".join(codes)
            following = f"{self.address}/Observation?code={listed}&page={number + 1}"
            page.setdefault("link", [{"relation": "next", "url": following}])
        return page


@contextmanager
def running(fhir: FhirServer) -> Iterator[FhirServer]:
    """Run a FHIR server on loopback."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            fhir.asked.append((self.path, self.headers.get("authorization", "")))
            time.sleep(fhir.delay_s)
            found = fhir.find(self.path)
            body = fhir.sent(json.dumps(found).encode())
            self.send_response(200 if found else 404)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Keep the tests' output free of requests."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    fhir.address = f"http://127.0.0.1:{server.server_port}/fhir"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield fhir
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
