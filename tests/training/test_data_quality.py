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
    assess_quality,
    check_data_quality,
    leaks,
)
from training.feature_quality import FeatureQuality
from training.population import admit


def _assess(frame: pd.DataFrame, definition: Definition, now: datetime) -> DataQuality:
    population, not_as_given = admit(cohort(frame), definition, now)
    return assess_quality(definition, population, not_as_given, cohort(frame))


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


@pytest.mark.parametrize(("known_without_event", "result"), [(0.05, "failed"), (0.6, "passed")])
def test_missingness_that_tells_the_outcome_alone_fails_the_gate_on_the_data(
    definition: Definition, now: datetime, known_without_event: float, result: str
) -> None:
    frame = people()
    known = np.random.default_rng(1).random(len(frame)) < known_without_event
    everybodys = frame["creatinine"].fillna(1.0)
    frame["creatinine"] = everybodys.where(known | (frame["outcome"] == 1))

    quality = _assess(frame, definition, now)
    gate = check_data_quality(quality.to_dict())

    assert any("whether it is missing tells the outcome" in words for words in quality.suspicions)
    assert gate.result == result
    assert ("whether it is missing tells the outcome alone" in gate.words) is (result == "failed")


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
    frame["crp"] = np.where(frame.index < 6, frame["crp"], 4.0)

    (words,) = _assess(frame, definition, now).suspicions

    assert words == "C-reactive protein: 99.1% of known rows are the same number"


def test_of_a_number_that_few_have_another_the_share_is_withheld(
    definition: Definition, now: datetime
) -> None:
    frame = people()
    frame["crp"] = np.where(frame.index < 3, frame["crp"], 4.0)

    found = _assess(frame, definition, now)

    assert found.suspicions == ("C-reactive protein: nearly all known rows are the same number",)
    assert _feature(found, "crp").largest_share is None


@settings(max_examples=60)
@given(cells=st.lists(st.integers(0, 12), min_size=6, max_size=6))
def test_shares_of_missing_values_give_no_count_of_few_people(
    cells: list[int], definition: Definition
) -> None:
    frame = followed(400)
    lost = (frame["outcome"] == 0) & (frame["follow_up_days"] < 30)
    groups = (frame["outcome"] == 1, (frame["outcome"] == 0) & ~lost, lost)
    for rows, missing in zip(groups, cells[:3], strict=True):
        frame.loc[frame.index[rows][:missing], "crp"] = np.nan

    found = _feature(_assess(frame, definition, NOW), "crp")

    few = any(0 < count < 5 for count in cells[:3])
    assert (found.missing_share_with_event is None) == few
    assert (found.missing_share_without_event is None) == few
    assert (found.missingness_auroc is None) == few
    assert found.missing == sum(cells[:3])


def test_many_rows_of_one_patient_are_few_people(definition: Definition, now: datetime) -> None:
    frame = people()
    one = frame.index < 60
    frame["crp"] = np.where(one, 500.0, frame["crp"].clip(upper=400))
    frame["creatinine"] = frame["creatinine"].fillna(1.0).mask(one)
    frame["ward"] = np.where(one, "geriatrics", np.where(frame.index % 2, "surgery", "medicine"))

    many = _assess(frame, definition, now)
    few = _assess(frame.assign(patient_id=frame["patient_id"].mask(one, "P0")), definition, now)

    assert (few.rows, few.patients) == (700, 641)
    quantiles = _feature(many, "crp").quantiles
    withheld = _feature(few, "crp").quantiles
    assert quantiles is not None
    assert withheld is not None
    assert quantiles["q99"] == 500.0
    assert withheld["q99"] is None
    assert withheld["median"] == quantiles["median"]
    assert (_feature(many, "ward").categories or {})["Geriatrics"] == 60
    assert (_feature(few, "ward").categories or {})["Geriatrics"] is None
    assert list((_feature(few, "ward").categories or {}).values()).count(None) == 2
    assert _feature(many, "creatinine").missing_share_with_event is not None
    assert _feature(few, "creatinine").missing_share_with_event is None
    assert _feature(many, "ward").auroc is not None
    assert _feature(few, "ward").auroc is None


def test_of_few_known_values_no_share_is_told_in_words_either(
    definition: Definition, now: datetime
) -> None:
    frame = people()
    known = [*frame.index[frame["outcome"] == 1][:3], *frame.index[frame["outcome"] == 0][:200]]
    frame.loc[~frame.index.isin(known), "crp"] = np.nan

    found = _assess(frame, definition, now)

    (words,) = [words for words in found.suspicions if "much more" in words or "AUROC" in words]
    assert not any(character.isdigit() for character in words)


