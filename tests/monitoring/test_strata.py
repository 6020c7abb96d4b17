from datetime import date, timedelta

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from monitoring import strata
from monitoring.evidence.state import opened

TRAINING = np.array([70, 30])
FRIDAY, SATURDAY = date(2024, 3, 1), date(2024, 3, 2)


def test_weekdays_are_compared_with_training_and_earlier_weekdays() -> None:
    reference = strata.opened(TRAINING)
    reference += strata.local([(FRIDAY, np.array([5, 1])), (SATURDAY, np.array([0, 9]))], 2)
    january = date(2024, 1, 3)
    assert strata.bag(reference, strata.stratum(january)).tolist() == [75, 31]
    assert strata.bag(reference, strata.stratum(SATURDAY)).tolist() == [70, 39]
    assert strata.by_kind(reference).tolist() == [[75, 31], [70, 39]]


def a_year(rows: int) -> np.ndarray:
    days = [date(2024, 1, 1) + timedelta(days=step) for step in range(366)]
    return strata.local([(day, np.array([rows, day.month])) for day in days], 2)


def test_after_a_year_a_day_is_compared_with_its_own_month() -> None:
    reference = strata.opened(TRAINING) + a_year(30)
    assert strata.bag(reference, strata.stratum(FRIDAY)).tolist() == [30 * 21, 3 * 21]
    assert strata.bag(reference, strata.stratum(SATURDAY)).tolist() == [30 * 10, 3 * 10]


def test_a_month_with_few_rows_makes_no_stratum_of_its_own() -> None:
    reference = strata.opened(TRAINING) + a_year(12)
    weekdays, weekends = (strata.stratum(day) for day in (FRIDAY, SATURDAY))
    assert strata.bag(reference, weekdays).tolist() == [12 * 21, 3 * 21]
    assert strata.bag(reference, weekends).sum() > TRAINING.sum() + 104 * 12


dated = st.tuples(st.dates(), st.tuples(st.integers(0, 9), st.integers(0, 9)))


@given(st.lists(dated, max_size=30))
def test_what_joins_a_reference_can_leave_it_again(days: list) -> None:
    rows = strata.local([(day, np.array(counts)) for day, counts in days], 2)
    state = opened(strata.opened(TRAINING), 9)
    joined = strata.admitted(state, rows)
    assert joined.reference.sum() == TRAINING.sum() + rows.sum()
    back = strata.withdrawn(joined, rows)
    assert np.array_equal(back.reference, state.reference)
    assert back.epoch == int(rows.any())


def test_a_days_rows_stand_with_days_of_its_kind() -> None:
    assert strata.of_its_kind(SATURDAY, np.array([2, 3])).tolist() == [[0, 0], [2, 3]]
    assert strata.of_its_kind(FRIDAY, np.array([2, 3])).tolist() == [[2, 3], [0, 0]]
