"""A user's own model, from a definition and a table to an alarm's page, by the commands alone."""

import csv
import json
import os
import re
import socket
import sqlite3
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import numpy as np
import pandas as pd
import pytest

AUSCULT = Path(sys.executable).with_name("auscult")
WATCH = Path(__file__).parent / "network_watch"
DEFINITION = """
schema_version = 1
name = "readmission_week"
title = "Risk of readmission within a week"
owner = "A hospital's own team"
review_by = 2030-01-31
status = "demonstration"

[intended_use]
population = "Adults discharged home"
setting = "One hospital"
user = "Discharge nurses"
decision = "Whether to call after two days"
not_for = ["Clinical use: made up in a test"]

[outcome]
title = "Readmission"
definition = "Any unplanned admission within 7 days"
horizon_days = 7
time_zero = "the discharge"
reporting_delay_days = 1

[estimand]
treatment_policy = "Risk under usual care"
censoring = "Nobody is censored"

[[features]]
name = "age"
title = "Age"
kind = "numeric"
source = "birth_date"
unit = "a"
plausible = [0, 120]
required = true

[[features]]
name = "sodium"
title = "Sodium in serum"
kind = "numeric"
unit = "mmol/L"
analyte = "sodium"
loinc = ["2951-2"]
plausible = [90, 200]
look_back_days = 3
if_unusable = "score_without"

[[features]]
name = "ward"
title = "Ward"
kind = "categorical"
categories = { medicine = "Medicine", surgery = "Surgery", geriatrics = "Geriatrics" }
look_back_days = 30

[[bands]]
name = "low"
title = "Lower risk"
starts_at = 0.0
qualitative = "low"
indicator = "info"
action = "No call"

[[bands]]
name = "high"
title = "High risk"
starts_at = 0.2
qualitative = "high"
indicator = "warning"
action = "Call after two days"

[[thresholds]]
risk = 0.2
because = "Four calls in vain are accepted for one readmission seen early"

[[subgroups]]
name = "ward"
title = "Ward"
feature = "ward"

[smallest_group]
people = 10
events = 20
non_events = 20

[monitoring]
years_between_false_alarms = 5
smallest_drift_sd = 0.1

[[gates]]
metric = "auroc"
at_least = 0.5

[[gates]]
metric = "auroc_minus_baseline"
at_least = -0.2
because = "Made up in a test by a regression"

[[gates]]
metric = "scaled_brier_minus_baseline"
at_least = -0.4
because = "Made up in a test by a regression"
"""


