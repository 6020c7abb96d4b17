from datetime import date, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import ndtr, ndtri
from scipy.stats import kstest

from models.edges import Edges, edges_from
from models.errors import EvidenceError, StatisticsError
from monitoring.evidence.bets import numeric_bank
from monitoring.evidence.detector import Budget, open_stream
from monitoring.evidence.exact import Rows, close_day_exactly, conformal_p, log_bets
from monitoring.evidence.numeric import NumericStream

START = date(2026, 1, 1)
EDGES = edges_from(np.random.default_rng(0).normal(size=20_000))


@settings(deadline=None)
@given(
    st.lists(st.integers(0, 4), min_size=1, max_size=30),
    st.lists(st.integers(0, 4), min_size=1, max_size=20),
    st.integers(0, 99),
)
def test_p_is_the_definition_counted_by_hand(reference, today, seed):
    uniforms = np.random.default_rng(seed).random(len(today))
    p = conformal_p(np.bincount(reference, minlength=5), today, uniforms)
    for i, row in enumerate(today):
        seen = reference + today[: i + 1]
        below, tied = sum(x < row for x in seen), sum(x == row for x in seen)
        assert p[i] == pytest.approx((below + uniforms[i] * tied) / len(seen))


def test_p_values_of_tied_rows_are_uniform_and_independent():
    rng = np.random.default_rng(1)
    # few distinct values and a small reference: the hard case
    p = np.concatenate(
        [
            conformal_p(
                np.bincount(rng.integers(0, 3, 5), minlength=3),
                rng.integers(0, 3, 10),
                rng.random(10),
            )
            for _ in range(2_000)
        ]
    ).reshape(2_000, 10)
    assert kstest(p.ravel(), "uniform").pvalue > 0.001
    correlation = np.corrcoef(p.T) - np.eye(10)
    assert abs(correlation).max() < 4.5 / np.sqrt(2_000)


@pytest.mark.parametrize("tau", [0.0, 0.1])
def test_each_bet_on_a_uniform_p_is_at_most_one_in_mean(tau):
    bank = numeric_bank(tau)
    cuts = np.concatenate([[0.0], bank.ranks, [1.0]])
    means = np.diff(cuts) @ np.exp(log_bets(bank, (cuts[1:] + cuts[:-1]) / 2))
    assert (means <= 1 + 1e-12).all()
    if tau == 0:
        assert means == pytest.approx(np.ones(24), abs=1e-12)


@pytest.mark.parametrize("shift", [-0.1, -0.04, 0.1])
def test_after_a_shift_within_tau_each_bet_is_still_at_most_one_in_mean(shift):
    bank = numeric_bank(0.1)
    cuts = np.concatenate([[0.0], bank.ranks, [1.0]])
    masses = np.diff(ndtr(ndtri(cuts) - shift))
    middles = (cuts[1:] + cuts[:-1]) / 2
    assert (masses @ np.exp(log_bets(bank, middles)) <= 1 + 1e-9).all()
    assert (masses @ np.exp(log_bets(numeric_bank(), middles)) > 1.001).any()


def run(shift, seed, days=15, strata=1):
    rng = np.random.default_rng(seed)
    stream = NumericStream("x", EDGES)
    state = open_stream(stream, np.tile(EDGES.count(rng.normal(size=2_000)), (strata, 1)))
    closings = []
    for day in range(days):
        bins = EDGES.place(rng.normal(size=60) + shift)
        closing = close_day_exactly(
            stream,
            state,
            START + timedelta(day),
            Budget(5, 21),
            Rows.of(bins, rng.integers(0, strata, 60)),
            seed=5,
        )
        closings.append(closing)
        state = closing.state
    return closings


def test_a_shift_is_found_and_a_quiet_month_is_quiet():
    assert any(closing.alarm for closing in run(0.5, 1))
    assert not any(closing.alarm for closing in run(0.0, 1, days=30))


def test_the_same_seed_gives_the_same_bits_and_rows_join_their_stratum():
    one, other = run(0.0, 2, strata=2), run(0.0, 2, strata=2)
    assert one[-1].state.to_bytes() == other[-1].state.to_bytes()
    assert one[-1].state.reference.sum() == 4_000 + 15 * 60


def test_an_event_takes_the_exact_form_as_zero_and_one():
    stream = NumericStream("creatinine missing", Edges((0.5,)))
    rng = np.random.default_rng(3)
    state = open_stream(stream, stream.count(rng.random(1_000) < 0.1))
    closing = close_day_exactly(
        stream,
        state,
        START,
        Budget(5, 21),
        Rows.of(stream.edges.place(rng.random(200) < 0.5)),
        seed=1,
    )
    assert closing.alarm


def test_what_the_theorem_does_not_cover_is_refused():
    stream = NumericStream("x", EDGES)
    state = open_stream(stream, np.full(128, 9))
    with pytest.raises(EvidenceError, match="3 rows were observed without order"):
        close_day_exactly(
            stream, state.observe(EDGES.count([0, 0, 1])), START, Budget(5, 1), Rows.of([3]), seed=0
        )
    fixed = NumericStream("x", EDGES, grows=False)
    with pytest.raises(StatisticsError, match="no exact form"):
        close_day_exactly(fixed, state, START, Budget(5, 1), Rows.of([3]), seed=0)
