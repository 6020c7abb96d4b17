from datetime import date, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitoring.traffic import silent_since

MONDAY = date(2024, 1, 1)
LIMIT = 10.0


def feed(weekly: list[int], weeks: int) -> dict[date, int]:
    return {MONDAY + timedelta(days=day): weekly[day % 7] for day in range(7 * weeks)}


def silent(requests: dict[date, int], days: int) -> date:
    last = max(requests)
    for step in range(1, days + 1):
        requests[last + timedelta(days=step)] = 0
    return max(requests)


def test_a_busy_feed_is_silent_after_one_day() -> None:
    requests = feed([100] * 7, 3)
    day = silent(requests, 1)
    assert silent_since(requests, day, LIMIT) == day


def test_a_clinic_that_closes_at_weekends_is_not_silent_then() -> None:
    requests = feed([100] * 5 + [0, 0], 5)
    for day in requests:
        assert silent_since(requests, day, LIMIT) is None
    monday = silent(requests, 1)
    # the weekend before it belongs to the silence
    assert silent_since(requests, monday, LIMIT) == monday - timedelta(days=2)


def test_a_feed_of_few_requests_may_rest_for_days() -> None:
    requests = feed([1, 0, 0, 1, 0, 0, 0], 8)
    assert silent_since(requests, silent(requests, 7), LIMIT) is None
    assert silent_since(requests, silent(requests, 60), LIMIT) is not None


def test_nothing_is_called_silent_before_two_weeks_were_seen() -> None:
    requests = feed([100] * 7, 1)
    assert silent_since(requests, silent(requests, 1), LIMIT) is None


@pytest.mark.parametrize("days", [1, 5, 7, 10, 13])
def test_a_feed_that_ends_in_its_first_two_weeks_is_silent_after_them(days: int) -> None:
    requests = {MONDAY + timedelta(days=day): 100 for day in range(days)}
    first, last = MONDAY + timedelta(days=days), MONDAY + timedelta(days=13)
    before = silent(requests, 13 - days)
    assert silent_since(requests, before, LIMIT) is None
    assert silent(requests, 1) == last
    assert silent_since(requests, last, LIMIT) == first


def test_a_few_requests_at_first_leave_no_doubt_only_after_long() -> None:
    requests = {MONDAY: 3}
    assert silent_since(requests, silent(requests, 60), LIMIT) is None
    assert silent_since(requests, silent(requests, 200), LIMIT) == MONDAY + timedelta(days=1)


def test_a_feed_that_never_began_is_not_silent() -> None:
    assert silent_since({MONDAY: 0}, MONDAY, LIMIT) is None


@settings(deadline=None, max_examples=25)
@given(rate=st.floats(0.2, 5), seed=st.integers(0, 10_000))
def test_a_steady_feed_is_never_called_silent_in_two_years(rate: float, seed: int) -> None:
    counts = np.random.default_rng(seed).poisson(rate, 730)
    requests = {MONDAY + timedelta(days=day): int(count) for day, count in enumerate(counts)}
    # the chance is at most 730 e^-13 or 1 in 600 for each of the 25 examples
    assert all(silent_since(requests, day, 13.0) is None for day in requests)
