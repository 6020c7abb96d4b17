from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from monitoring.attribution import BINS, GRID, counted
from monitoring.evidence.detector import Budget, close_day, open_stream
from monitoring.evidence.numeric import NumericStream
from records.models import Alarm, DayCount
from tests.monitoring.clinic import FIRST, Clinic, older

FAULT = FIRST + timedelta(days=30)

tables = arrays(
    np.float64,
    st.tuples(st.integers(0, 30), st.integers(2, 6)),
    elements=st.floats(-5, 5, allow_subnormal=False),
)


@given(tables)
def test_shares_fall_into_the_bins_of_their_grid(contributions: np.ndarray) -> None:
    counts, means, rows = counted(contributions)
    whole = np.abs(contributions).sum(axis=1)
    shares = np.abs(contributions[whole > 0]) / whole[whole > 0, None]
    assert rows == shares.shape[0]
    assert (counts.sum(axis=1) == rows).all()
    away = np.abs(shares[..., None] - np.array(GRID.cuts)).min(axis=-1, initial=1) > 1e-12
    if rows and away.all():
        expected = np.stack([GRID.count(column) for column in shares.T])
        assert (counts == expected).all()
    if rows:
        assert means.sum() == pytest.approx(1)


@given(tables, st.randoms(use_true_random=False))
def test_neither_order_nor_sign_nor_scale_changes_the_counts(
    contributions: np.ndarray, random: Any
) -> None:
    order = list(range(len(contributions)))
    random.shuffle(order)
    counts, _, rows = counted(contributions)
    shuffled, _, again = counted(-4 * contributions[order])
    assert (counts == shuffled).all()
    assert rows == again


def test_rows_to_which_nothing_contributes_are_not_counted() -> None:
    counts, _, rows = counted(np.zeros((3, 2)))
    assert (counts.sum(), rows) == (0, 0)
    assert counts.shape == (2, BINS)


def test_years_of_shares_that_hold_raise_next_to_no_alarm() -> None:
    generator, budget, years = np.random.default_rng(3), Budget(1, 1), 12
    stream, alarmed = NumericStream("share", GRID), 0
    for _ in range(years):
        state, found = open_stream(stream, np.zeros(BINS, dtype=np.int64)), False
        for day in range(180):
            counts, _, _ = counted(generator.normal(size=(30, 4)) * [1.0, 0.5, 0.2, 0.1])
            closing = close_day(
                stream, state.observe(counts[1]), FIRST + timedelta(days=day), budget
            )
            state, found = closing.state, found or closing.alarm
        alarmed += found
    # half a year of a budget of one year: at most half of the runs; twelve runs, two errors
    assert alarmed <= years * 0.5 + 2 * np.sqrt(years * 0.25)
    assert alarmed < years / 3, "shares were far within their budget when measured"


def test_shares_that_move_with_a_feature_follow_from_its_alarm(clinic: Clinic) -> None:
    clinic.record_days(FIRST, 30)
    clinic.record_days(FAULT, 6, 80, change=older(30))
    found = {alarm.stream: alarm for alarm in clinic.watch(FAULT + timedelta(days=5)).open_alarms}
    assert {"value:age", "share:age"} <= set(found)
    assert found["share:age"].details["follows"] == found["value:age"].pk
    assert found["share:age"].summary.startswith("Age, its share of explanations runs higher by")


def with_contributions_of_other_features(clinic: Clinic, days: int) -> None:
    """The same people and risks, of which another feature is said to make the most."""
    for step in range(days):
        for made in clinic.record(FAULT + timedelta(days=step)):
            shares = np.frombuffer(made.contributions, dtype="<f8")
            made.contributions = shares[[2, 1, 0, 3]].tobytes()
            made.save(update_fields=["contributions"])


def test_shares_that_no_feature_explains_stand_alone(clinic: Clinic) -> None:
    clinic.record_days(FIRST, 30)
    with_contributions_of_other_features(clinic, 4)
    clinic.watch(FAULT + timedelta(days=3))
    alarm = Alarm.objects.get(stream="share:age")
    assert alarm.details["follows"] is None
    assert alarm.since == FAULT
    assert alarm.details["size"]["scale"] in ("SD", "share")
    row = DayCount.objects.get(stream="share:age", day=FAULT)
    assert (row.total, row.mean) == (60, 0.0)
