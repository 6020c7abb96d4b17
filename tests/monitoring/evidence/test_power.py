from datetime import date, timedelta

import numpy as np
import pytest

from models.edges import edges_from
from models.errors import StatisticsError
from monitoring.evidence.binary import BinaryStream
from monitoring.evidence.categorical import CategoricalStream
from monitoring.evidence.detector import Budget, close_day, open_stream
from monitoring.evidence.numeric import NumericStream
from monitoring.evidence.power import power, shifted_shares

BUDGET = Budget(5, 21)
EDGES = edges_from(np.random.default_rng(0).normal(size=20_000))


def share_found(stream, reference, shift, rows, days, runs=40):
    """Simulate the detector itself and return the share of runs that alarm in time."""
    rng = np.random.default_rng(17)
    shares = shifted_shares(stream, reference * 1.0, shift)
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
