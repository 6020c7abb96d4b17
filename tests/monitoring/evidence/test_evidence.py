"""E is at most one in mean, by exact enumeration and by simulation, and the budget is kept."""

from datetime import date, timedelta
from itertools import combinations

import numpy as np
import pytest
from scipy.special import ndtr

from models.edges import Edges, edges_from
from monitoring.evidence.binary import BinaryStream
from monitoring.evidence.categorical import CategoricalStream
from monitoring.evidence.detector import Budget, close_day, open_stream
from monitoring.evidence.numeric import NumericStream

START = date(2026, 1, 1)


def streams(tau):
    return [
        NumericStream("creatinine", Edges((1.0, 2.0, 3.0, 4.0)), tau),
        BinaryStream("creatinine", "missing", tau),
        CategoricalStream("sex", ("F", "M"), tau),
    ]


@pytest.mark.parametrize("tau", [0.0, 0.1])
@pytest.mark.parametrize("place", [0, 1, 2])
@pytest.mark.parametrize("seed", range(6))
def test_over_every_way_to_draw_today_from_the_bag_the_mean_is_at_most_one(place, seed, tau):
    stream = streams(tau)[place]
    rng = np.random.default_rng(seed)
    rows = rng.integers(0, stream.bins, size=10)
    bag = np.bincount(rows, minlength=stream.bins).astype(float)
    drawn = [
        np.exp(stream.log_evidence(bag, np.bincount(rows[list(choice)], minlength=stream.bins)))
        for choice in combinations(range(10), 4)
    ]
    mean = np.mean(drawn, axis=0)
    assert (mean <= 1 + 1e-12).all()
    if tau == 0:
        assert mean.max() > 0.5, "a bet that never wins proves nothing"


def test_a_day_of_one_row_has_mean_exactly_one():
    stream = streams(0.0)[0]
    bag = np.array([3.0, 0, 5, 1, 2])
    each = [np.exp(stream.log_evidence(bag, np.eye(5)[bin_])) for bin_ in range(5)]
    assert (bag / bag.sum()) @ np.array(each) == pytest.approx(np.ones(24), abs=1e-12)


def test_higher_and_lower_are_mirror_images_even_among_ties():
    stream = NumericStream("x", Edges((1.0, 2.0)))
    bag, today = np.array([61.0, 307, 118]), np.array([9.0, 20, 11])
    evidence = stream.log_evidence(bag, today)
    mirrored = stream.log_evidence(bag[::-1], today[::-1])
    twins = {"higher": "lower", "upper tail": "lower tail"}
    for k, bet in enumerate(stream.bets):
        twin = twins.get(bet.direction)
        if twin is not None:
            other = next(
                j
                for j, one in enumerate(stream.bets)
                if (one.direction, one.size, one.tail_mass) == (twin, bet.size, bet.tail_mass)
            )
            assert mirrored[other] == pytest.approx(evidence[k], abs=1e-9)


def test_the_day_evidence_is_the_formula_written_out_row_by_row():
    stream = BinaryStream("lactate", "missing")
    log_e = stream.log_evidence(np.array([90.0, 10.0]), np.array([7.0, 3.0]))
    expected = 1.0
    for row in [1] * 3 + [0] * 7:
        expected *= (2.0 if row else 1.0) / (0.9 + 0.1 * 2.0)
    assert np.exp(log_e[6]) == pytest.approx(expected, rel=1e-12)


def test_drawn_days_of_a_large_bag_have_mean_at_most_one():
    rng = np.random.default_rng(2)
    edges = edges_from(rng.normal(size=5_000))
    stream = NumericStream("x", edges)
    reference = rng.multinomial(1_000, np.full(edges.bins, 1 / edges.bins))
    total = reference + rng.multinomial(50, np.full(edges.bins, 1 / edges.bins))
    drawn = np.exp(
        [
            stream.log_evidence(total * 1.0, rng.multivariate_hypergeometric(total, 50))
            for _ in range(4_000)
        ]
    )
    error = drawn.std(axis=0) / np.sqrt(len(drawn))
    assert (drawn.mean(axis=0) <= 1 + 4 * error).all()


def run(stream, reference, draw, days, budget=None):
    budget = budget or Budget(5, 21)
    state = open_stream(stream, stream.count(reference))
    alarms = []
    for day in range(days):
        state = state.observe(stream.count(draw(day)))
        closing = close_day(stream, state, START + timedelta(day), budget)
        state = closing.state
        if closing.alarm:
            alarms.append(day)
    return alarms


