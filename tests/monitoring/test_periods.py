"""Which calendar windows performance is judged by, and when they close."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.definition import Definition
from monitoring.periods import Tally, WindowLength, choose, period_of, periods
from tests.monitoring.clinic import Clinic

LENGTHS: tuple[WindowLength, ...] = ("month", "quarter", "year")
TODAY = date(2026, 6, 1)


def definition(clinic: Clinic, *, horizon: int, asked: WindowLength | None = None) -> Definition:
    outcome = clinic.definition.outcome.model_copy(update={"horizon_days": horizon})
    limits = clinic.definition.monitoring.model_copy(update={"performance_window": asked})
    return clinic.definition.model_copy(update={"outcome": outcome, "monitoring": limits})


def months(events: int, others: int = 1000) -> dict[date, Tally]:
    return {date(2024 + m // 12, m % 12 + 1, 1): Tally(events, others) for m in range(24)}


@given(st.dates(date(1999, 1, 1), date(2050, 1, 1)), st.sampled_from(LENGTHS))
def test_windows_follow_each_other_without_a_gap(day: date, length: WindowLength) -> None:
    found = period_of(day, length)
    assert found.first <= day <= found.last
    assert period_of(found.last, length) == period_of(found.first, length) == found
    following = period_of(found.last + timedelta(days=1), length)
    assert following.first == found.last + timedelta(days=1)
    assert following.label > found.label


def test_windows_are_named_as_people_name_them() -> None:
    day = date(2024, 5, 17)
    assert [period_of(day, one).label for one in LENGTHS] == ["2024-05", "2024 Q2", "2024"]
    assert [period.label for period in periods(list(months(1)), "year")] == ["2024", "2025"]


@pytest.mark.parametrize(
    ("horizon", "events", "length"),
    [
        (1, 100, "month"),
        (1, 99, "quarter"),
        (1, 20, "year"),
        (90, 100, "quarter"),
        (90, 30, "year"),
        (1826, 500, "year"),
    ],
)
def test_the_shortest_that_suffices_and_is_no_shorter_than_the_horizon_is_chosen(
    clinic: Clinic, horizon: int, events: int, length: WindowLength
) -> None:
    found = choose(definition(clinic, horizon=horizon), months(events), TODAY)
    assert found.length == length
    assert "100 events and 100 non-events" in found.because


def test_few_non_events_lengthen_windows_too(clinic: Clinic) -> None:
    assert choose(definition(clinic, horizon=1), months(500, 40), TODAY).length == "quarter"


def test_only_closed_windows_count(clinic: Clinic) -> None:
    early = {date(2026, 4, 1): Tally(500, 500), date(2026, 5, 1): Tally(500, 500)}
    # with thirty days of reporting delay, April closes on 31 May
    assert choose(definition(clinic, horizon=1), early, date(2026, 5, 31)).length == "year"
    assert choose(definition(clinic, horizon=1), early, TODAY).length == "month"


def test_a_definition_that_asks_is_followed(clinic: Clinic) -> None:
    found = choose(definition(clinic, horizon=1, asked="quarter"), months(5000), TODAY)
    assert (found.length, found.because) == ("quarter", "the definition asks for it")
