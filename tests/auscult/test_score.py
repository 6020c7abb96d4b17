"""Scoring a file by the command: what it asks for before it begins."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from auscult.database import now
from auscult.scoring_job import score
from models.errors import SettingsError
from models.risk_model import RiskModel
from records.settings import Settings
from serving.batch.run import BatchOptions
from tests.factories import make_artefact, make_population

AUSCULT = Path(sys.executable).with_name("auscult")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> RiskModel:
    return make_artefact(tmp_path_factory.mktemp("artefact") / "artefact")


@pytest.fixture
def people(tmp_path: Path) -> Path:
    import pandas as pd

    pd.DataFrame(make_population(30)).to_csv(tmp_path / "people.csv", index=False)
    return tmp_path / "people.csv"


def test_to_record_it_asks_for_a_key_and_says_how_to_make_one(people: Path) -> None:
    done = subprocess.run(
        [AUSCULT, "score", "made_up", "--in", people, "--out", "scores.csv", "--record"],
        env={"PATH": os.environ["PATH"], "AUSCULT_HOME": str(people.parent / "home")},
        cwd=people.parent,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 1
    assert "auscult client create NAME --scope bulk" in done.stderr


@pytest.mark.parametrize(
    ("key", "words"), [(None, "can't be read"), ("auk_0_0", "unknown, revoked or expired")]
)
def test_a_key_that_nobody_has_scores_nothing(
    model: RiskModel, people: Path, sqlite_db: Settings, key: str | None, words: str
) -> None:
    key_file = people.with_name("key")
    if key is not None:
        key_file.write_text(key)
    with pytest.raises(SettingsError, match=words):
        score(
            model,
            people,
            people.with_name("scores.csv"),
            options=BatchOptions(threads=1),
            key_file=key_file,
            settings=sqlite_db,
            progress=lambda *_: None,
        )
    assert not people.with_name("scores.csv").exists()


def test_the_key_of_a_client_records_what_is_scored(
    model: RiskModel, people: Path, sqlite_db: Settings
) -> None:
    from records.clients import create_client
    from records.models import Prediction

    key_file = people.with_name("key")
    key, _ = create_client("nightly", ("bulk",), now=now())
    key_file.write_text(f"{key}\n")
    summary = score(
        model,
        people,
        people.with_name("scores.csv"),
        options=BatchOptions(threads=1),
        key_file=key_file,
        settings=sqlite_db,
        progress=lambda *_: None,
    )
    assert Prediction.objects.filter(protocol="batch").count() == summary.scored == 30
