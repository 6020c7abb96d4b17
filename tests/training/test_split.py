from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.definition import Definition
from models.errors import CohortError
from training.candidate import Making
from training.judging import judge_by_folds
from training.population import Population
from training.split import FOLDS, MOST_PARTS, folds, site_folds, split


def _with_patients(population: Population, patients: int, seed: int) -> Population:
    generator = np.random.default_rng(seed)
    ids = np.array([f"P{n}" for n in generator.integers(0, patients, len(population))], object)
    return replace(population, patient=ids)


@settings(max_examples=20)
@given(patients=st.integers(600, 3000), seed=st.integers(0, 1000))
def test_no_patient_is_in_both_parts(patients: int, seed: int, population: Population) -> None:
    people = _with_patients(population, patients, seed)
    people = replace(people, time=np.random.default_rng(seed).random(len(people)))
    parts = split(people, seed)

    assert not set(people.patient[parts.training]) & set(people.patient[parts.test])
    assert len(parts.training) + len(parts.test) + parts.left_out == len(people)


def test_without_times_all_rows_train_and_nested_folds_judge(population: Population) -> None:
    people = _with_patients(population, 300, seed=4)
    parts = split(people, 3)

    assert parts.training.tolist() == parts.test.tolist() == list(range(len(people)))
    assert parts.method.startswith("no split: all rows train, and 5-fold nested")
    held = np.concatenate([held_out for _, held_out in parts.outer])
    assert sorted(held.tolist()) == list(range(len(people)))
    for learning, held_out in parts.outer:
        assert not set(people.patient[learning]) & set(people.patient[held_out])


def test_the_same_seed_gives_the_same_folds_and_another_one_others(population: Population) -> None:
    def held(seed: int) -> list[list[int]]:
        return [rows.tolist() for _, rows in split(population, seed).outer]

    assert held(3) == held(3)
    assert held(3) != held(4)


def test_where_sites_are_known_each_is_left_out_once_with_all_its_patients(
    population: Population,
) -> None:
    people = _with_patients(population, 300, seed=4)
    site = np.array(["north", "south", "east"], dtype=object)[np.arange(len(people)) % 3]
    parts = split(replace(people, site=site), 3)

    assert "each of 3 sites in turn is left out" in parts.method
    for learning, held_out in parts.outer:
        assert len(set(site[held_out])) == 1
        assert not set(site[held_out]) & set(site[learning])
        assert not set(people.patient[learning]) & set(people.patient[held_out])


def test_patients_with_rows_at_several_sites_leave_with_each_and_that_is_said(
    population: Population,
) -> None:
    site = np.array(["north", "south", "east"], dtype=object)[np.arange(len(population)) % 3]
    shared = population.patient.copy()
    shared[1:300:3] = shared[0:300:3]  # a hundred of the north are at the south as well
    people = replace(population, site=site, patient=shared)

    parts = split(people, 3)

    assert parts.method.endswith(
        "; with it go up to 100 rows of other sites, of patients who have rows at it"
    )
    everywhere = replace(people, patient=np.arange(len(people)) % 200)
    with pytest.raises(CohortError) as caught:
        split(everywhere, 3)
    assert (
        "the training part without site 'east' has 0 events and 0 non-events among 0 rows"
        in str(caught.value)
    )
    assert "467 rows of other sites are left out too, as their patients have rows at this one" in (
        str(caught.value)
    )


