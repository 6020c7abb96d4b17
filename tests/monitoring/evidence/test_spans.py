from datetime import date, timedelta
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitoring.evidence.binary import BinaryStream
from monitoring.evidence.spans import Span, daily_evidence, of_one_form, spans_of, words_of

FIRST, LIMIT = date(2024, 1, 1), 12.0
STREAM = BinaryStream("Heart rate", "missing", 0.1)
BET = STREAM.bets[-2]
PHASE = st.tuples(st.integers(1, 25), st.sampled_from([5, 6, 30, 45]))


def day(number: int) -> date:
    return FIRST + timedelta(days=number)


def spans(missing: list[int], raised: int = 2, rows: int = 100) -> list[Span]:
    """Return the spans of days with so many of 100 missing each, 5 % of 10,000 before."""
    days = [day(number) for number in range(len(missing))]
    counts = np.array([[rows - one, one] for one in missing])
    bags = np.tile([9_500, 500], (len(missing), 1))
    gains = daily_evidence(STREAM, BET, bags, counts)
    return spans_of(days, gains, day(raised), LIMIT)


def test_a_change_that_lasts_has_no_end() -> None:
    assert spans([30] * 40) == [Span(FIRST)]


def test_a_change_that_was_smaller_than_its_first_days_has_no_end() -> None:
    assert spans([45] * 3 + [14] * 60) == [Span(FIRST)]


def test_a_change_ends_on_its_last_day_once_quiet_days_have_taken_evidence_back() -> None:
    assert spans([30] * 20 + [12]) == [Span(FIRST)]
    assert spans([30] * 20 + [5] * 20) == [Span(FIRST, day(19))]


def test_a_change_that_comes_back_while_its_alarm_is_open_is_a_span_of_its_own() -> None:
    came_back = [30] * 20 + [5] * 30 + [30] * 5
    assert spans(came_back) == [Span(FIRST, day(19)), Span(day(50))]
    assert spans(came_back + [5] * 30) == [Span(FIRST, day(19)), Span(day(50), day(54))]


def test_a_change_does_not_end_before_its_alarm_was_raised() -> None:
    assert spans([30] * 3 + [5] * 20, raised=30) == [Span(FIRST)]


def test_days_without_evidence_leave_a_change_open() -> None:
    assert spans_of([FIRST], np.array([[-50.0]]), day(-1), LIMIT) == [Span(FIRST)]


def test_only_bets_of_the_leading_ones_form_tell_an_end() -> None:
    forms = {STREAM.bets[at].direction for at in of_one_form(STREAM, BET)}
    assert forms == {"more missing"}


@given(st.lists(PHASE, min_size=1, max_size=6))
def test_spans_are_in_order_apart_and_only_the_last_goes_on(phases: list[tuple[int, int]]) -> None:
    missing = [30] * 3 + [rate for days, rate in phases for _ in range(days)]
    found = spans(missing)
    assert found[0].first == FIRST
    assert all(one.last is not None for one in found[:-1])
    for one, after in pairwise(found):
        assert one.last is not None
        assert one.first <= one.last < after.first - timedelta(days=3)
    assert found[-1].last is None or found[-1].first <= found[-1].last <= day(len(missing) - 1)


@given(st.integers(4, 25), st.integers(6, 40), st.integers(1, 40))
def test_later_quiet_days_leave_an_end_where_it_was(changed: int, quiet: int, more: int) -> None:
    assert spans([30] * changed + [5] * (quiet + more)) == spans([30] * changed + [5] * quiet)


@pytest.mark.parametrize(
    ("found", "words"),
    [
        ([Span(FIRST)], "since 2024-01-01"),
        ([Span(FIRST, day(9))], "from 2024-01-01 to 2024-01-10"),
        ([Span(FIRST, FIRST), Span(day(9))], "on 2024-01-01 and since 2024-01-10"),
    ],
)
def test_spans_are_worded_by_their_days(found: list[Span], words: str) -> None:
    assert words_of(found) == words
