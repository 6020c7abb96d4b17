import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from auscult.summary import show_validated
from models.definition import DefinitionFile
from models.errors import CohortError
from records.settings import Settings
from tests.training.conftest import NOW
from tests.training.readmissions import DEFINITION, cohort, followed, people, write_definition
from training.data_quality import assess_quality
from training.follow_up import refuse_lost
from training.options import TrainOptions
from training.population import admit
from training.registry import store
from training.run import train
from training.validation import validate

CLAIM = "Nobody is censored: readmissions elsewhere are reported"
WORDS = (
    "follow_up_days: 69 rows without the event end before day 30, the horizon, "
    "but the definition says"
)


@pytest.fixture(scope="module")
def claiming(tmp_path_factory: pytest.TempPathFactory) -> DefinitionFile:
    text = DEFINITION.replace("Those who move away are represented by those who stay", CLAIM)
    return write_definition(tmp_path_factory.mktemp("claiming"), text)


def _options() -> TrainOptions:
    return TrainOptions(trained_by="Ada", quick=True, draws=40, seed=7)


def test_people_lost_before_the_horizon_contradict_that_nobody_is_censored(
    claiming: DefinitionFile, tmp_path: Path
) -> None:
    home = Settings(home=tmp_path)
    with pytest.raises(CohortError, match=r"69 rows without the event end before day 30") as lost:
        train(
            claiming,
            cohort(followed()),
            _options(),
            settings=home,
            progress=lambda *_: None,
            now=NOW,
        )

    assert f"readmissions.csv can't be used: {WORDS} '{CLAIM}'." in str(lost.value)
    assert "leave the column follow_up_days out; else say in [estimand]" in str(lost.value)
    assert store(home).search_registered_models() == []


@pytest.mark.parametrize(
    ("censored", "said", "not_said"),
    [
        (69, "69 recorded predictions of them", "original table"),
        (1, "1 recorded prediction of them: .*\\. The original table has to be", "if these"),
        (0, "The original table has to be as it was.*; else say in", "auscult outcomes"),
    ],
)
def test_of_a_retraining_it_advises_what_can_still_be_changed(
    censored: int, said: str, not_said: str, claiming: DefinitionFile
) -> None:
    rows, _ = admit(cohort(followed()), claiming.definition, NOW)

    with pytest.raises(CohortError, match=said) as lost:
        refuse_lost(claiming.definition, rows, "a table and records", {"censored": censored})

    assert not_said not in str(lost.value)


def test_nothing_is_said_where_all_are_followed_or_the_definition_claims_nothing(
    claiming: DefinitionFile, definition_file: DefinitionFile
) -> None:
    lost = followed()
    ends = np.where(lost["outcome"] == 1, lost["follow_up_days"], 30.0)
    for file, frame in (
        (claiming, people()),
        (claiming, lost.assign(follow_up_days=ends)),
        (definition_file, lost),
    ):
        rows, not_as_given = admit(cohort(frame), file.definition, NOW)
        refuse_lost(file.definition, rows, "a table")
        quality = assess_quality(file.definition, rows, not_as_given, cohort(frame))
        assert not [words for words in quality.suspicions if "follow_up_days" in words]


def test_a_validation_says_it_as_a_suspicion_and_a_few_people_are_not_counted(
    claiming: DefinitionFile, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home = Settings(home=tmp_path)
    train(claiming, cohort(people()), _options(), settings=home, progress=lambda *_: None, now=NOW)
    frame = followed(seed=5)
    two = frame.assign(follow_up_days=np.where(frame["outcome"] == 1, 3.0, 45.0))
    two.loc[two.index[two["outcome"] == 0][:2], "follow_up_days"] = 4.0
    for table, rows in ((frame, r"\d+ rows"), (two, "a few rows")):
        found = validate(
            "readmission",
            "1",
            replace(cohort(table), digest="7" * 64),
            draws=50,
            seed=3,
            settings=home,
            progress=lambda *_: None,
            now=NOW,
        )
        show_validated(found)
        shown = " ".join(capsys.readouterr().out.split())
        assert re.search(f"To be looked into: follow_up_days: {rows} without the event end", shown)
        assert f"but the definition says '{CLAIM}'" in shown


def test_empty_outcomes_contradict_it_as_well(
    claiming: DefinitionFile, definition_file: DefinitionFile
) -> None:
    frame = people().astype({"outcome": "float64"})
    frame.loc[:2, "outcome"] = np.nan

    with pytest.raises(CohortError, match="3 of 700 rows are empty, though the definition says"):
        admit(cohort(frame), claiming.definition, NOW)
    with pytest.raises(CohortError, match="3 of 700 rows are empty; leave rows with an unknown"):
        admit(cohort(frame), definition_file.definition, NOW)
