import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from threading import Barrier

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mlflow.tracking import MlflowClient

from auscult.summary import show_trained
from models.definition import DefinitionFile
from records.settings import Settings
from tests.training.conftest import NOW
from tests.training.readmissions import cohort, people
from training.cohort import Cohort
from training.earlier_runs import EarlierRuns, Looks, earlier_runs, people_digest
from training.options import TrainOptions
from training.population import Population, admit
from training.registration import RunRecord, log_run
from training.run import TrainedVersion, train
from training.validation import validate

QUICK = TrainOptions(trained_by="Ada", quick=True, draws=40, seed=7)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return Settings(home=tmp_path_factory.mktemp("looks"))


def _timed(digest: str = "a") -> Cohort:
    frame = people(800, seed=6).assign(time=np.arange(800))
    return replace(cohort(frame), digest=digest * 64)


def _train(table: Cohort, file: DefinitionFile, home: Settings, seed: int = 7) -> TrainedVersion:
    return train(
        file,
        table,
        replace(QUICK, seed=seed),
        settings=home,
        progress=lambda *_: None,
        now=NOW,
    )


def _cards(version: TrainedVersion, home: Settings) -> tuple[str, str]:
    """Return the run's card and that of the sealed artefact."""
    client = MlflowClient(home.tracking_uri, home.tracking_uri)
    place = Path(client.download_artifacts(version.run_id, "card.html"))
    return place.read_text(), (version.directory / "card.html").read_text()


