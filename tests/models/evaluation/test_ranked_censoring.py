"""Weights for censoring part by part, beside those that hold every row at once."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.evaluation.censoring import CensoringWeighter
from models.evaluation.ranked_censoring import RankedCensoring, parts

HORIZON = 10
people = st.lists(
    st.tuples(st.integers(0, 14), st.booleans(), st.integers(0, 3)), min_size=1, max_size=40
)


@given(people, st.sampled_from([1.5, 20.0]))
def test_the_weights_are_those_of_the_rows_taken_at_once(
    rows: list[tuple[int, bool, int]], cap: float
) -> None:
    days, died, counts = (np.array(column) for column in zip(*rows, strict=True))
    days = days.astype(float)
    expected = CensoringWeighter(days, died, HORIZON, cap=cap)
    found = RankedCensoring(days, died, HORIZON, cap)
    inverse = found.inverse(lambda chosen: counts[chosen])
    weights = counts * found.of(slice(None), inverse)
    assert weights == pytest.approx(expected.reweight(counts)[0], abs=1e-12)
    assert (found.y == expected.y).all()


def test_the_parts_are_all_of_the_rows_once() -> None:
    rows = np.arange(300_001)
    assert (np.concatenate([rows[part] for part in parts(rows.size)]) == rows).all()
