"""Withheld counts stay withheld: no subtraction from the public total gives one back."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.errors import StatisticsError
from models.evaluation.suppression import ReportingLimits, withheld

partitions = st.lists(
    st.tuples(st.integers(0, 40), st.integers(0, 40)), min_size=2, max_size=8
).map(np.array)


def test_a_group_that_would_give_a_small_one_away_is_withheld_too():
    assert withheld([[500], [3], [40], [60]], [10]).tolist() == [False, True, True, False]


def test_nothing_is_withheld_where_all_groups_are_large():
    assert not withheld([[50, 12], [60, 10]], [10, 10]).any()


def test_several_small_groups_that_stay_small_together_take_one_more():
    assert withheld([[2], [3], [90], [50]], [10]).tolist() == [True, True, False, True]
    assert withheld([[6], [7], [90], [50]], [10]).tolist() == [True, True, False, False]


@given(partitions, st.integers(1, 30), st.integers(1, 30))
def test_no_withheld_count_and_no_small_sum_follows_from_the_total(cells, first, second):
    hidden = withheld(cells, [first, second])
    small = (cells < [first, second]).any(axis=1)
    assert hidden[small].all()
    assert hidden.any() == small.any()
    if hidden.any():
        assert hidden.sum() >= 2
        recovered = cells.sum(axis=0) - cells[~hidden].sum(axis=0)
        assert (recovered >= [first, second]).all() or hidden.all()


def test_limits_below_one_and_cells_without_a_limit_are_refused():
    with pytest.raises(StatisticsError, match="cell must be at least 1, not 0"):
        ReportingLimits(cell=0)
    with pytest.raises(StatisticsError, match="one smallest count for each"):
        withheld([[1, 2]], [5])