def test_every_run_says_how_often_its_test_part_was_used_before(
    definition_file: DefinitionFile, home: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    first = _train(_timed(), definition_file, home)
    assert first.earlier == EarlierRuns(0, None)
    assert (
        "No earlier run in this registry, of this or another model, was" in _cards(first, home)[0]
    )

    again = _train(_timed(), definition_file, home, seed=8)
    edited = _train(_timed("b"), definition_file, home)  # another file with the same people

    today = datetime.now(UTC).date()
    assert (again.earlier, edited.earlier) == (EarlierRuns(1, today), EarlierRuns(2, today))
    card, sealed = _cards(edited, home)
    assert f"judged 2 earlier runs of this model, the first on {today.isoformat()}" in card
    assert "earlier run" not in sealed
    client = MlflowClient(home.tracking_uri, home.tracking_uri)
    assert client.get_run(edited.run_id).data.metrics["earlier_runs"] == 2
    file = Path(client.download_artifacts(edited.run_id, "earlier_runs.json"))
    assert json.loads(file.read_bytes())["first"] == today.isoformat()
    show_trained(edited)
    assert "Bear in mind: These people" in capsys.readouterr().out
    assert first.artefact_digest == _train(_timed(), definition_file, home).artefact_digest


def test_a_validation_is_a_look_at_its_people_too(
    definition_file: DefinitionFile, home: Settings, now: datetime
) -> None:
    version = _train(_timed(), definition_file, home).version
    others = replace(cohort(people(300, seed=40)), digest="c" * 64)
    population, _ = admit(others, definition_file.definition, now)
    assert earlier_runs("readmission", others, population, home).count == 0

    validate(
        "readmission",
        version,
        others,
        draws=40,
        seed=1,
        settings=home,
        progress=lambda *_: None,
        now=NOW,
    )

    assert earlier_runs("readmission", others, population, home).count == 1
    today = datetime.now(UTC).date()
    of_another = EarlierRuns(1, today, ("the model readmission",))
    assert earlier_runs("another", others, population, home) == of_another


@given(order=st.permutations(range(40)), twice=st.integers(0, 39))
def test_the_same_people_have_one_digest_in_any_order(
    order: list[int], twice: int, population: Population
) -> None:
    table = cohort(people())
    some = population.part(np.arange(40))
    rows = [*order, twice]

    assert people_digest(table, some.part(np.array(rows))) == people_digest(table, some)
    assert people_digest(table, some.part(np.arange(39))) != people_digest(table, some)


def test_runs_of_other_models_are_named() -> None:
    words = EarlierRuns(3, date(2026, 3, 2), ("this model", "the model egf")).words

    assert "judged 3 earlier runs of this model, the model egf, the first on 2026-03-02" in words


def test_of_two_trainings_at_once_the_later_counts_the_first(
    definition_file: DefinitionFile, tmp_path: Path
) -> None:
    home = Settings(home=tmp_path)
    between: list[TrainedVersion] = []

    def another_registers_first(stage: str, done: int, total: int) -> None:
        if (stage, done, len(between)) == ("Registering the version", 0, 0):
            between.append(_train(_timed(), definition_file, home, seed=8))

    slower = train(
        definition_file,
        _timed(),
        QUICK,
        settings=home,
        progress=another_registers_first,
        now=NOW,
    )

    assert between[0].earlier == EarlierRuns(0, None)
    assert slower.earlier == EarlierRuns(1, datetime.now(UTC).date())
    assert "judged an earlier run of this model" in _cards(slower, home)[0]


def test_runs_that_begin_in_the_same_moment_are_counted_one_after_the_other(
    definition_file: DefinitionFile, tmp_path: Path, population: Population
) -> None:
    home, table = Settings(home=tmp_path), cohort(people())
    (tmp_path / "files").mkdir()
    start = Barrier(4, timeout=60)

    def look() -> int:
        looks = Looks("readmission", table, population, home, tmp_path / "files", lambda **_: {})
        tags = {"cohort_digest": table.digest}
        record = RunRecord({}, {}, tmp_path / "files", tags, begun=looks)
        start.wait()
        log_run(definition_file.definition, table, record, settings=home)
        assert looks.found is not None
        return looks.found.count

    log_run(
        definition_file.definition,
        table,
        RunRecord({}, {}, tmp_path / "files", {}),
        settings=home,
    )
    with ThreadPoolExecutor(4) as pool:
        counts = [future.result() for future in [pool.submit(look) for _ in range(4)]]

    assert sorted(counts) == [0, 1, 2, 3]


def test_a_table_that_has_grown_is_known_by_the_people_whom_it_shares_with_an_earlier_run(
    definition_file: DefinitionFile, tmp_path: Path
) -> None:
    home = Settings(home=tmp_path)
    frame = people(1600, seed=6).assign(time=np.arange(1600))
    _train(replace(cohort(frame.iloc[:1000]), digest="1" * 64), definition_file, home)

    grown = _train(replace(cohort(frame.iloc[:1200]), digest="2" * 64), definition_file, home)
    later = _train(replace(cohort(frame.iloc[:1600]), digest="3" * 64), definition_file, home)

    today = datetime.now(UTC).date()
    # 600 to 999 judged first, then 720 to 1,199, then 960 to 1,599: 58 %, and 6 % and 37 % again
    assert grown.earlier == EarlierRuns(1, today, sharing=1)
    assert later.earlier == EarlierRuns(1, today, sharing=1)
    card = _cards(grown, home)[0]
    assert "A tenth or more of these people, by their ids, judged an earlier run of this" in card
    client = MlflowClient(home.tracking_uri, home.tracking_uri)
    run = client.get_run(later.run_id)
    kept = run.data.tags["auscult.judged_sketch"]
    assert not [one for one in frame["patient_id"] if one in kept]
    untouched = replace(cohort(people(300, seed=9)), digest="4" * 64)  # P00000 to P00299
    population, _ = admit(untouched, definition_file.definition, NOW)
    found = earlier_runs("readmission", untouched, population, home)
    assert (found.count, found.untold) == (0, 0)
    assert "none of this model by a tenth or more of these people, so far as" in found.words

    # as runs of an earlier release are, which kept no sketch
    for one in client.search_runs([run.info.experiment_id]):
        client.delete_tag(one.info.run_id, "auscult.judged_sketch")
    before = earlier_runs("readmission", untouched, population, home)
    assert (before.count, before.untold) == (0, 3)
    assert before.words.endswith(
        "; of 3 runs of this model by an earlier release it can't be told who they share"
    )


def test_it_is_said_by_what_earlier_runs_are_known() -> None:
    day = date(2026, 3, 2)

    both = EarlierRuns(3, day, sharing=1).words
    shared = EarlierRuns(2, day, sharing=2, untold=1).words

    assert both.startswith("These people, others of this table, or a tenth or more of these people")
    assert "by their ids, judged 3 earlier runs of this model, the first on 2026-03-02" in both
    assert shared.startswith("A tenth or more of these people, by their ids, judged 2 earlier")
    assert shared.endswith(
        "; of one run of this model by an earlier release it can't be told who they share"
    )


def test_one_earlier_run_is_told_as_one() -> None:
    words = EarlierRuns(1, date(2026, 3, 2)).words

    assert "judged an earlier run of this model, on 2026-03-02: whatever was chosen" in words


def test_training_ends_with_what_is_to_be_looked_into_and_how_the_gates_stand(
    definition_file: DefinitionFile, home: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    frame = people(800, seed=6)
    frame.loc[:9, "age"] = 12.0
    frame.loc[np.random.default_rng(3).random(800) < 0.6, "crp"] = np.nan
    frame.loc[20:21, "crp"] = 900.0
    times = np.arange(800)
    times[300:560] = 300  # so that few rows are later than the time of most
    table = replace(cohort(frame.assign(time=times)), digest="e" * 64)

    show_trained(_train(table, definition_file, home))

    shown = " ".join(capsys.readouterr().out.split())
    assert "Left out, 10 rows: " in shown
    assert "'Age 18 years or more' Set to missing, 2 values: C-reactive protein, " in shown
    assert "implausible (the rows are kept) To be looked into" in shown
    assert "To be looked into: C-reactive protein: missing in 6" in shown
    assert "Gates: 1 of 5 passed. insufficient evidence: AUROC [auroc] 0." in shown
    assert "100 events and non-events, of which all who were judged have 86 and 154" in shown
