from datetime import date, timedelta
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitoring.evidence.binary import BinaryStream
from monitoring.evidence.categorical import CategoricalStream
from monitoring.evidence.spans import Span, daily_evidence, of_one_form, spans_of, words_of

FIRST, LIMIT = date(2024, 1, 1), 12.0
STREAM = BinaryStream("Heart rate", "missing", 0.1)
BET = STREAM.bets[-2]
PHASE = st.tuples(st.integers(1, 25), st.sampled_from([5, 6, 30, 45]))


def day(number: int) -> date:
    return FIRST + timedelta(days=number)


def spans(
    missing: list[int], raised: int = 2, rows: int = 100, before: tuple[int, int] = (9_500, 500)
) -> list[Span]:
    """Return the spans of days with so many of 100 missing each, 5 % of 10,000 before."""
    days = [day(number) for number in range(len(missing))]
    counts = np.array([[rows - one, one] for one in missing])
    bags = np.tile(before, (len(missing), 1))
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


RARE = pytest.mark.parametrize("before", [(600, 0), (10_000, 0), (1_000_000, 0), (10_000, 3)])


@RARE
@pytest.mark.parametrize("rate", [2, 10, 30, 100])
def test_what_never_was_before_ends_when_it_is_gone_again(before: Any, rate: int) -> None:
    assert spans([rate] * 40, before=before) == [Span(FIRST)]
    assert spans([rate] * 20 + [0] * 20, before=before) == [Span(FIRST, day(19))]
    came_back = [rate] * 20 + [0] * 20 + [rate] * 10
    assert spans(came_back, before=before) == [Span(FIRST, day(19)), Span(day(40))]


@RARE
def test_what_never_was_before_has_no_end_while_there_is_some(before: Any) -> None:
    assert spans([40] * 10 + [3] * 30, before=before) == [Span(FIRST)]


@RARE
def test_a_single_event_of_what_is_gone_again_brings_nothing_back(before: Any) -> None:
    assert spans([30] * 20 + [0] * 20 + [1] + [0] * 20, before=before) == [Span(FIRST, day(19))]


def test_what_always_was_ends_in_the_same_way() -> None:
    bet = STREAM.bets[0]
    rows = np.array([[60, 40]] * 20 + [[0, 100]] * 20)
    gains = daily_evidence(STREAM, bet, np.tile([0, 10_000], (40, 1)), rows)
    found = spans_of([day(number) for number in range(40)], gains, day(2), LIMIT)
    assert found == [Span(FIRST, day(19))]


def test_codes_that_were_never_known_end_in_the_same_way() -> None:
    stream = CategoricalStream("Ward", ("medical", "surgical"), 0.1)
    bet = next(one for one in stream.bets if one.direction == "more unknown codes")
    rows = np.array([[50, 40, 10]] * 20 + [[60, 40, 0]] * 20)
    gains = daily_evidence(stream, bet, np.tile([6_000, 4_000, 0], (40, 1)), rows)
    found = spans_of([day(number) for number in range(40)], gains, day(2), LIMIT)
    assert found == [Span(FIRST, day(19))]


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