def make_cohort(path: Path, rows: int = 900) -> None:
    rng = np.random.default_rng(7)
    age = rng.integers(40, 95, rows).astype(float)
    sodium = rng.normal(138, 4, rows).round(1)
    sodium[rng.random(rows) < 0.05] = np.nan
    ward = rng.choice(["medicine", "surgery", "geriatrics"], rows)
    margin = (
        -1.6 + 0.06 * (age - 70) + 0.8 * (ward == "geriatrics") - 0.1 * np.nan_to_num(sodium - 138)
    )
    outcome = (rng.random(rows) < 1 / (1 + np.exp(-margin))).astype(int)
    frame = {"patient_id": [f"p{i}" for i in range(rows)], "age": age, "sodium": sodium}
    pd.DataFrame(frame | {"ward": ward, "outcome": outcome}).to_csv(path, index=False)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Installation:
    """An installation in a directory of its own, used by the commands alone."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.connections = directory / "connections.log"
        own = directory / "definitions" / "readmission_week"
        own.mkdir(parents=True)
        (own / "model.toml").write_text(DEFINITION)
        (own / "card.md").write_text("# Readmission within a week\n\nMade up in a test.\n")
        make_cohort(directory / "cohort.csv")
        kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        self.environment = kept | {
            "AUSCULT_HOME": str(directory / "home"),
            "AUSCULT_MODELS": str(directory / "definitions"),
            "AUSCULT_PORT": str(free_port()),
            "AUSCULT_CONSOLE_PORT": str(free_port()),
            "AUSCULT_TEST_CONNECTIONS": str(self.connections),
            "PYTHONPATH": str(WATCH),
            "COLUMNS": "200",
        }

    def run(self, *arguments: str, code: int = 0) -> str:
        done = subprocess.run(
            [AUSCULT, *arguments],
            env=self.environment,
            cwd=self.directory,
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert done.returncode == code, f"{arguments}: {done.stdout}\n{done.stderr}"
        return done.stdout + done.stderr

    def start(self, *arguments: str) -> "subprocess.Popen[bytes]":
        with (self.directory / f"{arguments[0]}.log").open("wb") as log:
            return subprocess.Popen(
                [AUSCULT, *arguments],
                env=self.environment,
                cwd=self.directory,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )


def wait_for(address: str, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        assert process.poll() is None, f"ended with {process.returncode}"
        try:
            if httpx.get(address, timeout=1).status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    pytest.fail(f"{address} never became ready")


@pytest.fixture(scope="module")
def story(tmp_path_factory):
    """Everything that the commands do before a request can be answered, once for this module."""
    installation = Installation(tmp_path_factory.mktemp("story"))
    shown = installation.run("init")
    installation.key = re.search(r"auk_\S+", shown)[0]
    installation.password = re.search(r"console user reviewer\s+(\S+)", shown)[1]
    installation.trained = installation.run(
        "train", "readmission_week", "--cohort", "cohort.csv", "--quick", "--by", "dana"
    )
    return installation


@pytest.fixture(scope="module")
def served(story):
    """The story with its champion packaged and served."""
    story.run("promote", "readmission_week", "1", "--by", "sam", "--because", "its gate passes")
    story.run("package", "readmission_week")
    process = story.start("serve")
    address = f"http://127.0.0.1:{story.environment['AUSCULT_PORT']}"
    wait_for(f"{address}/readyz", process)
    headers = {"Authorization": f"Bearer {story.key}"}
    with httpx.Client(base_url=address, headers=headers, timeout=10) as client:
        yield client
    process.terminate()  # the command alone: what it started must end with it
    process.wait(20)
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{address}/livez")


def test_training_shows_its_figures_with_intervals(story):
    assert "readmission_week version 1" in story.trained
    assert re.search(r"AUROC\s+0\.\d+\s+0\.\d+ to 0\.\d+", story.trained)


def test_whoever_trained_a_version_cannot_promote_it(story):
    shown = story.run(
        "promote", "readmission_week", "1", "--by", "dana", "--because", "mine", code=1
    )
    assert "dana" in shown


def test_an_explained_answer_is_recorded_before_it_is_given(story, served):
    values = {"age": 81, "sodium": {"value": 131, "unit": "mmol/L"}, "ward": "geriatrics"}
    response = served.post("/v1/models/readmission_week/predict", json={"values": values})
    answer = response.json()
    assert response.status_code == 200, answer
    total = answer["base"] + sum(item["contribution"] for item in answer["contributions"])
    assert total == pytest.approx(np.log(answer["risk"] / (1 - answer["risk"])), abs=1e-6)
    assert "not for clinical use" in json.dumps(answer).lower()
    with sqlite3.connect(Path(story.environment["AUSCULT_HOME"]) / "records.db") as database:
        rows = database.execute("SELECT replace(id, '-', ''), risk FROM records_prediction")
        recorded = dict(rows.fetchall())
    assert recorded[answer["prediction_id"].replace("-", "")] == answer["risk"]


def test_a_whole_file_is_scored_and_recorded(story, served):
    key = re.search(r"auk_\S+", story.run("client", "create", "nightly", "--scope", "bulk"))[0]
    (story.directory / "nightly.key").write_text(key)
    shown = story.run(
        "score", "readmission_week", "--in", "cohort.csv", "--out", "scores.parquet",
        "--record", "--key-file", "nightly.key",
    )  # fmt: skip
    assert "900 of 900 rows scored" in shown
    scores = pd.read_parquet(story.directory / "scores.parquet")
    with sqlite3.connect(Path(story.environment["AUSCULT_HOME"]) / "records.db") as database:
        rows = database.execute(
            "SELECT replace(id, '-', ''), risk FROM records_prediction WHERE protocol = 'batch'"
        )
        recorded = dict(rows.fetchall())
    assert recorded == dict(
        zip(scores["prediction_id"].str.replace("-", ""), scores["risk"], strict=True)
    )


def test_without_a_key_nothing_is_open(served):
    with httpx.Client(base_url=served.base_url) as stranger:
        for path in ("/v1/models", "/metrics", "/fhir/metadata", "/openapi.json"):
            assert stranger.get(path).status_code in (401, 404), path


def test_monitoring_a_quiet_model_says_that_no_alarm_is_open(story, served):
    served.post("/v1/models/readmission_week/predict", json={"values": {"age": 60}})
    shown = story.run("monitor", "readmission_week")
    assert "No alarm is open" in shown


def test_a_prediction_on_a_corrected_result_is_withdrawn_by_the_next_run(story, served):
    at = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=1)
    sodium = {
        "resourceType": "Observation",
        "id": "s17",
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": "2951-2"}]},
        "subject": {"reference": "Patient/p1"},
        "effectiveDateTime": at.isoformat(),
        "valueQuantity": {
            "value": 131, "system": "http://unitsofmeasure.org", "code": "mmol/L",
        },
    }  # fmt: skip
    patient = {"resourceType": "Patient", "id": "p1", "birthDate": "1940-05-01"}
    bundle = {
        "resourceType": "Bundle",
        "type": "collection",
        "entry": [{"resource": one} for one in (patient, sodium)],
    }
    answer = served.post("/fhir/RiskAssessment/$predict?model=readmission_week", json=bundle).json()
    assert answer["resourceType"] == "RiskAssessment", answer
    assert {"reference": "Observation/s17"} in answer["basis"]
    _look_back(story, answer["id"], at.date().isoformat())
    path = story.directory / "corrected.csv"
    path.write_text(
        "source,status,feature,value\n"
        "Observation/s17,corrected,sodium,118\nobservation/s17,corrected,sodium,118\n"
    )
    said = story.run("corrections", "readmission_week", path.name, "--by", "lena")
    assert "Recorded 2 corrections; 0 known already." in said
    assert "No recorded prediction names observation/s17: look whether the name is right." in said
    assert "1 prediction used results" in story.run("monitor", "readmission_week")
    read = served.get(f"/fhir/RiskAssessment/{answer['id']}").json()
    assert read["status"] == "entered-in-error"
    assert "probabilityDecimal" not in json.dumps(read)


def _look_back(story, prediction, day):
    """What a look back says of a FHIR prediction whose sodium was 8 too low."""
    target = story.directory / "affected.csv"
    story.run(
        *("lookback", "readmission_week", "--feature", "sodium", "--between", day, day),
        *("--correct", "x + 8", "--out", target.name),
    )
    assert target.stat().st_mode & 0o077 == 0
    rows = csv.DictReader(target.read_text().splitlines())
    (row,) = [one for one in rows if one["prediction_id"] == prediction]
    assert (float(row["value"]), float(row["corrected_value"])) == (131, 139)
    assert 0 < float(row["corrected_risk"]) < float(row["risk"])


def test_the_history_says_who_promoted_and_why(story, served):
    shown = story.run("history", "readmission_week")
    assert "sam" in shown
    assert "its gate passes" in shown


def test_a_port_in_use_is_named_in_one_line(story, served):
    shown = story.run("serve", code=1)
    assert story.environment["AUSCULT_PORT"] in shown
    assert "Traceback" not in shown


def test_the_libraries_own_commands_find_everything_by_the_exports(story, served):
    exports = story.run("env")
    script = f"{exports}\nbentoml list -o json"
    path = f"{Path(sys.executable).parent}:{story.environment['PATH']}"
    done = subprocess.run(
        ["bash", "-c", script],
        env={"PATH": path, "HOME": str(story.directory)},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert any(bento["tag"].startswith("auscult-service:") for bento in json.loads(done.stdout))


def test_no_process_connects_to_anything_but_loopback(story, served):
    assert not story.connections.exists(), story.connections.read_text()