def test_the_auroc_that_would_complete_a_table_of_few_is_withheld(
    definition: Definition, now: datetime
) -> None:
    frame = people(900)
    frame["ward"] = np.where(frame.index < 300, "surgery", "medicine")
    frame.loc[frame.index[frame["outcome"] == 1][:3], "ward"] = "geriatrics"
    frame.loc[frame.index[frame["outcome"] == 0][:30], "ward"] = "geriatrics"

    assert _feature(_assess(frame, definition, now), "ward").auroc is None
    assert _feature(_assess(people(900), definition, now), "ward").auroc is not None


def test_a_feature_that_is_known_of_few_ranks_them_by_chance(
    definition: Definition, now: datetime
) -> None:
    frame = people()
    few = [*frame.index[frame["outcome"] == 1][:9], *frame.index[frame["outcome"] == 0][:9]]
    frame["crp"] = (frame["outcome"] * 10.0 + frame.index / 1000).where(frame.index.isin(few))

    found = _assess(frame, definition, now)

    assert _feature(found, "crp").auroc is None
    assert leaks(found.suspicions) == ()


def test_many_rows_of_few_people_rank_by_chance_too(definition: Definition, now: datetime) -> None:
    frame = people()
    event = frame["outcome"] == 1
    nine = [f"E{n % 9}" for n in range(int(event.sum()))]
    told = frame.assign(crp=10 + 5 * frame["outcome"] + np.linspace(0, 1, len(frame)))
    few = told.assign(patient_id=frame["patient_id"].where(~event, "E"))
    few.loc[event, "patient_id"] = nine
    of_25 = frame.assign(patient_id=[f"P{n % 25}" for n in range(len(frame))])

    assert leaks(_assess(told, definition, now).suspicions)
    found = _assess(few, definition, now)
    assert _feature(found, "crp").auroc is None
    assert leaks(found.suspicions) == ()
    assert _feature(_assess(of_25, definition, now), "crp").auroc is not None
    assert _feature(_assess(of_25, definition, now), "ward").auroc is None  # 10 for each of three


def test_shares_of_missing_values_are_said_to_be_of_rows(
    definition: Definition, now: datetime
) -> None:
    frame = people().assign(patient_id=[f"P{n % 300}" for n in range(700)])
    frame["creatinine"] = frame["creatinine"].mask((frame["outcome"] == 1) & (frame.index % 5 == 0))

    found = _assess(frame, definition, now)

    with_event = frame["creatinine"].isna()[frame["outcome"] == 1].mean()
    (words,) = (one for one in found.suspicions if one.startswith("Creatinine in serum: missing"))
    assert f"missing in {with_event:.1%} of rows with the event and " in words


def test_a_category_that_tells_the_outcome_alone_is_suspected_to_leak(
    definition: Definition, now: datetime
) -> None:
    frame = people()
    frame["ward"] = np.where(frame["outcome"] == 1, "geriatrics", "surgery")
    frame.loc[frame.index % 20 == 0, "ward"] = "medicine"

    found = _assess(frame, definition, now)

    known = frame.assign(rate=frame["outcome"].groupby(frame["ward"]).transform("mean"))
    expected = roc_auc_score(known["outcome"], known["rate"])
    assert _feature(found, "ward").auroc == pytest.approx(expected)
    assert any(words.startswith("Ward: tells the outcome alone") for words in found.suspicions)


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


def test_outcomes_that_are_mostly_unknown_are_suspected_and_count_for_little(
    definition: Definition, now: datetime
) -> None:
    frame = followed()
    few = frame.copy()
    lost = (few["outcome"] == 0) & (np.arange(len(few)) % 50 != 0)
    few.loc[lost, "follow_up_days"] = 3.0
    few.loc[
        (few["outcome"] == 1) & (np.arange(len(few)) % 2 == 0), ["outcome", "follow_up_days"]
    ] = (
        0,
        2.0,
    )

    assert not [words for words in _assess(frame, definition, now).suspicions if "unknown" in words]
    (words,) = [one for one in _assess(few, definition, now).suspicions if "unknown at" in one]
    assert words.startswith("outcome: unknown at the horizon in ")
    population, _ = admit(cohort(few), definition, now)
    assert population.effective_size() < len(few) / 2
    assert admit(cohort(people()), definition, now)[0].effective_size() == len(people())


def test_alike_rows_are_suspected_where_no_time_tells_them_apart(
    definition: Definition, now: datetime
) -> None:
    frame = pd.concat([people(), people().iloc[:7]], ignore_index=True)

    (words,) = _assess(frame, definition, now).suspicions

    assert words.startswith("patient_id: 7 of 707 rows are, 0.99%, in every column the repetition")
    assert "can't be told whether that is one prediction that came twice" in words
    timed = frame.assign(time=np.arange(len(frame)))
    assert not [one for one in _assess(timed, definition, now).suspicions if "repetition" in one]
