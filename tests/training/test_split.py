from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.errors import CohortError
from training.population import Population
from training.split import FOLDS, TEST_SHARE, folds, split


def _with_patients(population: Population, patients: int, seed: int) -> Population:
    generator = np.random.default_rng(seed)
    ids = np.array([f"P{n}" for n in generator.integers(0, patients, len(population))], object)
    return replace(population, patient=ids)


@settings(max_examples=20)
@given(patients=st.integers(600, 3000), seed=st.integers(0, 1000), by_time=st.booleans())
def test_no_patient_is_in_both_parts(
    patients: int, seed: int, by_time: bool, population: Population
) -> None:
    people = _with_patients(population, patients, seed)
    if by_time:
        people = replace(people, time=np.random.default_rng(seed).random(len(people)))
    parts = split(people, seed)

    assert not set(people.patient[parts.training]) & set(people.patient[parts.test])
    assert len(parts.training) + len(parts.test) + parts.left_out == len(people)


def test_a_random_split_keeps_the_share_and_the_event_rate(population: Population) -> None:
    parts = split(population, 3)

    assert len(parts.test) == pytest.approx(TEST_SHARE * len(population), abs=1)
    rates = [population.outcome[rows].mean() for rows in (parts.training, parts.test)]
    assert rates[0] == pytest.approx(rates[1], abs=0.005)


def test_the_same_seed_gives_the_same_parts_and_another_one_others(population: Population) -> None:
    assert split(population, 3).test.tolist() == split(population, 3).test.tolist()
    assert split(population, 3).test.tolist() != split(population, 4).test.tolist()


def test_where_times_are_known_the_later_part_tests(population: Population) -> None:
    times = np.random.default_rng(5).permutation(len(population)).astype(float)
    people = replace(population, time=times)

    parts = split(people, 3)

    assert times[parts.training].max() < times[parts.test].min()
    assert parts.method.startswith("by time")


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


def test_a_cohort_of_one_recruitment_period_is_divided_at_random_and_says_why(
    population: Population,
) -> None:
    people = replace(population, time=np.arange(len(population), dtype=float))

    parts = split(people, 3, random_because="only the year is known")

    assert "at random" in parts.method
    assert parts.method.endswith("only the year is known")
    assert people.time is not None
    assert people.time[parts.training].max() > people.time[parts.test].min()


def test_too_few_events_are_refused_with_their_count(population: Population) -> None:
    outcome = population.outcome.copy()
    outcome[np.flatnonzero(outcome == 1)[12:]] = 0

    with pytest.raises(CohortError, match=r"the training part has 7 events and \d+ non-events"):
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

    assert len(held) == FOLDS
    assert sorted(np.concatenate(held).tolist()) == list(range(len(people)))
