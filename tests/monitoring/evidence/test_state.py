import zlib
from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.edges import edges_from
from models.errors import EvidenceError, StatisticsError
from monitoring.evidence.binary import BinaryStream
from monitoring.evidence.detector import Budget, advance, close_day, close_days, open_stream
from monitoring.evidence.dispersion import NOTHING_YET
from monitoring.evidence.history import History
from monitoring.evidence.numeric import NumericStream
from monitoring.evidence.state import StreamState

START, BUDGET = date(2026, 3, 1), Budget(5, 21)
EDGES = edges_from(np.random.default_rng(0).normal(size=2_000))
STREAM = NumericStream("creatinine", EDGES, tau=0.05)
REFERENCE = EDGES.count(np.random.default_rng(1).normal(size=500))


def days_of(seed, days=6, rows=40):
    rng = np.random.default_rng(seed)
    return [rng.normal(size=rng.integers(0, rows)) + 0.1 * day for day in range(days)]


def all_at_once(days):
    state = open_stream(STREAM, REFERENCE)
    pairs = [(START + timedelta(i), STREAM.count(rows)) for i, rows in enumerate(days)]
    return close_days(STREAM, state, pairs, BUDGET)[-1].state


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.randoms(use_true_random=False))
def test_rows_in_any_order_and_grouping_give_the_same_bits(seed, random):
    days = days_of(seed)
    state = open_stream(STREAM, REFERENCE)
    for i, rows in enumerate(days):
        shuffled = random.sample(list(rows), len(rows))
        cuts = sorted(random.randint(0, len(rows)) for _ in range(3))
        parts = np.split(np.array(shuffled), cuts)
        worker = state
        for part in parts[:2]:
            state = StreamState.from_bytes(state.observe(STREAM.count(part)).to_bytes())
        for part in parts[2:]:
            worker = worker.observe(STREAM.count(part))
        state = close_day(STREAM, worker.merge(state), START + timedelta(i), BUDGET).state
    assert state.to_bytes() == all_at_once(days).to_bytes()


def test_one_row_at_a_time_is_all_at_once():
    days = days_of(7)
    state = open_stream(STREAM, REFERENCE)
    for i, rows in enumerate(days):
        for row in rows:
            state = state.observe(STREAM.count([row]))
        state = close_day(STREAM, state, START + timedelta(i), BUDGET).state
    assert state.to_bytes() == all_at_once(days).to_bytes()
    assert state.to_bytes() != all_at_once(days_of(8)).to_bytes()


def test_a_state_is_small_and_comes_back_exactly():
    state = all_at_once(days_of(3)).observe(STREAM.count([0.1, 2.0]))
    data = state.to_bytes()
    assert len(data) < 5_000
    back = StreamState.from_bytes(data)
    assert back.to_bytes() == data
    assert back.last_closed == START + timedelta(5)
    one = close_day(STREAM, back, START + timedelta(9), BUDGET)
    other = close_day(STREAM, state, START + timedelta(9), BUDGET)
    assert one.state.to_bytes() == other.state.to_bytes()


@settings(deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 255))
def test_a_changed_byte_is_refused(place, change):
    data = bytearray(all_at_once(days_of(3)).to_bytes())
    data[place % len(data)] ^= change
    with pytest.raises(EvidenceError):
        StreamState.from_bytes(bytes(data))


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_garbage_is_refused(data):
    with pytest.raises(EvidenceError):
        StreamState.from_bytes(data)


def test_another_version_is_named():
    data = bytearray(all_at_once(days_of(3)).to_bytes())
    data[4] = 3
    with pytest.raises(EvidenceError, match="version 3, this code reads 1 or 2"):
        StreamState.from_bytes(bytes(data))


def test_a_state_of_the_first_version_is_read_and_knows_nothing_of_how_days_vary():
    state = all_at_once(days_of(3, rows=60))
    assert state.dispersion.last.any()
    data = bytearray(state.to_bytes()[: -(4 + 12 + 16 * STREAM.bins)])
    data[4] = 1
    back = StreamState.from_bytes(bytes(data) + zlib.crc32(data).to_bytes(4, "little"))
    assert back.dispersion.index == 1
    assert not back.dispersion.last.any()
    assert back.to_bytes() == replace(state, dispersion=NOTHING_YET).to_bytes()


def test_a_day_without_rows_leaves_counts_and_evidence_as_they_were():
    before = all_at_once(days_of(3))
    closing = close_day(STREAM, before, START + timedelta(6), BUDGET)
    assert not closing.alarm
    after = closing.state
    for name in ("reference", "today", "log_m", "log_run", "run_start"):
        assert np.array_equal(getattr(after, name), getattr(before, name))
    assert (after.epoch, after.last_closed) == (before.epoch, START + timedelta(6))


def test_a_day_is_closed_once():
    state = all_at_once(days_of(3))
    with pytest.raises(EvidenceError, match="count late rows into the next open day"):
        close_day(STREAM, state, START + timedelta(5), BUDGET)


def faulty(state, day, **kwargs):
    return close_day(
        STREAM,
        state.observe(STREAM.count(np.full(40, 88.4))),
        START + timedelta(day),
        BUDGET,
        **kwargs,
    )


def test_sixty_days_of_a_confirmed_fault_do_not_become_normal():
    state = open_stream(STREAM, REFERENCE)
    first = faulty(state, 0)
    assert first.alarm
    assert not first.joined
    state = first.state
    assert state.epoch == 1
    for day in range(1, 61):
        closing = faulty(state, day, joins=False)
        assert closing.alarm
        state = closing.state
    assert state.epoch == 1
    assert np.array_equal(state.reference[0], REFERENCE)
    good = STREAM.count(np.random.default_rng(3).normal(size=40))
    state = close_day(STREAM, state.observe(good), START + timedelta(61), BUDGET).state
    assert np.array_equal(state.reference[0], REFERENCE + good)
    assert (state.epoch, state.joining) == (1, True)


