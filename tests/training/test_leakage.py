from datetime import datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.definition import Definition, DefinitionFile
from models.errors import CohortError, RegistryError
from records.settings import Settings
from tests.training.conftest import NOW
from tests.training.readmissions import cohort, people
from training.leakage import refuse_leaks
from training.options import TrainOptions
from training.population import admit
from training.registry import newest_version
from training.run import train


def _refuse(frame: pd.DataFrame, definition: Definition, now: datetime) -> None:
    refuse_leaks(definition, admit(cohort(frame), definition, now)[0], "readmissions.csv")


def _train(frame: pd.DataFrame, file: DefinitionFile, home: Path) -> None:
    train(
        file,
        cohort(frame),
        TrainOptions(trained_by="Ada", quick=True, draws=40, seed=7),
        settings=Settings(home=home),
        progress=lambda *_: None,
        now=NOW,
    )


def _crp_by_outcome(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.assign(crp=frame["outcome"] * 100.0 + frame["crp"] / 10)


def _crp_amid(frame: pd.DataFrame) -> pd.DataFrame:
    """Events lie between others, so that the AUROC tells nothing."""
    amid = np.where(frame.index % 2, 5.0, 90.0) + frame.index / 1000
    return frame.assign(crp=np.where(frame["outcome"] == 1, 40 + frame.index / 100, amid))


def _crp_by_absence(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.assign(crp=frame["crp"].where(frame["outcome"] == 1))


def _crp_where_known(frame: pd.DataFrame) -> pd.DataFrame:
    return _crp_by_outcome(frame).assign(crp=lambda one: one["crp"].where(frame.index % 3 == 0))


def _ward_by_outcome(frame: pd.DataFrame) -> pd.DataFrame:
    without = np.where(frame.index % 2, "medicine", "surgery")
    return frame.assign(ward=np.where(frame["outcome"] == 1, "geriatrics", without))


@pytest.mark.parametrize(
    ("leak", "words"),
    [
        (_crp_by_outcome, "crp: its values tell the outcome of all 700 rows without error"),
        (_crp_amid, "crp: its values tell the outcome of all 700 rows"),
        (_crp_by_absence, "crp: whether it is missing tells the outcome of every row"),
        (_crp_where_known, "crp: its values tell the outcome of all 234 rows"),
        (_ward_by_outcome, "ward: its values tell the outcome of all 700 rows"),
    ],
)
def test_a_feature_that_holds_the_outcome_is_named_before_anything_is_fitted(
    leak: object, words: str, definition: Definition, now: datetime
) -> None:
    assert callable(leak)

    with pytest.raises(CohortError, match=words) as caught:
        _refuse(leak(people()), definition, now)

    assert "take the feature out of the definition" in str(caught.value)
    assert str(caught.value).count("\n") == 1


def test_one_person_against_the_rule_is_no_perfect_leak(
    definition: Definition, now: datetime
) -> None:
    frame = _crp_by_outcome(people())
    frame.loc[frame.index[frame["outcome"] == 1][0], "crp"] = 1.0

    _refuse(frame, definition, now)


def test_few_people_told_apart_by_chance_are_no_leak(definition: Definition, now: datetime) -> None:
    frame = _crp_by_outcome(people())
    few = [*frame.index[frame["outcome"] == 1][:19], *frame.index[frame["outcome"] == 0][:200]]
    frame["crp"] = frame["crp"].where(frame.index.isin(few))
    repeated = people(400).assign(patient_id=lambda one: one["outcome"].astype(str))

    _refuse(frame, definition, now)
    _refuse(_crp_by_outcome(repeated).drop_duplicates(), definition, now)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_sound_tables_are_never_refused(seed: int, definition: Definition) -> None:
    _refuse(people(120, seed), definition, NOW)


def test_a_run_on_a_leaking_table_registers_nothing(
    definition_file: DefinitionFile, tmp_path: Path
) -> None:
    with pytest.raises(CohortError, match=r"readmissions.csv can't be used:\n- crp: its values"):
        _train(_crp_by_outcome(people()), definition_file, tmp_path)

    with pytest.raises(RegistryError, match="has no version"):
        newest_version("readmission", settings=Settings(home=tmp_path))


def test_features_that_hold_the_outcome_only_together_are_looked_for_among_the_strongest(
    definition_file: DefinitionFile, tmp_path: Path
) -> None:
    frame = people(1000)
    frame["crp"] = np.where(frame.index % 2, 5.0, 90.0) + frame.index / 1000
    frame["outcome"] = ((frame["sex"] == "male") & (frame["crp"] > 50)).astype(int)

    with pytest.raises(
        CohortError, match=r"hold the outcome .*alone these tell it best: "
    ) as caught:
        _train(frame, definition_file, tmp_path)

    assert "look for values that were taken after the outcome" in str(caught.value)
