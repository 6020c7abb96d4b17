from datetime import date, timedelta

import numpy as np
import pytest

from monitoring import ledger
from monitoring.evidence.state import StreamState
from monitoring.validity import validity
from monitoring.watchlist import watched_streams
from records.models import Alarm, DayCount, Stream
from tests.monitoring.clinic import FIRST, Clinic, older, sign

CALM, HIGHER = 10, 20
OLDER_FROM = FIRST + timedelta(days=CALM)
YOUNGER_FROM = OLDER_FROM + timedelta(days=HIGHER)
LAST = YOUNGER_FROM + timedelta(days=9)
AGE = "value:age"


def record_turn(clinic: Clinic) -> None:
    """Record people as usual, then older ones, then much younger ones."""
    clinic.record_days(FIRST, CALM)
    clinic.record_days(OLDER_FROM, HIGHER, change=older(8))
    clinic.record_days(YOUNGER_FROM, 10, change=older(-14))


def ages() -> list[Alarm]:
    return list(Alarm.objects.filter(stream=AGE).order_by("pk"))


def reference_rows(clinic: Clinic) -> int:
    row = Stream.objects.get(name=AGE)
    trained = next(
        one for one in watched_streams(clinic.definition, clinic.profile) if one.key == AGE
    )
    return int(StreamState.from_bytes(bytes(row.state)).reference.sum() - trained.reference.sum())


def sign_and_watch(clinic: Clinic, alarm: Alarm, decision: str) -> None:
    """Close an alarm by a decision and watch one more day, on which it is settled."""
    sign(alarm, decision)
    alarm.refresh_from_db()
    through = Stream.objects.get(name=AGE).closed_through
    assert through is not None
    clinic.record(through + timedelta(days=1), 1)
    clinic.watch(through + timedelta(days=1))


def test_a_turn_of_an_alarmed_feature_is_an_alarm_of_its_own(clinic: Clinic) -> None:
    record_turn(clinic)
    clinic.watch(LAST)
    first, turn = ages()
    assert (first.details["direction"], turn.details["direction"]) == ("higher", "lower")
    assert first.since == OLDER_FROM
    assert YOUNGER_FROM <= turn.raised_on <= YOUNGER_FROM + timedelta(days=3)
    assert first.details["until"] == turn.details["onset"]
    assert first.details["size"]["low"] > 0 > turn.details["size"]["high"]
    assert " by -" not in turn.summary
    assert first.summary.endswith(f"until it turned on {turn.details['onset']}.")
    assert validity(ages()).reasons == (turn.summary,)


def test_a_turn_is_measured_against_the_days_of_the_alarm_before_it(clinic: Clinic) -> None:
    record_turn(clinic)
    clinic.watch(LAST)
    _, turn = ages()
    before, now = turn.details["medians"][0], turn.details["medians"][1]
    assert before == pytest.approx(65 + 8, abs=2)
    assert now == pytest.approx(65 - 14, abs=2)


def test_a_turn_is_found_alike_day_by_day_and_all_at_once(clinic: Clinic) -> None:
    record_turn(clinic)
    clinic.watch(LAST)
    at_once = [(a.raised_on, a.since, a.summary, a.details["rows"]) for a in ages()]
    for table in (Alarm, DayCount, Stream):
        table.objects.all().delete()
    for days in range((LAST - FIRST).days + 1):
        clinic.watch(FIRST + timedelta(days=days))
    assert [(a.raised_on, a.since, a.summary, a.details["rows"]) for a in ages()] == at_once


def test_sixty_days_of_one_change_are_one_alarm(clinic: Clinic) -> None:
    clinic.record_days(FIRST, CALM)
    clinic.record_days(OLDER_FROM, 60, change=older(8))
    clinic.watch(OLDER_FROM + timedelta(days=59))
    (alarm,) = ages()
    assert "until" not in alarm.details
    assert alarm.details["rows"] == 60 * 60


def test_a_small_change_that_grows_severe_in_another_form_is_a_turn(clinic: Clinic) -> None:
    def some_ancient(columns: dict[str, np.ndarray], generator: np.random.Generator) -> None:
        columns["age"] = np.where(generator.random(len(columns["age"])) < 0.5, 118.0, 18.0)

    clinic.record_days(FIRST, CALM)
    clinic.record_days(OLDER_FROM, 30, change=older(3))
    clinic.record_days(OLDER_FROM + timedelta(days=30), 5, change=some_ancient)
    clinic.watch(OLDER_FROM + timedelta(days=34))
    first, turn = ages()
    assert first.details["direction"] == "higher"
    assert turn.details["direction"] == "more spread"
    assert turn.severity == "critical"


def test_a_false_turn_gives_its_days_back_to_the_alarm_before_it(clinic: Clinic) -> None:
    record_turn(clinic)
    clinic.watch(LAST)
    first, turn = ages()
    held = reference_rows(clinic)
    sign_and_watch(clinic, turn, "false")
    first.refresh_from_db()
    assert "until" not in first.details
    assert reference_rows(clinic) == held
    sign_and_watch(clinic, first, "false")
    days = DayCount.objects.filter(stream=AGE, day__lt=LAST + timedelta(days=3))
    counted = sum(int(ledger.unpack(bytes(row.counts)).sum()) for row in days)
    assert reference_rows(clinic) == pytest.approx(counted, abs=1)


def test_a_false_alarm_gives_up_its_own_days_and_not_those_of_its_turn(clinic: Clinic) -> None:
    record_turn(clinic)
    clinic.watch(LAST)
    first, turn = ages()
    sign_and_watch(clinic, first, "false")
    turned = date.fromisoformat(turn.details["onset"])
    assert reference_rows(clinic) == 60 * (turned - FIRST).days


def test_an_accepted_turn_is_the_new_reference_and_an_older_one_changes_nothing(
    clinic: Clinic,
) -> None:
    record_turn(clinic)
    clinic.watch(LAST)
    first, turn = ages()
    words = first.summary
    sign_and_watch(clinic, turn, "accept")
    first.refresh_from_db()
    assert first.summary == words
    days = (LAST - turn.since).days + 1
    row = Stream.objects.get(name=AGE)
    held = StreamState.from_bytes(bytes(row.state)).reference.sum()
    assert held == 60 * days
    sign_and_watch(clinic, first, "accept")
    row.refresh_from_db()
    assert StreamState.from_bytes(bytes(row.state)).reference.sum() >= held