def test_an_alarm_resets_the_evidence():
    state = faulty(open_stream(STREAM, REFERENCE), 0).state
    assert (state.log_m == -np.inf).all()


def test_rows_that_proved_faulty_leave_the_reference_and_begin_an_epoch():
    rows = STREAM.count(np.full(20, 0.3))
    state = close_day(STREAM, open_stream(STREAM, REFERENCE).observe(rows), START, BUDGET).state
    cleaned = state.withdraw(rows)
    assert np.array_equal(cleaned.reference[0], REFERENCE)
    assert cleaned.epoch == 1
    assert np.array_equal(cleaned.admit(rows).reference, state.reference)
    with pytest.raises(EvidenceError, match="negative"):
        cleaned.withdraw(rows * 100)


def test_a_fixed_reference_never_grows():
    twin = NumericStream("creatinine", EDGES, tau=0.1, grows=False)
    state = open_stream(twin, REFERENCE).observe(EDGES.count([0.0, 1.0]))
    closing = close_day(twin, state, START, BUDGET)
    assert np.array_equal(closing.state.reference[0], REFERENCE)
    assert (closing.joined, closing.state.epoch) == (False, 0)


def test_states_of_different_evidence_do_not_merge():
    with pytest.raises(EvidenceError, match="only while they differ in today's rows"):
        all_at_once(days_of(3)).merge(all_at_once(days_of(4)))


def test_counts_of_another_shape_kind_or_stratum_are_refused():
    state = open_stream(STREAM, REFERENCE)
    with pytest.raises(EvidenceError, match="has 128 bins"):
        state.observe([1, 2])
    with pytest.raises(EvidenceError, match="whole numbers"):
        state.observe(np.ones(128))
    with pytest.raises(EvidenceError, match="stratum 1 is not one"):
        state.observe(REFERENCE, 1)
    with pytest.raises(EvidenceError, match="can't be negative"):
        state.observe(-REFERENCE - 1)
    with pytest.raises(EvidenceError, match="2 and 9 are expected"):
        close_day(BinaryStream("x", "missing"), state, START, BUDGET)


def test_a_budget_that_can_not_be_kept_is_refused():
    with pytest.raises(StatisticsError, match="0 years"):
        Budget(0, 21)
    assert np.exp(Budget(5, 21).log_limit) == pytest.approx(365 * 5 * 21)


def test_the_total_is_the_weighted_sum_over_every_start_and_bet():
    state, logs = open_stream(STREAM, REFERENCE), []
    weights = np.array([bet.weight for bet in STREAM.bets])
    for i, rows in enumerate(days_of(21, days=8)):
        closing = close_day(STREAM, state.observe(STREAM.count(rows)), START + timedelta(i), BUDGET)
        state = closing.state
        logs.append(closing.log_evidence)
        starts = sum(np.exp(np.sum(logs[start:], axis=0)) for start in range(len(logs)))
        assert not closing.alarm
        assert closing.log_total == pytest.approx(np.log(weights @ starts), abs=1e-9)


def test_the_change_point_is_the_best_start_of_the_leading_bet():
    rng = np.random.default_rng(12)
    days = [rng.normal(size=40) + (0.4 if day >= 20 else 0) for day in range(40)]
    state, logs, closing = open_stream(STREAM, REFERENCE), [], None
    for i, rows in enumerate(days):
        closing = close_day(STREAM, state.observe(STREAM.count(rows)), START + timedelta(i), BUDGET)
        logs.append(closing.log_evidence)
        state = closing.state
        if closing.alarm:
            break
    leading = STREAM.bets.index(closing.leading)
    tails = [sum(log[leading] for log in logs[start:]) for start in range(len(logs))]
    assert closing.alarm
    assert closing.onset == START + timedelta(int(np.argmax(tails)))
    assert abs((closing.onset - START).days - 20) <= 5


def test_rounding_does_not_begin_a_run():
    stream = BinaryStream("creatinine", "missing")
    state = open_stream(stream, [850, 150])
    noise, gain = np.full(9, 1e-16), np.full(9, 4.0)
    for day, evidence in enumerate([noise] * 20 + [gain]):
        closing = advance(
            stream, state.observe([1, 0]), START + timedelta(day), BUDGET, evidence, joins=False
        )
        state = closing.state
    assert closing.onset == START + timedelta(20)


def test_history_keeps_90_days_and_comes_back_exactly():
    rng = np.random.default_rng(5)
    state, history = open_stream(STREAM, REFERENCE), History()
    for i in range(95):
        state = state.observe(STREAM.count(rng.normal(size=5)))
        closing = close_day(STREAM, state, START + timedelta(i), BUDGET)
        state, history = closing.state, history.after(closing)
    assert len(history.days) == 90
    assert history.after(close_day(STREAM, state, START + timedelta(96), BUDGET)) is history
    back = History.from_bytes(history.to_bytes())
    assert back.to_bytes() == history.to_bytes()
    assert [past.day for past in back.since(START + timedelta(93))] == [
        START + timedelta(93),
        START + timedelta(94),
    ]
    assert History.from_bytes(History().to_bytes()).days == ()


@pytest.mark.parametrize("data", [b"x", b"AEVH\x01" + b"\x01\x00" * 3 + b"not zlib", b"AEVH" * 9])
def test_a_history_that_is_garbage_is_refused(data):
    with pytest.raises(EvidenceError, match="history"):
        History.from_bytes(data)
