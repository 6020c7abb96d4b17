"""What a small trend says of its stream's open alarms."""

from datetime import date, timedelta

from monitoring.console.trends import Quantity, draw
from records.models import Alarm, DayCount

FIRST = date(2026, 1, 1)


def _alarm(severity: str, first: int, last: int) -> Alarm:
    spans = [[str(FIRST + timedelta(days=first)), str(FIRST + timedelta(days=last))]]
    day = FIRST + timedelta(days=last)
    return Alarm(severity=severity, raised_on=day, since=day, details={"spans": spans})


def _days(count: int) -> list[DayCount]:
    return [
        DayCount(day=FIRST + timedelta(days=day), total=10, missing=0, mean=float(day % 3))
        for day in range(count)
    ]


def test_of_a_change_that_turned_both_parts_are_shaded_and_the_graver_alarm_is_told() -> None:
    before, after = _alarm("notice", 5, 20), _alarm("critical", 30, 39)

    for alarms in ([before, after], [after, before]):
        drawn = draw(Quantity("value:age", "Age", None), _days(40), alarms)

        assert drawn.alarm is after
        assert drawn.chart.count('class="changed"') == 2


def test_without_an_open_alarm_nothing_is_shaded() -> None:
    drawn = draw(Quantity("value:age", "Age", None), _days(40), [])

    assert drawn.alarm is None
    assert "changed" not in drawn.chart
