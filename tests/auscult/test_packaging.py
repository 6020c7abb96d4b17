"""A Bento of the made-up model: what it holds, and that it runs without the project."""

import json
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import sysconfig
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from auscult.packaging import PackagedBento, build, copy_code, package
from models.artefact import verify_artefact
from models.errors import ArtefactError
from records.home import init_home
from records.settings import Settings
from serving.loading import ServedVersion
from tests.factories import NAME, VALUES, make_artefact

SECONDS_TO_START = 90
EVERYWHERE = "0.0.0.0"  # noqa: S104 - what must be refused


@dataclass
class Installation:
    """A home with keys and a migrated database, and a Bento in its store."""

    settings: Settings
    bento: PackagedBento
    elsewhere: Path

    def environment(self) -> dict[str, str]:
        """An environment that has every dependency and not the project.

        The libraries' directory is on the path, but the `.pth` file in it that names the
        project is not followed there.
        """
        return {
            "PATH": os.environ["PATH"],
            "HOME": os.fspath(self.elsewhere),
            "PYTHONPATH": sysconfig.get_path("purelib"),
            "AUSCULT_HOME": os.fspath(self.settings.root),
            "BENTOML_HOME": os.fspath(self.settings.bentoml_home),
            "BENTOML_DO_NOT_TRACK": "True",
        }

    def python(self, *arguments: str, **more: str) -> "subprocess.Popen[str]":
        """Run Python in an empty directory, without the project."""
        # not the virtual environment's Python, which would follow the `.pth` file
        return subprocess.Popen(
            [getattr(sys, "_base_executable", sys.executable), *arguments],
            cwd=self.elsewhere,
            env=self.environment() | more,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )


@pytest.fixture(scope="module")
def installation(tmp_path_factory, migrated_sqlite) -> Installation:
    root = tmp_path_factory.mktemp("packaging")
    settings = Settings(home=root / "home")
    init_home(settings)
    shutil.copy(migrated_sqlite, settings.root / "records.db")
    tree = root / "tree"
    tree.mkdir()
    copy_code(tree)
    model = make_artefact(tree / "artefacts" / NAME)
    served = [ServedVersion(NAME, "1", model.artefact_digest)]
    bento = build(tree, served, settings=settings)
    (root / "elsewhere").mkdir()
    return Installation(settings, bento, root / "elsewhere")


@pytest.fixture(scope="module")
def served(installation) -> Iterator[httpx.Client]:
    from records.clients import SCOPES, create_client
    from records.setup import use_database

    use_database(installation.settings.database)
    key, _ = create_client("ehr", SCOPES, now=datetime.now(UTC))
    use_database(Settings().database)
    port = str(_free_port())
    more = {"AUSCULT_PORT": port, "AUSCULT_WORKERS": "2"}
    process = installation.python("-m", "bentoml", "serve", installation.bento.tag, **more)
    address = f"http://127.0.0.1:{port}"
    try:
        _wait_until_ready(address, process)
        with httpx.Client(base_url=address, headers={"Authorization": f"Bearer {key}"}) as client:
            yield client
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.communicate(timeout=30)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def _wait_until_ready(address: str, process: "subprocess.Popen[str]") -> None:
    deadline = time.monotonic() + SECONDS_TO_START
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if httpx.get(f"{address}/readyz", timeout=2).status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    os.killpg(process.pid, signal.SIGKILL)
    raise AssertionError(process.communicate()[0])


def test_a_bento_holds_what_serves_and_nothing_else(installation):
    source = installation.bento.path / "src"
    code = {"models", "records", "serving"}
    assert {path.name for path in source.iterdir() if path.is_dir()} == {*code, "artefacts"}
    names = [path.name for path in installation.bento.path.rglob("*") if path.is_file()]
    assert not [name for name in names if name.endswith((".pkl", ".pickle", ".joblib", ".key"))]
    assert "requirements.lock" in names
    listed = json.loads((source / "artefacts" / "served.json").read_text())["models"]
    verify_artefact(source / "artefacts" / NAME, listed[0]["artefact_digest"])


def test_its_kernels_are_compiled_already(installation):
    assert list((installation.bento.path / "src").rglob("*.nbc"))


def test_bentoml_lists_it(installation):
    process = installation.python("-m", "bentoml", "list", "-o", "json")
    assert installation.bento.tag in process.communicate(timeout=60)[0]


def test_without_the_project_it_cannot_be_imported(installation):
    process = installation.python("-c", "import auscult")
    assert "No module named 'auscult'" in process.communicate(timeout=60)[0]


def test_it_answers_from_an_empty_directory_with_the_project_uninstalled(served, installation):
    response = served.post(f"/v1/models/{NAME}/predict", json={"values": _undated()})
    assert response.status_code == 200, response.text
    assert response.json()["model"]["notice"] == "not for clinical use"
    with sqlite3.connect(installation.settings.root / "records.db") as database:
        ids = [row[0] for row in database.execute("SELECT id FROM records_prediction")]
    assert response.json()["prediction_id"].replace("-", "") in ids


def test_of_bentoml_only_the_health_is_left(served):
    for path in ("/schema.json", "/docs.json", "/assets/index.html", "/static_content/x"):
        response = served.get(path)
        assert response.status_code == 404
        assert response.headers["content-type"] == "application/problem+json"
    assert served.get("/").json()["service"] == "Auscult"
    assert served.get("/livez").status_code == 200
    assert "x-bentoml" not in str(served.get("/v1/models").headers).lower()


def test_the_figures_of_all_workers_are_added_up(served):
    with httpx.Client(base_url=served.base_url, headers=served.headers) as client:
        before = _answered(client.get("/metrics").text)
    for _ in range(12):
        # each on a connection of its own, so that both workers get some
        with httpx.Client(base_url=served.base_url, headers=served.headers) as client:
            client.post(f"/v1/models/{NAME}/predict", json={"values": _undated()})
    assert _answered(served.get("/metrics").text) == before + 12


def test_a_demonstration_is_not_served_to_the_network(installation):
    port = str(_free_port())
    process = installation.python(
        "-m", "bentoml", "serve", installation.bento.tag, "--host", EVERYWHERE, "--port", port
    )
    output = process.communicate(timeout=SECONDS_TO_START)[0]
    assert process.returncode != 0
    assert "not for clinical use" in output
    assert EVERYWHERE in output
    assert "Traceback" not in output


def test_artefacts_of_another_digest_give_no_bento(tmp_path):
    make_artefact(tmp_path / "artefacts" / NAME)
    settings = Settings(home=tmp_path / "home")
    with pytest.raises(ArtefactError, match="digest"):
        build(tmp_path, [ServedVersion(NAME, "1", "0" * 64)], settings=settings)
    assert not settings.bentoml_home.exists()


@pytest.mark.parametrize("names", [[], [NAME, NAME]])
def test_each_model_is_packaged_once(names, tmp_path):
    with pytest.raises(ArtefactError, match="once"):
        package(names, settings=Settings(home=tmp_path))


def _undated() -> dict[str, object]:
    lactate = {"value": 3.1, "unit": "mmol/L"}
    return {**VALUES, "lactate": lactate}


def _answered(metrics: str) -> float:
    start = f'auscult_predictions_total{{band="high",model="{NAME}"'
    lines = [line for line in metrics.splitlines() if line.startswith(start)]
    return sum(float(line.rpartition(" ")[2]) for line in lines)
