from collections.abc import Iterator
from dataclasses import replace

import pytest

from auscult.summary import show_validated
from models.errors import CohortError
from records.settings import Settings
from tests.training.conftest import NOW, Trained, share_registry
from tests.training.readmissions import cohort, people
from training.cohort import Cohort
from training.recalibration import recalibrate
from training.validation import validate

SETTING = {"seed": 3, "draws": 40, "progress": lambda *_: None, "now": NOW}


@pytest.fixture(scope="module")
def home(trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    settings = Settings(home=tmp_path_factory.mktemp("lineage"))
    share_registry(trained.settings, settings)
    return settings


def _changed(table: Cohort, change: str) -> Cohort:
    frame, other = table.frame, "5" * 64
    if change == "the same file":
        return table
    if change == "the same patients":
        return replace(table, frame=frame.assign(crp=frame["crp"] + 0.05), digest=other)
    if change == "a part under other ids":
        part = frame.iloc[:300].assign(patient_id=[f"Q{number}" for number in range(300)])
        return replace(table, frame=part, digest=other)
    fresh = people(900, seed=60).assign(follow_up_days=45.0, outcome=0)
    fresh["outcome"] = people(900, seed=60)["outcome"]
    fresh.loc[fresh["outcome"] == 1, "follow_up_days"] = 5.0
    return replace(table, frame=fresh, digest=other)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("the same file", "it is the very table that version 1 was made from"),
        ("the same patients", "its patients are those that version 1 was made from"),
        (
            "a part under other ids",
            "100% of its rows are, in every feature and the outcome, rows that version 1 learnt",
        ),
    ],
)
def test_nobody_recalibrates_a_version_on_the_people_it_was_made_from(
    change: str, words: str, home: Settings, trained: Trained
) -> None:
    table = _changed(trained.cohort, change)

    with pytest.raises(CohortError, match=f"can't recalibrate readmission version 1: {words}"):
        recalibrate("readmission", "1", table, by="Ben", settings=home, **SETTING)


@pytest.mark.parametrize("few", [2, 9])
def test_nobody_recalibrates_a_version_on_many_rows_of_few_patients_with_the_event(
    few: int, home: Settings
) -> None:
    frame = people(900, seed=61)
    with_event = frame["outcome"] == 1
    frame.loc[with_event, "patient_id"] = [f"E{n % few}" for n in range(int(with_event.sum()))]
    table = replace(cohort(frame), digest="6" * 64)

    with pytest.raises(CohortError) as caught:
        recalibrate("readmission", "1", table, by="Ben", settings=home, **SETTING)

    assert f"the table that calibrates has {few} patients with and " in str(caught.value)
    assert str(caught.value).endswith("at least 10 of each are needed, so give more patients")


def test_nor_on_those_of_a_version_beneath(home: Settings, trained: Trained) -> None:
    fresh = _changed(trained.cohort, "other people")
    second = recalibrate("readmission", "1", fresh, by="Ben", settings=home, **SETTING).version

    with pytest.raises(CohortError, match="the very table that version 1 was made from"):
        recalibrate("readmission", second, trained.cohort, by="Ben", settings=home, **SETTING)
    with pytest.raises(CohortError, match=f"the very table that version {second} was made from"):
        recalibrate("readmission", second, fresh, by="Ben", settings=home, **SETTING)


def test_a_validation_by_a_versions_own_people_says_that_it_is_none(
    home: Settings, trained: Trained, capsys: pytest.CaptureFixture[str]
) -> None:
    show_validated(validate("readmission", "1", trained.cohort, settings=home, **SETTING))
    assert "THIS IS NO VALIDATION by other people: it is the very table" in " ".join(
        capsys.readouterr().out.split()
    )

    others = replace(cohort(people(300, seed=9)), digest="6" * 64)
    show_validated(validate("readmission", "1", others, settings=home, **SETTING))
    shown = " ".join(capsys.readouterr().out.split())
    assert "NO VALIDATION" not in shown
    assert "made from people who are among these, but that some are isn't ruled out" in shown
