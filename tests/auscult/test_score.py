"""Scoring a file by the command: what it asks for before it begins."""

import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from auscult.database import now
from auscult.scoring_job import score
from models.errors import ModelSuspended, SettingsError
from models.risk_model import RiskModel
from records.settings import Settings
from serving.batch.run import BatchOptions, BatchSummary
from tests.factories import NAME, make_artefact, make_population

AUSCULT = Path(sys.executable).with_name("auscult")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> RiskModel:
    return make_artefact(tmp_path_factory.mktemp("artefact") / "artefact")


@pytest.fixture
def people(tmp_path: Path) -> Path:
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


def test_a_suspended_model_scores_no_file_and_goes_on_once_it_is_given_back(
    model: RiskModel, people: Path, sqlite_db: Settings
) -> None:
    from records.suspensions import restore, suspend

    target = people.with_name("scores.csv")

    def run() -> BatchSummary:
        return score(
            model,
            people,
            target,
            options=BatchOptions(threads=1),
            key_file=None,
            settings=sqlite_db,
            progress=lambda *_: None,
        )

    suspend(NAME, by="grace", because="creatinine arrives in another unit", now=now())
    with pytest.raises(ModelSuspended, match="creatinine arrives in another unit"):
        run()
    assert not target.exists()
    restore(NAME, by="ada", because="the feed is mended", now=now())
    assert run().scored == 30


def test_a_model_that_is_suspended_while_a_file_is_scored_stops(
    model: RiskModel, tmp_path: Path, sqlite_db: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    from records import suspensions

    source, target = tmp_path / "many.parquet", tmp_path / "scores.parquet"
    pd.DataFrame(make_population(200_000)).to_parquet(source)
    monkeypatch.setattr(suspensions, "REFRESH_SECONDS", 0.0)  # ask anew after each chunk
    told: list[int] = []

    def suspend_once(done: int, _: int | None) -> None:
        if done and not any(told):
            suspensions.suspend(NAME, by="grace", because="wrong unit", now=now())
        told.append(done)

    options = BatchOptions(threads=1, explain=False)
    with pytest.raises(ModelSuspended):
        score(
            model,
            source,
            target,
            options=options,
            key_file=None,
            settings=sqlite_db,
            progress=suspend_once,
        )
    assert not target.exists()
    assert max(told) < 200_000
