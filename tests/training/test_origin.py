import gzip
import hashlib
import io
import threading
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from models.errors import CohortError
from records.settings import Settings
from training.cohorts.origin import Origin, fetch_file

CONTENT = b"age,outcome\n70,1\n"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path / "home", data_dir=tmp_path / "data")


@pytest.fixture
def origin() -> Iterator[Origin]:
    """A server that gives an archive with one file, and where it is."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("table.csv", CONTENT)

    class Archive(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path == "/table.zip" else 404)
            self.end_headers()
            self.wfile.write(buffer.getvalue())

        def log_message(self, *_: object) -> None:
            """Keep the tests' output free of requests."""

    server = HTTPServer(("127.0.0.1", 0), Archive)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    url = f"http://127.0.0.1:{server.server_port}/table.zip"
    yield Origin("table", url, "table.csv", hashlib.sha256(CONTENT).hexdigest())
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_file_is_fetched_once_and_kept_compressed(origin: Origin, settings: Settings) -> None:
    path = fetch_file(origin, settings, lambda *_: None)
    again = fetch_file(replace(origin, url="http://127.0.0.1:1/"), settings, lambda *_: None)

    assert path == again == settings.cache / "table.csv.gz"
    assert gzip.decompress(path.read_bytes()) == CONTENT


def test_the_data_directory_comes_before_the_origin(origin: Origin, settings: Settings) -> None:
    assert settings.data_dir is not None
    place = settings.data_dir / "table" / "table.csv.gz"
    place.parent.mkdir(parents=True)
    place.write_bytes(gzip.compress(CONTENT))

    assert fetch_file(origin, settings, lambda *_: None) == place


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"sha256": "0" * 64}, "has SHA-256"),
        ({"member": "other.csv"}, "isn't an archive with other.csv in it"),
        ({"url": "http://127.0.0.1:1/table.zip"}, "put table.csv.gz into AUSCULT_DATA_DIR"),
    ],
)
def test_what_is_not_the_file_is_refused_and_not_kept(
    change: dict[str, str], words: str, origin: Origin, settings: Settings
) -> None:
    with pytest.raises(CohortError, match=words.replace(".", r"\.")):
        fetch_file(replace(origin, **change), settings, lambda *_: None)

    assert not settings.cache.exists()


def test_a_page_that_is_gone_is_named(origin: Origin, settings: Settings) -> None:
    gone = replace(origin, url=origin.url.replace("table.zip", "gone.zip"))

    with pytest.raises(CohortError, match="404"):
        fetch_file(gone, settings, lambda *_: None)


def test_a_kept_file_that_is_broken_says_so(origin: Origin, settings: Settings) -> None:
    settings.cache.mkdir(parents=True)
    (settings.cache / "table.csv.gz").write_bytes(b"not compressed")

    with pytest.raises(CohortError, match=r"can't be read.*fetch it again"):
        fetch_file(origin, settings, lambda *_: None)
