"""Rows that come after their day was closed: an alarm that they raise tells of their days."""

from datetime import date, timedelta

import numpy as np
from numpy.typing import NDArray

from monitoring import epochs
from monitoring.evidence.state import StreamState
from monitoring.late_rows import LateRows
from records.models import Alarm, Stream
from tests.monitoring.clinic import FIRST, Clinic, older, sign, without_creatinine

DAYS = 60
# of the closed days, those that rows come late for
LATE = [FIRST + timedelta(days=step) for step in range(25, 31)]
OPEN = FIRST + timedelta(days=DAYS)


def closed(clinic: Clinic) -> None:
    """Close some quiet days."""
    clinic.record_days(FIRST, DAYS)
    assert not clinic.watch(OPEN - timedelta(days=1)).alarms


def reference(clinic: Clinic, stream: str) -> NDArray[np.int64]:
    return StreamState.from_bytes(bytes(Stream.objects.get(name=stream).state)).reference


def test_an_alarm_that_late_rows_raise_tells_of_their_days(clinic: Clinic) -> None:
    closed(clinic)
    for day in LATE:
        clinic.record(day, 60, change=without_creatinine(0.9))
    clinic.record(OPEN)
    clinic.watch(OPEN)
    alarm = Alarm.objects.get(stream="missing:creatinine")
    assert alarm.raised_on == OPEN
    assert alarm.since == LATE[0]
    assert alarm.details["ended"] == LATE[-1].isoformat()
    assert alarm.details["late"] == {"rows": 360, "through": LATE[-1].isoformat()}
    # half of those days' requests came in time, with 15 % missing
    assert 0.45 < alarm.details["size"]["now"] < 0.6
    assert 0.12 < alarm.details["size"]["before"] < 0.18
    assert f"from {LATE[0]} to {LATE[-1]}; since then as before." in alarm.summary


def test_the_change_is_dated_to_the_late_rows_that_show_it(clinic: Clinic) -> None:
    closed(clinic)
    clinic.record(FIRST + timedelta(days=3), 5)
    for day in LATE:
        clinic.record(day, 60, change=older(12))
    clinic.record(OPEN)
    clinic.watch(OPEN)
    alarm = Alarm.objects.get(stream="value:age")
    assert alarm.since == LATE[0]
    assert alarm.details["direction"] == "higher"
    assert alarm.details["size"]["now"] > 0.3


def test_an_alarm_of_rows_in_time_keeps_its_days_though_a_few_come_late(clinic: Clinic) -> None:
    closed(clinic)
    clinic.record(LATE[0], 2)
    clinic.record(OPEN, 120, change=without_creatinine(0.9))
    clinic.watch(OPEN)
    alarm = Alarm.objects.get(stream="missing:creatinine")
    assert "late" not in alarm.details
    assert alarm.since == OPEN


def test_a_fault_of_late_rows_takes_nothing_from_the_reference_that_came_in_time(
    clinic: Clinic,
) -> None:
    closed(clinic)
    before = reference(clinic, "missing:creatinine")
    for day in LATE:
        clinic.record(day, 60, change=without_creatinine(0.9))
    clinic.record(OPEN)
    clinic.watch(OPEN)
    sign(Alarm.objects.get(stream="missing:creatinine"), "fault")
    clinic.record(OPEN + timedelta(days=1))
    clinic.watch(OPEN + timedelta(days=1))
    more = reference(clinic, "missing:creatinine") - before
    assert (more >= 0).all()
    assert more.sum() == 60
    left_out = epochs.left_out(Alarm.objects.get(stream="missing:creatinine"))
    assert left_out is not None
    assert (left_out.first, left_out.last) == (OPEN, OPEN)


def test_late_rows_of_several_days_are_each_of_their_own_kind_of_day() -> None:
    late = LateRows()
    late.add("one", date(2026, 1, 2), np.array([3, 1]))
    late.add("one", date(2026, 1, 3), np.array([2, 2]))
    late.add("one", date(2026, 1, 3), np.array([1, 0]))
    late.add("two", date(2026, 1, 3), np.array([0, 0]))
    # a Friday and a Saturday
    assert sorted(counts.tolist() for counts in late.rows("one").values()) == [[3, 1], [3, 2]]
    assert not late.rows("two")
