"""How severe an alarm is at its worst, and that no day is weighed for it twice."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitoring import alarms
from monitoring.alarms import Case, gravest, severity
from monitoring.evidence.binary import BinaryStream
from monitoring.evidence.size import Size
from monitoring.strata import of_its_kind
from monitoring.streams import DayRows, Seen, Watched, seen_events
from records.models import Alarm
from tests.monitoring.clinic import FIRST, Clinic, without_creatinine

STREAM = BinaryStream("Heart rate", "missing", 0.1)
BEFORE = np.array([[9_500, 500], [9_500, 500]])
RAISED = FIRST + timedelta(days=2)


def nothing_seen(rows: DayRows) -> Seen:
    return seen_events(STREAM, np.zeros(0, dtype=np.bool_))


def case(missing: Sequence[int], before: np.ndarray = BEFORE) -> Case:
    """Return the case of days with so many of 100 missing each, 5 % before."""
    days = [FIRST + timedelta(days=number) for number in range(len(missing))]
    return Case(
        Watched("missing:heart", "missing", "", "binary", STREAM, before[0], nothing_seen),
        len(STREAM.bets) - 2,
        FIRST,
        before,
        tuple(
            (day, of_its_kind(day, np.array([100 - one, one])))
            for day, one in zip(days, missing, strict=True)
        ),
        RAISED,
        12.0,
        lambda day: before[0],
        1.0,
    )


DAILY = st.lists(st.sampled_from([3, 5, 8, 15, 30, 60]), min_size=1, max_size=25)


@given(DAILY, st.lists(st.integers(3, 30), max_size=5))
def test_what_was_kept_of_earlier_days_never_changes_a_severity(
    later: list[int], runs: list[int]
) -> None:
    missing = [12, 14, 13, *later]
    known = None
    for through in sorted({min(run, len(missing)) for run in runs}):
        known = gravest(case(missing[:through]), known)[1]
    assert gravest(case(missing), known) == gravest(case(missing))


def at_its_worst(missing: Sequence[int]) -> str:
    """Return the gravest of the sizes of all days so far, on each day since it was raised."""
    whole = case(missing)
    found = [
        severity(whole.size(whole.changed[: at + 1]))
        for at, (day, _) in enumerate(whole.changed)
        if day >= RAISED
    ]
    return max(found, key=alarms.RANK.__getitem__)


@given(DAILY)
def test_a_severity_is_that_of_the_worst_day_so_far(later: list[int]) -> None:
    assert gravest(case([12, 14, 13, *later]))[0] == at_its_worst([12, 14, 13, *later])


def test_days_are_weighed_again_where_they_or_their_reference_changed() -> None:
    kept = gravest(case([8] * 10))[1]
    assert kept is not None
    forged = {**kept, "severity": "critical"}
    assert gravest(case([8] * 11), forged)[0] == "critical"
    assert gravest(case([8] * 5 + [9] * 6), forged)[0] == "notice"
    assert gravest(case([8] * 11, BEFORE + 1), forged)[0] == "notice"


def test_a_run_weighs_the_days_that_are_new(
    clinic: Clinic, monkeypatch: pytest.MonkeyPatch
) -> None:
    weighed: list[Size] = []

    def counted(size: Size) -> alarms.Severity:
        weighed.append(size)
        return severity(size)

    clinic.record_days(FIRST, 10)
    clinic.record_days(FIRST + timedelta(days=10), 20, change=without_creatinine(0.15))
    clinic.watch(FIRST + timedelta(days=26))
    (alarm,) = Alarm.objects.all()
    assert alarm.severity == "warning"
    monkeypatch.setattr(alarms, "severity", counted)
    clinic.watch(FIRST + timedelta(days=26))
    assert weighed == []
    again = Alarm.objects.get()
    assert (again.details, again.severity) == (alarm.details, alarm.severity)
    clinic.watch(FIRST + timedelta(days=28))
    assert len(weighed) == 2
    kept = Alarm.objects.get().details["graded"]
    # forgotten, the same is found anew
    Alarm.objects.update(details={**alarm.details, "graded": None})
    clinic.watch(FIRST + timedelta(days=28))
    assert Alarm.objects.get().details["graded"] == kept
    assert len(weighed) > 4


def test_an_alarm_whose_change_was_over_before_it_was_raised_is_graded_by_its_days() -> None:
    late = replace(case([30] * 4 + [3] * 20), raised_on=date(2024, 1, 6))
    assert late.changed[-1][0] < late.raised_on
    assert gravest(late) == ("critical", None)