def test_a_making_that_fails_without_a_site_tells_how_many_rows_left_with_it(
    population: Population, definition: Definition, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise CohortError("out-of-fold scores don't rise with the outcome")

    monkeypatch.setattr("training.judging.make", fail)
    site = np.array(["north", "south"], dtype=object)[np.arange(len(population)) % 2]
    patient = population.patient.copy()
    patient[1:600:2] = patient[0:600:2]
    people = replace(population, site=site, patient=patient)
    making = Making(definition, trials=0, seed=1)

    with pytest.raises(CohortError) as caught:
        judge_by_folds(people, split(people, 3).outer, [making] * 2, lambda *_: None)

    assert str(caught.value).startswith(
        "without one site 50 rows of 50 patients are left to learn from, and out-of-fold scores"
    )
    assert "; 300 rows of other sites are left out too, as their patients have rows at" in str(
        caught.value
    )


@pytest.mark.parametrize("sites", [11, 60, 300])
def test_many_sites_are_left_out_in_ten_parts_and_none_is_in_two(
    sites: int, population: Population
) -> None:
    site = np.array([f"site {row % sites:03d}" for row in range(len(population))], dtype=object)

    parts = split(replace(population, site=site), 3)

    assert len(parts.outer) == MOST_PARTS
    assert f"each of 10 parts, into which {sites} sites are dealt" in parts.method
    held = [set(site[held_out]) for _, held_out in parts.outer]
    assert sum(map(len, held)) == len(set.union(*held)) == sites
    assert sorted(np.concatenate([held_out for _, held_out in parts.outer])) == list(
        range(len(population))
    )
    for learning, held_out in parts.outer:
        assert not set(site[held_out]) & set(site[learning])
        assert not set(population.patient[held_out]) & set(population.patient[learning])


def test_sites_without_events_stand_together_as_one(population: Population) -> None:
    site = np.full(len(population), "large", dtype=object)
    quiet = np.flatnonzero(population.outcome == 0)
    site[quiet[:5]], site[quiet[5:8]] = "quiet", "quieter"

    found = site_folds(population, site)

    assert set(found) == {"large", "sites too small to be left out alone"}
    assert len(found["sites too small to be left out alone"][1]) == 8
    with pytest.raises(CohortError, match="only one can be left out"):
        split(replace(population, site=np.full(len(population), "one", dtype=object)), 3)


def test_where_times_are_known_the_later_part_tests(population: Population) -> None:
    times = np.random.default_rng(5).permutation(len(population)).astype(float)
    people = replace(population, time=times)

    parts = split(people, 3)

    assert times[parts.training].max() < times[parts.test].min()
    assert parts.method.startswith("by time")
    assert "(40% of all)" in parts.method
    assert parts.suspicions == ()


def test_a_part_that_tests_says_its_true_share_and_where_tied_times_leave_it_small(
    population: Population,
) -> None:
    times = np.arange(len(population), dtype=float)
    times[200:595] = 200.0

    parts = split(replace(population, time=times), 3)

    assert len(parts.test) == 105
    assert "by numbers that only order them, test (15% of all)" in parts.method
    (words,) = parts.suspicions
    assert "15.0% of rows test, where 40% were to, since so many have the time 200.0" in words


def test_a_number_that_orders_rows_and_may_be_an_encounters_is_not_told(
    population: Population,
) -> None:
    numbers = 252_000_000.0 + np.arange(len(population))
    dates = np.datetime64("2024-01-01") + np.arange(len(population)).astype("timedelta64[D]")

    told = split(replace(population, time=numbers), 3).method
    dated = split(replace(population, time=dates), 3).method

    assert "252" not in told
    assert told.startswith("by time: the latest rows, by numbers that only order them, test (40%")
    assert dated.startswith("by time: rows after 2025-02-23 test (40%")


def test_later_rows_of_patients_who_are_in_training_are_left_out_and_counted(
    population: Population,
) -> None:
    half = len(population) // 2
    patient = population.patient.copy()
    patient[half : half + 40] = patient[:40]  # who come back much later
    people = replace(population, time=np.arange(len(population), dtype=float), patient=patient)
    at_the_end = np.concatenate(
        [np.arange(half), np.arange(half + 40, 700), np.arange(half, half + 40)]
    )
    people = replace(people.part(at_the_end), time=np.arange(len(population), dtype=float))

    parts = split(people, 3)

    assert parts.left_out == 40


def test_a_cohort_of_one_recruitment_period_is_not_divided_by_time_and_says_why(
    population: Population,
) -> None:
    people = replace(population, time=np.arange(len(population), dtype=float))

    parts = split(people, 3, unordered_because="only the year is known")

    assert parts.method.endswith("(only the year is known)")
    assert len(parts.outer) == FOLDS


def test_the_share_that_tests_is_the_cohorts(population: Population) -> None:
    people = replace(population, time=np.arange(len(population), dtype=float))

    assert len(split(people, 3, test_share=0.2).test) == pytest.approx(0.2 * len(people), abs=1)


def test_too_few_events_are_refused_with_their_count(population: Population) -> None:
    outcome = population.outcome.copy()
    outcome[np.flatnonzero(outcome == 1)[9:]] = 0

    with pytest.raises(CohortError, match=r"training part has 9 events and \d+ non-events"):
        split(replace(population, outcome=outcome), 3)


def test_events_that_are_censored_away_are_not_counted(population: Population) -> None:
    days = np.where(population.outcome == 1, 10.0, 5.0)  # nobody without the event is followed

    with pytest.raises(CohortError, match=r"and 0 non-events"):
        split(replace(population, follow_up_days=days), 3)


def test_every_row_is_held_out_once_and_never_learnt_from_with_its_patient(
    population: Population,
) -> None:
    people = _with_patients(population, 300, seed=2)
    held = []
    for learning, held_out in folds(people, 1):
        assert not set(people.patient[learning]) & set(people.patient[held_out])
        held.append(held_out)

        assert people.outcome[held_out].mean() == pytest.approx(people.outcome.mean(), abs=0.03)
        assert len(held_out) == pytest.approx(len(people) / FOLDS, rel=0.05)

    assert len(held) == FOLDS
    assert sorted(np.concatenate(held).tolist()) == list(range(len(people)))


def test_times_of_which_no_row_has_a_later_one_are_refused(population: Population) -> None:
    together = replace(population, time=np.zeros(len(population)))

    with pytest.raises(CohortError, match=r"no row is later than 0\.0, the time of more than 40%"):
        split(together, 1)


def test_many_rows_of_few_patients_are_not_enough(population: Population) -> None:
    few = replace(population, patient=np.arange(len(population)) % 9)

    with pytest.raises(CohortError, match="training part has 9 patients with and 9 without"):
        split(few, 1)
