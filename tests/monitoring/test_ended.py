from datetime import timedelta
from typing import Any

import numpy as np
import pytest

from monitoring.alarms import by_cause, where_words
from records.models import Alarm, DayCount, Stream
from tests.monitoring.clinic import (
    FIRST,
    Change,
    Clinic,
    older,
    unchanged,
    without_creatinine,
)

FAULT = FIRST + timedelta(days=10)
REPAIRED = FAULT + timedelta(days=10)
LAST = REPAIRED + timedelta(days=29)
MISSING = "missing:creatinine"


def too_high(columns: dict[str, Any], generator: np.random.Generator) -> None:
    columns["creatinine"] = columns["creatinine"] * 1.8


def in_umol(columns: dict[str, Any], generator: np.random.Generator) -> None:
    columns["creatinine"][generator.random(len(columns["creatinine"])) < 0.3] *= 88.42


def found() -> dict[str, Alarm]:
    return {alarm.stream: alarm for alarm in Alarm.objects.order_by("pk")}


def told() -> dict[str, tuple[object, ...]]:
    return {
        name: (one.summary, one.severity, one.details["size"], one.details["risk"]["mean"])
        for name, one in found().items()
        if name.startswith(("missing:", "value:"))
    }


def test_an_alarm_whose_change_ended_speaks_of_its_days_alone(clinic: Clinic) -> None:
    clinic.record_days(FIRST, 10)
    clinic.record_days(FAULT, 10, change=without_creatinine(0.5))
    clinic.record_days(REPAIRED, 30)
    clinic.watch(LAST)
    at_once, alarm = told(), found()[MISSING]
    until = REPAIRED - timedelta(days=1)
    assert alarm.state == "open"
    assert alarm.severity == "critical"
    assert alarm.summary.startswith("Creatinine in serum was missing in ")
    assert alarm.summary.endswith(f" before, from {FAULT} to {until}; since then as before.")
    assert alarm.details["rows"] == alarm.details["predictions_since"] == 600
    assert 0.5 < alarm.details["size"]["now"] < 0.7
    assert alarm.details["ended"] == until.isoformat()
    states = {row.name: bytes(row.state) for row in Stream.objects.all()}
    for table in (Alarm, DayCount, Stream):
        table.objects.all().delete()
    for days in (12, 14, 17, 19, 22, 30, 40, 49):
        clinic.watch(FIRST + timedelta(days=days))
    assert told() == at_once
    assert {row.name: bytes(row.state) for row in Stream.objects.all()} == states


def test_what_followed_from_a_change_still_does_when_it_has_ended(clinic: Clinic) -> None:
    clinic.record_days(FIRST, 10)
    clinic.record_days(FAULT, 10, change=too_high)
    clinic.record_days(REPAIRED, 30)
    clinic.watch(LAST)
    alarms = found()
    assert {"value:creatinine", "score", "alerts:0.2"} <= set(alarms)
    ((cause, consequences),) = by_cause(alarms.values())
    assert cause.stream == "value:creatinine"
    assert len(consequences) == len(alarms) - 1
    assert cause.details["risk"]["rows"] == 600
    assert cause.details["where"]["last"] == cause.details["ended"]


def test_where_an_ended_change_sat_is_told_in_the_past_tense(clinic: Clinic) -> None:
    for step in range(40):
        day = FIRST + timedelta(days=step)
        fault = {"change": without_creatinine(0.8)} if FAULT <= day < REPAIRED else {}
        clinic.record(day, 40, site="north", **fault)
        clinic.record(day, 40, site="south")
    clinic.watch(FIRST + timedelta(days=14))
    assert where_words(found()[MISSING])[0].startswith("It sits at north: 8")
    clinic.watch(FIRST + timedelta(days=39))
    assert where_words(found()[MISSING])[0].startswith("It sat at north: 8")


def test_a_change_that_comes_back_is_told_by_the_alarm_that_is_open(clinic: Clinic) -> None:
    clinic.record_days(FIRST, 10)
    clinic.record_days(FAULT, 10, change=without_creatinine(0.5))
    clinic.record_days(REPAIRED, 20)
    again = REPAIRED + timedelta(days=20)
    clinic.record_days(again, 5, change=without_creatinine(0.5))
    clinic.watch(again + timedelta(days=4))
    (alarm,) = Alarm.objects.filter(stream=MISSING)
    until = REPAIRED - timedelta(days=1)
    assert alarm.summary.endswith(f", from {FAULT} to {until} and since {again}.")
    assert " is missing in " in alarm.summary
    assert alarm.details["rows"] == alarm.details["predictions_since"] == 15 * 60
    assert alarm.details["ended"] is None


@pytest.mark.parametrize(("change", "follows"), [(too_high, "value:creatinine"), (older(15), None)])
def test_refusals_of_a_features_values_follow_from_its_change_alone(
    clinic: Clinic, change: Change, follows: str | None
) -> None:
    clinic.record_days(FIRST, 10)
    clinic.record_days(FAULT, 10, change=change)
    for step in range(10):
        clinic.refuse(FAULT + timedelta(days=step), 20, "implausible")
    clinic.record_days(REPAIRED, 5)
    clinic.watch(REPAIRED + timedelta(days=4))
    alarms = found()
    cause = alarms[follows].pk if follows else None
    assert alarms["refusals:value"].details["follows"] == cause
    assert "value:creatinine" in alarms or follows is None


def test_refusals_such_as_there_never_were_end_when_they_are_gone(clinic: Clinic) -> None:
    clinic.record_days(FIRST, 10)
    clinic.record_days(FAULT, 10)
    for step in range(10):
        clinic.refuse(FAULT + timedelta(days=step), 12)
    clinic.record_days(REPAIRED, 10)
    clinic.watch(LAST - timedelta(days=20))
    until = REPAIRED - timedelta(days=1)
    alarm = Alarm.objects.get(stream="refusals:unit")
    assert alarm.details["size"]["before"] == 0
    assert alarm.details["ended"] == until.isoformat()
    assert alarm.summary.startswith("A request was refused for a unit in 17 %")
    assert alarm.summary.endswith(f"0 % before, from {FAULT} to {until}; since then as before.")


def test_the_end_of_a_change_is_no_change_where_its_first_days_had_joined_the_reference(
    clinic: Clinic,
) -> None:
    # people for whom the site's days before are so few that three days of the change are many
    clinic.recorded = 3_000_000
    for i in range(75):
        faulty = 20 <= i < 26
        clinic.record(FIRST + timedelta(i), 40, in_umol if faulty else unchanged, site="north")
        clinic.record(FIRST + timedelta(i), 30, site="south")
    clinic.watch(FIRST + timedelta(days=74))
    north = [one for one in Alarm.objects.all() if one.stream == "alerts:0.2@north"]
    assert len(north) == 1
    assert " was reached in " in north[0].summary
    assert " until it turned " not in north[0].summary