def test_the_null_keeps_to_its_budget():
    rng = np.random.default_rng(11)
    budget = Budget(1, 1)
    edges = edges_from(rng.normal(size=5_000))
    stream = NumericStream("x", edges)
    years = 24
    alarmed = sum(
        bool(run(stream, rng.normal(size=1_000), lambda _: rng.normal(size=30), 180, budget))
        for _ in range(years)
    )
    # half a year of a budget of one year: at most one half; 24 runs, four standard errors
    assert alarmed <= years * 0.5 + 4 * np.sqrt(years * 0.25)
    assert alarmed < years / 4, "the count form was far within its budget when measured"


def test_missingness_from_5_to_15_percent_is_found_in_few_days():
    rng = np.random.default_rng(3)
    stream = BinaryStream("creatinine", "missing")
    delays = []
    for _ in range(15):
        alarms = run(
            stream,
            rng.random(1_000) < 0.05,
            lambda day: rng.random(100) < (0.05 if day < 60 else 0.15),
            75,
        )
        delays.append(next((day - 59 for day in alarms if day >= 60), 99))
    assert np.median(delays) <= 3


@pytest.mark.parametrize(
    ("change", "limit"),
    [(lambda x: x + 0.3, 5), (lambda x: x * 1.2, 6), (lambda x: np.append(x[10:], x[:10] + 8), 2)],
)
def test_shift_spread_and_strays_are_found_within_days(change, limit):
    rng = np.random.default_rng(4)
    stream = NumericStream("creatinine", edges_from(rng.normal(size=20_000)))
    delays = []
    for _ in range(11):
        alarms = run(stream, rng.normal(size=10_000), lambda _: change(rng.normal(size=100)), 30)
        delays.append(alarms[0] + 1 if alarms else 99)
    assert np.median(delays) <= limit


@pytest.mark.parametrize("shift", [-0.1, 0.08, 0.1])
def test_a_shift_within_tau_is_no_evidence(shift):
    rng = np.random.default_rng(6)
    edges = edges_from(rng.normal(size=20_000))
    reference, today = rng.normal(size=200_000), rng.normal(size=20_000) + shift
    blind, keen = NumericStream("x", edges, tau=0.1), NumericStream("x", edges)
    bag = blind.count(np.concatenate([reference, today])) * 1.0
    assert blind.log_evidence(bag, blind.count(today) * 1.0).max() < 5
    assert keen.log_evidence(bag, keen.count(today) * 1.0).max() > 10


def test_a_rate_within_tau_is_no_evidence():
    zone = BinaryStream("x", "missing", tau=0.1)
    rows, rate = 10_000.0, 0.1
    moved = float(ndtr(-1.2815515655446004 + 0.1))
    today = rows * np.array([1 - moved, moved])
    bag = 1e8 * np.array([1 - rate, rate]) + today
    assert zone.log_evidence(bag, today).max() < 0
    assert BinaryStream("x", "missing").log_evidence(bag, today).max() > 10


def test_a_slow_ramp_is_found_by_the_fixed_twin():
    rng = np.random.default_rng(8)
    edges = edges_from(rng.normal(size=20_000))
    reference = rng.normal(size=5_000)
    twin = NumericStream("x", edges, tau=0.1, grows=False)
    ramp = [rng.normal(size=100) + 0.1 * day / 30 for day in range(150)]
    alarms = run(twin, reference, lambda day: ramp[day], 150)
    assert alarms
    assert 30 < alarms[0] < 120


def test_a_category_that_is_recoded_and_a_new_code_are_found():
    rng = np.random.default_rng(9)
    stream = CategoricalStream("rhythm", ("sinus", "fibrillation"), tau=0.1)
    reference = rng.choice(["sinus", "fibrillation"], size=2_000, p=[0.8, 0.2])
    recoded = run(stream, reference, lambda _: rng.choice(["sinus", "AF"], 50, p=[0.8, 0.2]), 5)
    assert recoded[0] == 0


def test_a_stratum_never_seen_before_is_no_evidence():
    stream = NumericStream("x", Edges((0.0,)))
    state = open_stream(stream, [[500, 500], [0, 0]])
    closing = close_day(stream, state.observe([0, 60], 1), START, Budget(5, 1))
    assert not closing.alarm
    assert (closing.log_evidence <= 1e-12).all()


def test_a_million_rows_in_a_day_do_not_overflow():
    stream = NumericStream("x", Edges((0.0,)))
    state = open_stream(stream, [10**6, 10**6])
    closing = close_day(stream, state.observe([0, 10**6]), START, Budget(5, 1))
    assert closing.alarm
    assert np.isfinite(closing.log_total)
