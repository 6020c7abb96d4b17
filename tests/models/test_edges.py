import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.edges import Edges, edges_from
from models.errors import EvidenceError, StatisticsError


def test_a_continuous_column_gets_128_bins_with_thin_tails() -> None:
    values = np.random.default_rng(0).normal(size=200_000)
    edges = edges_from(values)
    shares = edges.count(values) / values.size
    assert edges.bins == 128
    assert shares[[0, 1, -2, -1]] == pytest.approx([0.0005, 0.0015, 0.0015, 0.0005], abs=1e-4)
    assert shares[3:-3] == pytest.approx(np.full(122, 1 / 124), abs=1e-4)


def test_each_of_a_few_whole_numbers_has_a_bin_to_itself() -> None:
    edges = edges_from([3, 1, 2, 2, 7])
    assert edges.count([1, 2, 2, 3, 7]).tolist() == [0, 1, 2, 1, 1, 0]


def test_a_constant_column_tells_lower_and_higher_values_apart() -> None:
    edges = edges_from(np.full(50, 4.2))
    assert edges.count([4.2, 4.2, 88.4 * 4.2, 0.1]).tolist() == [1, 2, 1]


def test_a_value_that_many_rows_share_is_kept_apart_from_those_just_above() -> None:
    rng = np.random.default_rng(1)
    values = np.concatenate([np.zeros(4_000), rng.exponential(size=6_000)])
    edges = edges_from(values)
    zero = edges.place([0.0])[0]
    assert edges.count(values)[zero] == 4_000
    assert edges.place([1e-9])[0] == zero + 1
    assert edges.place([-1e-9])[0] == zero - 1
    assert edges.bins <= 128


@given(st.lists(st.floats(-1e12, 1e12) | st.integers(-5, 5).map(float), min_size=1, max_size=400))
def test_any_column_is_cut_into_at_most_128_ordered_bins(
    values: list[float],
) -> None:
    edges = edges_from(values)
    assert 2 <= edges.bins <= 128
    assert edges.count(values).sum() == len(values)
    ordered = np.sort(values)
    assert (np.diff(edges.place(ordered)) >= 0).all()


@given(
    st.lists(st.floats(-1e12, 1e12) | st.integers(-5, 5).map(float), min_size=1, max_size=400),
    st.lists(st.floats(allow_nan=False, allow_infinity=False) | st.sampled_from([-0.0, 1.0])),
)
def test_a_bin_holds_as_many_values_as_are_placed_in_it(
    reference: list[float], values: list[float]
) -> None:
    edges = edges_from(reference)
    placed = edges.place(values).tolist()
    assert edges.count(values).tolist() == [placed.count(one) for one in range(edges.bins)]


@pytest.mark.parametrize("cuts", [(), (2.0, 1.0), (1.0, 1.0), (float("nan"),), tuple(range(128))])
def test_edges_that_make_no_sense_are_refused(cuts: tuple[float, ...]) -> None:
    with pytest.raises(EvidenceError):
        Edges(cuts)


def test_a_missing_value_is_not_placed_in_a_bin() -> None:
    with pytest.raises(StatisticsError, match="1 of 2 values are missing"):
        edges_from([1.0, 2.0]).count([1.0, float("nan")])


def test_edges_from_nothing_are_refused() -> None:
    with pytest.raises(StatisticsError, match="at least one"):
        edges_from([float("nan")])
