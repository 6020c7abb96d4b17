"""The bootstrap's draws, its coverage on a known truth, and simultaneous intervals."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm

from models.errors import StatisticsError
from models.evaluation.bootstrap import CaseWeighting, PatientBootstrap, estimate, simultaneous


def all_counts(bootstrap):
    return np.concatenate(list(bootstrap.counts()))


@given(st.lists(st.integers(0, 9), min_size=1, max_size=60), st.integers(0, 2**32))
def test_each_draw_takes_whole_patients_and_as_many_as_there_are(ids, seed):
    ids = np.array(ids)
    counts = all_counts(PatientBootstrap(ids, len(ids), 20, seed))
    assert counts.shape == (20, len(ids))
    patients, first = np.unique(ids, return_index=True)
    assert (counts[:, first].sum(axis=1) == len(patients)).all()
    for patient in patients:
        rows = counts[:, ids == patient]
        assert (rows == rows[:, :1]).all()


def test_the_draws_depend_on_the_seed_only_and_not_on_the_blocks(monkeypatch):
    ids = [f"p{i}" for i in range(50)]
    whole = all_counts(PatientBootstrap(ids, 50, 45, 1))
    monkeypatch.setattr("models.evaluation.bootstrap._BLOCK_ELEMENTS", 350)
    blocks = list(PatientBootstrap(ids, 50, 45, 1).counts())
    assert len(blocks) == 7
    np.testing.assert_array_equal(np.concatenate(blocks), whole)
    assert (all_counts(PatientBootstrap(ids, 50, 45, 2)) != whole).any()


def test_percentile_intervals_cover_the_truth_about_as_often_as_they_say():
    rng = np.random.default_rng(20)
    covered = 0
    for trial in range(200):
        y = rng.random(150) < 0.3
        drawn = all_counts(PatientBootstrap(np.arange(150), 150, 200, trial)) @ y / 150
        found = estimate(y.mean(), drawn)
        covered += found.low <= 0.3 <= found.high
    # 95 % nominal; three binomial standard errors and the percentile method's own shortfall
    assert 178 <= covered <= 199


def test_repeated_rows_of_a_patient_do_not_narrow_the_interval():
    y = np.random.default_rng(6).random(200)

    def width(values, ids):
        counts = all_counts(PatientBootstrap(ids, len(ids), 400, 3))
        found = estimate(values.mean(), counts @ values / counts.sum(axis=1))
        return found.high - found.low

    once = width(y, np.arange(200))
    assert width(np.repeat(y, 5), np.repeat(np.arange(200), 5)) == pytest.approx(once)
    assert width(np.repeat(y, 5), np.arange(1000)) < 0.6 * once


def test_draws_without_a_figure_are_counted_and_said():
    found = estimate(0.5, np.r_[np.linspace(0, 1, 80), np.full(20, np.nan)])
    assert (found.draws, found.failed, found.reason) == (100, 20, None)
    assert found.low == pytest.approx(0.025)
    too_few = estimate(0.5, np.r_[np.linspace(0, 1, 40), np.full(60, np.nan)])
    assert too_few.value == 0.5
    assert too_few.low is None
    assert "60 of 100 draws gave no figure" in too_few.reason
    undefined = estimate(np.nan, np.zeros(100))
    assert undefined.value is None
    assert undefined.reason


def test_simultaneous_intervals_of_independent_figures_are_those_of_sidak():
    members = 6
    drawn = np.random.default_rng(9).normal(size=(members, 100_000))
    found = simultaneous([estimate(0.0, one) for one in drawn], drawn)
    expected = norm.ppf((1 + 0.95 ** (1 / members)) / 2)
    for one in found:
        assert one.simultaneous_high == pytest.approx(expected, rel=0.02)
        assert one.simultaneous_low == pytest.approx(-expected, rel=0.02)


def test_simultaneous_intervals_end_where_the_figure_does_and_skip_who_has_none():
    drawn = np.stack([np.random.default_rng(1).normal(0.99, 0.05, 500), np.full(500, np.nan)])
    first, second = simultaneous(
        [estimate(0.99, drawn[0]), estimate(0.5, drawn[1])], drawn, bounds=(0.0, 1.0)
    )
    assert first.simultaneous_high == 1.0
    assert second.simultaneous_high is None


def test_fixed_weights_count_as_often_as_the_row_is_drawn():
    weighting = CaseWeighting(3, [0.5, 1.0, 2.0])
    np.testing.assert_array_equal(weighting.of(np.array([[2, 0, 1]])), [[1.0, 0.0, 2.0]])
    np.testing.assert_array_equal(weighting.own, [0.5, 1.0, 2.0])


def test_weights_of_the_wrong_kind_are_refused():
    with pytest.raises(StatisticsError, match="weights or reweight, not both"):
        CaseWeighting(2, [1, 1], lambda counts: counts)
    with pytest.raises(StatisticsError, match=r"weights must have shape \(2,\)"):
        CaseWeighting(2, [[1, 1], [1, 1]])
    ten_draws = np.ones((10, 2), dtype=int)
    with pytest.raises(StatisticsError, match=r"reweight must return shape \(10, 2\)"):
        CaseWeighting(2, reweight=lambda counts: np.ones((1, 2))).of(ten_draws)


@pytest.mark.parametrize(
    ("ids", "draws", "message"),
    [
        ([1, 2], 5, "draws must be at least 20, not 5"),
        ([1, 2, 3], 20, r"patient_ids has shape \(3,\), but there are 2 rows"),
        ([1.0, np.nan], 20, "patient_ids must be known: 1 of 2 are not"),
        (["a", None], 20, "patient_ids must be known: 1 of 2 are not"),
        (np.array(["a", 1], dtype=object), 20, "patient_ids mixes kinds of value"),
    ],
)
def test_draws_and_patients_that_cant_be_drawn_are_refused(ids, draws, message):
    with pytest.raises(StatisticsError, match=message):
        PatientBootstrap(ids, 2, draws, 0)
