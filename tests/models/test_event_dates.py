import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.definition import Outcome
from models.event_dates import WHEN_KNOWN, EventDates


def outcome(horizon: int, delay: int) -> Outcome:
    return Outcome(
        title="Event",
        definition="An event",
        horizon_days=horizon,
        time_zero="Prediction",
        reporting_delay_days=delay,
    )


def dates(horizon: int, delay: int, days: np.ndarray) -> EventDates:
    return EventDates.of(outcome(horizon, delay), days, np.ones(days.size, dtype=np.bool_))


@given(
    days=st.lists(st.floats(0, 100) | st.just(float("nan")), max_size=40),
    horizon=st.integers(1, 50),
    delay=st.integers(0, 20),
    seed=st.integers(0, 9),
)
def test_every_reported_event_is_counted_once(
    days: list[float], horizon: int, delay: int, seed: int
) -> None:
    happened = np.random.default_rng(seed).random(len(days)) < 0.5
    found = EventDates.of(outcome(horizon, delay), np.array(days, dtype=np.float64), happened)
    told = [day for day, did in zip(days, happened, strict=True) if did and day == day]
    assert found.within == sum(day <= horizon for day in told)
    assert found.after == len(told) - found.within
    assert found.in_delay == sum(horizon < day <= horizon + delay for day in told)
    assert bool(found.notes) == bool(found.after)


@pytest.mark.parametrize(("horizon", "delay"), [(2, 1), (7, 2), (30, 1), (30, 30), (1825, 90)])
def test_events_that_come_as_often_after_the_horizon_as_before_are_not_suspected(
    horizon: int, delay: int
) -> None:
    days = np.random.default_rng(4).uniform(0, horizon + delay, 2000)
    found = dates(horizon, delay, days)
    assert found.after > 0
    assert found.suspicions == ()


@pytest.mark.parametrize(("horizon", "delay"), [(2, 1), (7, 2), (30, 10)])
def test_events_that_are_dated_late_by_the_whole_delay_are_suspected(
    horizon: int, delay: int
) -> None:
    happened = np.random.default_rng(4).uniform(0, horizon, 6000)
    assert dates(horizon, delay, happened).suspicions == ()
    (words,) = dates(horizon, delay, happened + delay).suspicions
    assert WHEN_KNOWN in words


def test_where_reports_come_at_once_nothing_can_be_told_and_the_count_is_said() -> None:
    found = dates(2, 0, np.full(300, 2.5))
    assert found.suspicions == ()
    assert found.notes[0].startswith("300 reported events are dated after the horizon")


def test_one_event_after_the_horizon_is_said_in_the_singular() -> None:
    (words,) = dates(1, 1, np.array([0.5, 5.0])).notes
    assert words == (
        "1 reported event is dated after the horizon and counts as none within 1 day of the "
        "prediction"
    )
