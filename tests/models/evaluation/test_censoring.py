"""Censoring weights against statsmodels, by hand, and as unbiased estimates of what they weight."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.duration.survfunc import SurvfuncRight

from models.errors import StatisticsError
from models.evaluation.censoring import (
    CensoringWeighter,
    HorizonStatus,
    censoring_survival,
    effective_size,
    outcome_at_horizon,
)

people = st.lists(
    st.tuples(st.integers(0, 30), st.integers(0, 1), st.integers(0, 3)), min_size=2, max_size=40
)


def test_the_status_at_the_horizon_tells_event_event_free_and_censored_apart():
    y, status = outcome_at_horizon([5, 10, 10, 3, 20], [1, 1, 0, 0, 1], 10)
    assert y.tolist() == [1, 1, 0, 0, 0]
    assert [HorizonStatus(one).name for one in status] == [
        "EVENT",
        "EVENT",
        "EVENT_FREE",
        "CENSORED",
        "EVENT_FREE",
    ]


def test_censoring_survival_agrees_with_statsmodels_where_no_times_are_tied():
    rng = np.random.default_rng(7)
    days = rng.permutation(np.arange(1, 201)).astype(float)
    died = rng.integers(0, 2, 200)
    ours = censoring_survival(days, died)
    theirs = SurvfuncRight(days, 1 - died)
    np.testing.assert_allclose(ours.at(theirs.surv_times), theirs.surv_prob, rtol=1e-12)


def test_censoring_survival_agrees_with_statsmodels_on_multiplicities():
    rng = np.random.default_rng(8)
    days = rng.permutation(np.arange(1, 61)).astype(float)
    died = rng.integers(0, 2, 60)
    counts = rng.integers(0, 4, 60)
    theirs = SurvfuncRight(np.repeat(days, counts), np.repeat(1 - died, counts))
    ours = censoring_survival(days, died, counts)
    np.testing.assert_allclose(ours.at(theirs.surv_times), theirs.surv_prob, rtol=1e-12)


def test_deaths_come_before_censorings_at_the_same_time():
    # at day 2 one of four dies first, so one of the three left is censored: G(2) = 2/3
    survival = censoring_survival([2, 2, 3, 4], [1, 0, 1, 0])
    assert survival.before([2.0])[0] == 1.0
    assert survival.at([2.0])[0] == pytest.approx(2 / 3)
    # at day 4 the last one is censored
    assert survival.at([4.0])[0] == 0.0


def test_weights_worked_by_hand():
    # days 1 censored (of 5), 2 death, 3 censored (of 3), 4 death, 9 followed beyond day 6
    weighter = CensoringWeighter([1, 2, 3, 4, 9], [0, 1, 0, 1, 0], 6)
    found = weighter.weights()
    np.testing.assert_allclose(
        found.weights, [0, 1 / (4 / 5), 0, 1 / (4 / 5 * 2 / 3), 1 / (4 / 5 * 2 / 3)]
    )
    assert found.censored_before_horizon == 2
    assert found.capped == 0
    assert found.effective_n == pytest.approx(5**2 / (1.25**2 + 2 * 1.875**2))


def test_follow_up_that_ends_alive_at_the_horizon_loses_nobody():
    weighter = CensoringWeighter([10, 10, 10, 4], [0, 0, 0, 1], 10)
    assert weighter.weights().weights.tolist() == [1, 1, 1, 1]


def test_a_cap_is_applied_and_counted():
    days = [*range(1, 40), 100]
    weighter = CensoringWeighter(days, [0] * 40, 50, cap=5)
    found = weighter.weights()
    assert found.weights[-1] == 5
    assert found.capped == 1


def test_each_stratum_has_its_own_censoring():
    days, died = [1, 2, 9, 5, 6, 9], [0, 1, 0, 1, 0, 0]
    both = CensoringWeighter(days, died, 8, strata=["1995"] * 3 + ["1996"] * 3).weights().weights
    first = CensoringWeighter(days[:3], died[:3], 8).weights().weights
    second = CensoringWeighter(days[3:], died[3:], 8).weights().weights
    np.testing.assert_allclose(both, np.r_[first, second])


@given(people, st.data())
def test_reweighting_a_draw_equals_weighting_the_rows_it_repeats(rows, data):
    days, died, strata = (np.array(column) for column in zip(*rows, strict=True))
    counts = np.array(
        data.draw(st.lists(st.integers(0, 3), min_size=len(rows), max_size=len(rows)))
    )
    drawn = CensoringWeighter(days, died, 15, strata=strata).reweight(counts)[0]
    if counts.sum() == 0:
        assert not drawn.any()
        return
    repeated = CensoringWeighter(
        np.repeat(days, counts), np.repeat(died, counts), 15, strata=np.repeat(strata, counts)
    )
    expected = np.zeros(len(rows))
    np.add.at(expected, np.repeat(np.arange(len(rows)), counts), repeated.weights().weights)
    np.testing.assert_allclose(drawn, expected, rtol=1e-9)


@given(people)
def test_uncapped_weights_add_up_to_the_people_while_someone_stays_at_risk(rows):
    days, died = (np.array(column) for column in list(zip(*rows, strict=True))[:2])
    days, died = np.r_[days, 99], np.r_[died, 0]
    total = CensoringWeighter(days, died, 15, cap=1e9).weights().weights.sum()
    assert total == pytest.approx(len(rows) + 1)


def test_weighted_risk_recovers_the_truth_that_dropping_the_censored_misses():
    rng = np.random.default_rng(3)
    died_at, left_at = rng.exponential(2000, 20_000), rng.exponential(1500, 20_000)
    weighter = CensoringWeighter(np.minimum(died_at, left_at), died_at <= left_at, 1000)
    truth = 1 - np.exp(-0.5)
    found = np.average(weighter.y, weights=weighter.weights().weights)
    known = weighter.status != HorizonStatus.CENSORED
    assert abs(found - truth) < 0.015
    assert abs(weighter.y[known].mean() - truth) > 0.05


def test_the_effective_size_of_equal_weights_is_their_number():
    assert effective_size(np.full(12, 3.5)) == pytest.approx(12)
    assert effective_size(np.zeros(3)) == 0


@pytest.mark.parametrize(
    ("days", "died", "horizon", "message"),
    [
        ([], [], 5, "follow_up_days is empty"),
        ([-1, 2], [0, 1], 5, "follow_up_days must not be negative: 1 of 2"),
        ([1, np.nan], [0, 1], 5, "follow_up_days must be finite: 1 of 2"),
        ([1, 2], [0, 2], 5, "died must hold only 0 and 1"),
        ([1, 2], [0], 5, "died has shape"),
        ([1, 2], [0, 1], 0, "horizon_days must be positive, not 0"),
    ],
)
def test_follow_up_that_cant_be_weighted_is_refused_by_name(days, died, horizon, message):
    with pytest.raises(StatisticsError, match=message):
        CensoringWeighter(days, died, horizon)


def test_a_cap_below_one_is_refused():
    with pytest.raises(StatisticsError, match="cap must be at least 1"):
        CensoringWeighter([1, 2], [0, 1], 5, cap=0.5)


def test_a_row_without_a_stratum_is_refused_not_dropped():
    with pytest.raises(StatisticsError, match="strata must be known: 1 of 2"):
        CensoringWeighter([1, 2], [0, 1], 5, strata=[1995, None])
