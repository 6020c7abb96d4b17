from datetime import datetime

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from models.definition import Definition
from tests.training.conftest import NOW
from tests.training.readmissions import cohort, followed, people
from training.data_quality import (
    DataQuality,
    FeatureQuality,
    assess_quality,
    check_data_quality,
)
from training.population import admit


def _assess(frame: pd.DataFrame, definition: Definition, now: datetime) -> DataQuality:
    population, exclusions = admit(cohort(frame), definition, now)
    return assess_quality(definition, population, exclusions, ("a note",))


def _feature(quality: DataQuality, name: str) -> FeatureQuality:
    return next(feature for feature in quality.features if feature.feature == name)


def test_missing_shares_are_counted_by_outcome(definition: Definition, now: datetime) -> None:
    frame = people()

    quality = _feature(_assess(frame, definition, now), "creatinine")

    missing = frame["creatinine"].isna()
    assert quality.missing == missing.sum()
    assert quality.missing_share_with_event == missing[frame["outcome"] == 1].mean()
    assert quality.missing_share_without_event == missing[frame["outcome"] == 0].mean()
    assert quality.quantiles is not None
    assert quality.quantiles["median"] == frame["creatinine"].median()


def test_what_one_feature_tells_alone_is_its_auroc(definition: Definition, now: datetime) -> None:
    frame = people()

    quality = _feature(_assess(frame, definition, now), "crp")

    assert quality.auroc == pytest.approx(roc_auc_score(frame["outcome"], frame["crp"]))


def test_people_lost_to_follow_up_are_counted_as_unknown(
    definition: Definition, now: datetime
) -> None:
    frame = followed()
    quality = _assess(frame, definition, now)

    lost = ((frame["outcome"] == 0) & (frame["follow_up_days"] < 30)).sum()
    assert quality.unknown == lost
    assert quality.events + quality.non_events + quality.unknown == len(frame)
    assert quality.event_rate > frame["outcome"].mean()


def test_a_feature_that_tells_the_outcome_alone_is_suspected_to_leak(
    definition: Definition, now: datetime
) -> None:
    frame = people()
    frame["crp"] = 10 + 5 * frame["outcome"] + np.linspace(0, 1, len(frame))

    suspicions = _assess(frame, definition, now).suspicions

    assert any(words.startswith("C-reactive protein: tells the outcome") for words in suspicions)


def test_missingness_that_tells_the_outcome_is_suspected(
    definition: Definition, now: datetime
) -> None:
    frame = people()
    frame.loc[frame["outcome"] == 0, "creatinine"] = np.nan

    suspicions = _assess(frame, definition, now).suspicions

    assert any("whether it is missing tells the outcome" in words for words in suspicions)
    assert any(words.startswith("Creatinine in serum: missing in ") for words in suspicions)


def test_a_feature_that_is_missing_twice_as_often_without_the_event_is_named(
    definition: Definition, now: datetime
) -> None:
    frame = people()
    gap = (frame.index % 5 == 0) & (frame["outcome"] == 0)
    frame["crp"] = frame["crp"].mask(gap | (frame.index % 20 == 1))

    (words,) = _assess(frame, definition, now).suspicions

    assert words.startswith("C-reactive protein: missing in ")
    assert "a lost feed would change risks unseen" in words


def test_sound_data_raise_no_suspicion(definition: Definition, now: datetime) -> None:
    assert _assess(people(), definition, now).suspicions == ()


def test_a_number_that_hardly_ever_changes_is_named(definition: Definition, now: datetime) -> None:
    frame = people()
    frame["crp"] = np.where(frame.index < 3, frame["crp"], 4.0)

    (words,) = _assess(frame, definition, now).suspicions

    assert words == "C-reactive protein: 99.6% of known rows are the same number"


@settings(max_examples=40)
@given(
    values=st.lists(st.floats(0, 50), min_size=1, max_size=250),
    repeated=st.integers(0, 40),
)
def test_no_quantile_is_the_value_of_few(
    values: list[float], repeated: int, definition: Definition
) -> None:
    frame = people(300)
    known = np.array([*values, *[values[0]] * repeated])
    assume(len(np.unique(known)) > 1)
    frame["crp"] = np.nan
    frame.loc[: len(known) - 1, "crp"] = known

    shown = _feature(_assess(frame, definition, NOW), "crp").quantiles

    assert shown is not None
    assert list(shown) == ["q01", "q25", "median", "q75", "q99"]
    levels = (0.01, 0.25, 0.5, 0.75, 0.99)
    for (name, value), level in zip(shown.items(), levels, strict=True):
        expected = np.quantile(known, level)
        beyond = min((known <= expected).sum(), (known >= expected).sum())
        assert value == (expected if beyond >= 5 else None), name


@settings(max_examples=40)
@given(sizes=st.lists(st.integers(0, 40), min_size=3, max_size=3))
def test_a_category_of_few_can_not_be_got_back_from_the_others(
    sizes: list[int], definition: Definition
) -> None:
    frame = people(250)
    names = np.repeat(["medicine", "surgery", "geriatrics"], sizes)
    frame["ward"] = None
    frame.loc[: len(names) - 1, "ward"] = names
    assume(len(set(names)) > 1)

    tally = _feature(_assess(frame, definition, NOW), "ward").categories

    assert tally is not None
    there = dict(zip(("Medicine", "Surgery", "Geriatrics"), sizes, strict=True))
    hidden = [name for name, shown in tally.items() if shown is None]
    assert all(tally[name] in (there[name], None) for name in there)
    assert all(name in hidden for name, size in there.items() if 0 < size < 5)
    if hidden:  # what the total less the others gives is a sum over several, and not a small one
        assert len(hidden) > 1 or len(set(names)) == 1
        assert sum(there[name] for name in hidden) >= 5 or len(hidden) == len(set(names))


def test_a_feature_that_tells_the_outcome_alone_fails_the_gate_of_data_quality(
    definition: Definition, now: datetime
) -> None:
    frame = people()
    leaky = frame.assign(crp=frame["outcome"] * 50.0 + frame["crp"] / 10)

    passed = check_data_quality(_assess(frame, definition, now).to_dict())
    failed = check_data_quality(_assess(leaky, definition, now).to_dict())

    assert (passed.result, failed.result) == ("passed", "failed")
    assert failed.metric == "data quality"
    assert _feature(_assess(leaky, definition, now), "crp").title in failed.words
