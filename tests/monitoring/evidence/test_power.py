import re
from datetime import date, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom

from models.edges import edges_from
from models.errors import StatisticsError
from monitoring.evidence.binary import BinaryStream
from monitoring.evidence.categorical import CategoricalStream
from monitoring.evidence.detector import Budget, close_day, open_stream
from monitoring.evidence.numeric import NumericStream
from monitoring.evidence.power import expected_delay, power, shifted_shares

BUDGET = Budget(5, 21)
EDGES = edges_from(np.random.default_rng(0).normal(size=20_000))


def share_found(stream, reference, shift, rows, days, runs=40):
    """Simulate the detector itself and return the share of runs that alarm in time."""
    shares = shifted_shares(stream, reference * 1.0, shift)
    return share_seen(stream, reference, shares, rows, days, runs)


def share_seen(stream, reference, shares, rows, days, runs=40):
    """Return the share of runs over days of these shares that alarm in time."""
    rng = np.random.default_rng(17)
    found = 0
    for _ in range(runs):
        state = open_stream(stream, reference)
        for day in range(days):
            state = state.observe(rng.multinomial(rows, shares))
            closing = close_day(stream, state, date(2026, 1, 1) + timedelta(day), BUDGET)
            state = closing.state
            if closing.alarm:
                found += 1
                break
    return found / runs


@pytest.mark.parametrize(
    ("stream", "reference"),
    [
        (NumericStream("x", EDGES), np.full(128, 40)),
        (NumericStream("x", EDGES, tau=0.1, grows=False), np.full(128, 40)),
        (BinaryStream("x", "missing"), np.array([4_500, 500])),
    ],
)
@pytest.mark.parametrize("days", [7, 30])
def test_about_half_of_simulated_changes_of_that_size_are_seen_in_time(stream, reference, days):
    found = power(stream, open_stream(stream, reference), 100, BUDGET, (days,))[0]
    assert found.shift is not None
    assert 0.25 <= share_found(stream, reference, found.shift, 100, days) <= 0.85
    assert share_found(stream, reference, found.shift * 1.5, 100, days, runs=12) == 1.0
    assert share_found(stream, reference, found.shift * 0.5, 100, days, runs=12) <= 0.25


def test_more_days_and_more_rows_see_smaller_shifts():
    stream = NumericStream("x", EDGES)
    state = open_stream(stream, np.full(128, 80))
    few = [found.shift for found in power(stream, state, 30, BUDGET)]
    many = [found.shift for found in power(stream, state, 300, BUDGET)]
    assert few == sorted(few, reverse=True)
    assert all(a > b for a, b in zip(few, many, strict=True))


def test_a_small_reference_that_many_rows_join_hides_small_shifts():
    stream = NumericStream("x", EDGES)
    small, large = (
        power(stream, open_stream(stream, np.full(128, rows)), 1_000, BUDGET, (30,))[0].shift
        for rows in (8, 800)
    )
    assert small > 3 * large


def test_the_shift_is_read_out_in_words():
    missing = BinaryStream("x", "missing")
    state = open_stream(missing, np.array([950, 50]))
    week = power(missing, state, 100, BUDGET, (7,))[0]
    assert week.reading.startswith("a rise from 5 % to ")
    rhythm = CategoricalStream("rhythm", ("sinus", "fibrillation"))
    other = power(rhythm, open_stream(rhythm, np.array([700, 300, 0])), 50, BUDGET, (7,))[0]
    assert other.reading.startswith("a rise from 70 % to ")


def test_of_what_never_happened_it_is_said_how_often_it_would_have_to():
    stream = BinaryStream("x", "doubtful")
    state = open_stream(stream, np.array([1_200, 0]))
    found = power(stream, state, 40, BUDGET)
    # the exact binomial bound: none in 1,200 is 5 % likely at this rate
    assert binom.pmf(0, 1_200, 0.0025) == pytest.approx(0.05, rel=0.01)
    form = r"a rise from none in 1,200 \(so at most 0.25 %\) to ([\d.]+) %, ([\d.]+) a day"
    rates = []
    for one in found:
        rate, a_day = (float(part) for part in re.fullmatch(form, one.reading).groups())
        assert a_day == pytest.approx(0.4 * rate, rel=0.05)
        rates.append(rate / 100)
    assert rates[0] > rates[1] > rates[2]
    for days, rate in zip((7, 30, 90), rates, strict=True):
        assert 0.25 < share_seen(stream, state.reference, [1 - rate, rate], 40, days) < 0.85


def test_so_few_rows_that_no_rate_is_seen_are_said_to_be_that():
    stream = BinaryStream("x", "doubtful")
    found = power(stream, open_stream(stream, np.array([900, 0])), 0.1, BUDGET, (7,))[0]
    assert found.reading == "no rise, so few rows come"


def test_a_constant_column_sees_no_shift_and_says_so():
    stream = NumericStream("x", edges_from([4.0]))
    found = power(stream, open_stream(stream, [0, 500, 0]), 100, BUDGET, (7,))[0]
    assert found.shift is None
    assert found.reading == "no shift of up to 5 SD"


@pytest.mark.parametrize("rows", [0, -1, float("nan")])
def test_no_rows_have_no_power(rows):
    stream = NumericStream("x", EDGES)
    with pytest.raises(StatisticsError, match="rows a day"):
        power(stream, open_stream(stream, np.full(128, 8)), rows, BUDGET)
    with pytest.raises(StatisticsError, match="it has no rows"):
        power(stream, open_stream(stream, np.zeros(128, int)), 10, BUDGET)


def delay_day_by_day(stream, reference, rows, shift, within, divisor):
    """Compute each day's evidence and add it to the day before's, without any shortcut."""
    today = rows * shifted_shares(stream, reference, shift)
    bag, log_m = reference * 1.0, np.full(len(stream.bets), -np.inf)
    for day in range(1, within + 1):
        log_m = stream.log_evidence(bag + today, today) / divisor + np.logaddexp(log_m, 0.0)
        if np.logaddexp.reduce(stream.log_weights + log_m) >= BUDGET.log_limit:
            return day
        if stream.grows:
            bag += today
    return None


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(
        [
            (NumericStream("x", EDGES, tau=0.1), np.full(128, 8)),
            (NumericStream("x", EDGES, grows=False), np.full(128, 40)),
            (BinaryStream("x", "missing", 0.1), np.array([4_500, 500])),
            (BinaryStream("x", "missing"), np.array([300, 3])),
            (CategoricalStream("x", ("a", "b")), np.array([700, 300, 0])),
        ]
    ),
    st.floats(1, 2_000),
    st.floats(-2, 2),
    st.sampled_from([1, 7, 30, 90]),
    st.sampled_from([1.0, 2.5]),
)
def test_the_expected_day_is_that_of_every_day_reckoned(chosen, rows, shift, within, divisor):
    stream, reference = chosen
    shares = shifted_shares(stream, reference * 1.0, shift)
    found = expected_delay(stream, reference * 1.0, rows * shares, BUDGET, within, divisor)
    exact = delay_day_by_day(stream, reference, rows, shift, within, divisor)
    assert abs((found or within + 1) - (exact or within + 1)) <= max(1, 0.05 * within)
