import re
from datetime import date, timedelta

import pytest

from monitoring.quiet import quiet_spans, unquiet_days
from records.models import Alarm
from tests.monitoring.clinic import FIRST, NOW, Clinic, sign, without_creatinine

FAULT = FIRST + timedelta(days=25)
SIGNED = FAULT + timedelta(days=9)
LAST = SIGNED + timedelta(days=10)
MISSING = "missing:creatinine"


def test_the_days_of_a_fault_are_no_earlier_requests(any_clinic: Clinic) -> None:
    """Nine in ten lack creatinine at north, before the fault is signed and after."""
    for step in range((LAST - FIRST).days + 1):
        day = FIRST + timedelta(days=step)
        change = {"change": without_creatinine(0.9)} if day >= FAULT else {}
        any_clinic.record(day, 40, site="north", **change)
        any_clinic.record(day, 40, site="south")
    any_clinic.watch(SIGNED)
    for alarm in Alarm.objects.all():
        sign(alarm, "fault")
    any_clinic.watch(LAST)
    (alarm,) = Alarm.objects.filter(stream=MISSING, state="open")
    where = alarm.details["where"]
    (site,) = (one for one in where["dimensions"] if one["dimension"] == "site")
    found = re.search(r"at north: 9\d % there \((.*) % in earlier requests\), ", site["words"])
    assert found is not None
    assert float(found[1]) < 20  # 15 % without the fault, 36 % with its days
    assert where["earlier"] == FIRST.isoformat()
    assert where["left_out"] == [[FAULT.isoformat(), SIGNED.isoformat()]]


@pytest.mark.parametrize(
    ("stream", "decision", "unquiet"),
    [
        (MISSING, None, True),
        (MISSING, "fault", True),
        (MISSING, "accept", False),
        (MISSING, "false", False),
        (f"{MISSING}@north", "fault", True),
        (f"{MISSING}@north@7B", "fault", True),
        (f"{MISSING}@south", "fault", False),
        ("missing:creatinine_kinase", "fault", False),
        ("value:creatinine", "fault", False),
    ],
)
def test_quiet_days_are_those_without_an_open_alarm_or_a_fault(
    clinic: Clinic, stream: str, decision: str | None, unquiet: bool
) -> None:
    first, last = date(2024, 3, 1), date(2024, 3, 31)
    spans = [["2024-02-20", "2024-03-04"], ["2024-03-10", None]]
    alarm = Alarm.objects.create(
        model=clinic.model,
        version="1",
        stream=stream,
        raised_on=first,
        since=date(2024, 2, 20),
        recorded_at=NOW,
        details={"spans": spans, "through": "2024-03-20"},
    )
    if decision:
        sign(alarm, decision)
    found = unquiet_days(clinic.model, "1", f"{MISSING}@north", first, last)
    until = date(2024, 3, 20) if decision else last
    left = [(date(2024, 3, 5), date(2024, 3, 9)), (until + timedelta(days=1), last)]
    expected = left if decision else left[:1]
    assert quiet_spans(first, last, found) == (expected if unquiet else [(first, last)])


def test_an_alarm_leaves_the_days_before_its_change_quiet(clinic: Clinic) -> None:
    first, last = date(2024, 3, 1), date(2024, 3, 9)
    Alarm.objects.create(
        model=clinic.model,
        version="1",
        stream=MISSING,
        raised_on=date(2024, 3, 12),
        since=date(2024, 3, 10),
        recorded_at=NOW,
        details={"spans": [["2024-03-10", None]], "through": "2024-03-20"},
    )
    assert unquiet_days(clinic.model, "1", MISSING, first, last) == set()
    assert unquiet_days(clinic.model, "1", MISSING, first, date(2024, 3, 10)) == {date(2024, 3, 10)}


def test_an_alarm_is_compared_with_all_days_before_its_own(clinic: Clinic) -> None:
    for step in range(30):
        day = FIRST + timedelta(days=step)
        change = {"change": without_creatinine(0.9)} if day >= FAULT else {}
        clinic.record(day, 40, site="north", **change)
        clinic.record(day, 40, site="south")
    clinic.watch(FIRST + timedelta(days=29))
    alarm = Alarm.objects.get(stream=MISSING)
    assert alarm.since == FAULT
    where = alarm.details["where"]
    assert (where["earlier"], where["left_out"]) == (FIRST.isoformat(), [])
    (site,) = (one for one in where["dimensions"] if one["dimension"] == "site")
    assert sum(one["rows"] for one in site["groups"]) == 80 * 5
