from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import chi2_contingency, kruskal

from models.edges import edges_from
from monitoring.evidence.categorical import CategoricalStream
from monitoring.evidence.detector import Budget, close_day, open_stream
from monitoring.evidence.dispersion import LEAST_PAIRS, NOTHING_YET, Dispersion, differences
from monitoring.evidence.numeric import NumericStream

START, BUDGET = date(2026, 3, 2), Budget(5, 41)
EDGES = edges_from(np.random.default_rng(0).normal(size=20_000))
STREAM = NumericStream("creatinine", EDGES, tau=0.1)
REFERENCE = EDGES.count(np.random.default_rng(1).normal(size=1_000))
TABLES = arrays(np.int64, (2, 5), elements=st.integers(0, 40)).filter(
    lambda table: table.sum(axis=1).all() and (table.sum(axis=0) > 0).sum() > 1
)


def closed(shift_of, *, days=150, rows=500, seed=2, forget=False):
    """Close days whose values are shifted; return the state and the days that alarmed."""
    rng = np.random.default_rng(seed)
    state, alarms = open_stream(STREAM, REFERENCE), list[int]()
    for i in range(days):
        day = START + timedelta(i)
        values = rng.normal(size=rows) + shift_of(rng, i)
        closing = close_day(STREAM, state.observe(EDGES.count(values)), day, BUDGET)
        alarms += [i] * closing.alarm
        state = replace(closing.state, dispersion=NOTHING_YET) if forget else closing.state
    return state, alarms


@settings(deadline=None)
@given(TABLES)
def test_ordered_days_differ_by_kruskal_and_wallis_statistic(table):
    values = [np.repeat(np.arange(5), counts) for counts in table]
    rows = table.sum()
    (found,) = differences(*table[:, None], table.sum(axis=0, keepdims=True) * 1.0, ordered=True)
    assert found == pytest.approx(kruskal(*values).statistic * rows / (rows - 1), abs=1e-9)


@settings(deadline=None)
@given(TABLES)
def test_days_of_categories_differ_by_pearsons_statistic(table):
    held = table[:, table.any(axis=0)]
    expected = chi2_contingency(held, correction=False)
    (found,) = differences(*table[:, None], table.sum(axis=0, keepdims=True) * 1.0, ordered=False)
    assert found == pytest.approx(expected.statistic / expected.dof, abs=1e-9)


def test_independent_rows_leave_evidence_as_it_is():
    found = [closed(lambda _rng, _day: 0.0, rows=100, seed=seed)[0] for seed in range(20)]
    means = [state.dispersion.total / state.dispersion.pairs for state in found]
    assert np.mean(means) == pytest.approx(1.0, abs=0.1)
    assert [state.dispersion.index for state in found].count(1.0) >= 19


def test_an_effect_that_rows_of_a_day_share_is_measured():
    state, _ = closed(lambda rng, _day: 0.1 * rng.normal())
    # the variance of a day's mean is 1/500 for independent rows, and 0.1 squared more
    assert state.dispersion.index == pytest.approx(1 + 500 * 0.01, rel=0.35)


@pytest.mark.parametrize(
    "shift_of",
    [
        lambda _rng, day: 0.3 * ((START + timedelta(day)).weekday() >= 5),
        lambda _rng, day: 0.2 * np.sin(2 * np.pi * day / 365),
        lambda _rng, day: day / 300,
    ],
    ids=["weekends", "a season", "a ramp"],
)
def test_what_lasts_is_not_taken_for_days_that_vary(shift_of):
    calm = closed(shift_of, rows=100)[0]
    assert calm.dispersion.index == 1.0


def test_days_that_vary_raise_no_alarms_once_that_is_known():
    def effect(rng, _day):
        return 0.2 * rng.normal()

    _, untold = closed(effect, forget=True)
    state, told = closed(effect)
    assert state.dispersion.divisor(STREAM.tau) > 5
    assert len([day for day in untold if day > 30]) > 5
    assert [day for day in told if day > 30] == []
    _, shifted = closed(lambda rng, day: effect(rng, day) + (day >= 100))
    assert 100 <= min(day for day in shifted if day > 30) < 110


def test_a_category_has_its_own_measure_of_how_days_vary():
    stream, rng = CategoricalStream("ward", ("a", "b", "c"), tau=0.1), np.random.default_rng(4)
    state = open_stream(stream, [400, 300, 300, 0])
    for i in range(60):
        share = 0.4 + 0.1 * rng.normal()
        counts = rng.multinomial(300, [share, 0.7 - share, 0.3, 0.0])
        state = close_day(stream, state.observe(counts), START + timedelta(i), BUDGET).state
    assert state.dispersion.index > 3


def test_the_zone_of_indifference_bears_its_part():
    varied = Dispersion(NOTHING_YET.last, total=280.0, pairs=100)
    assert varied.index == 2.8
    assert varied.divisor(0.0) == 2.8
    assert varied.divisor(0.1) == pytest.approx(2.0)
    assert varied.divisor(1.0) == 1.0
    assert Dispersion(NOTHING_YET.last, total=130.0, pairs=100).divisor(0.0) == 1.0
    assert Dispersion(NOTHING_YET.last, total=100.0, pairs=LEAST_PAIRS - 1).divisor(0.0) == 1.0
