"""Streams that open while others are watched already, as after an upgrade."""

from datetime import date, timedelta
from typing import Any

import pytest

from models.errors import RecordError
from monitoring import watchlist
from records.models import Alarm, DayCount, Stream
from tests.monitoring.clinic import FIRST, Clinic, older, without_creatinine

LATER = "share:"


def last_day(days: int) -> date:
    return FIRST + timedelta(days=days - 1)


def recorded(*, later: bool) -> dict[str, Any]:
    """What is known of the streams that were there from the first day, or of the later ones."""

    def chosen(name: str) -> bool:
        return name.startswith(LATER) == later

    days = DayCount.objects.values_list("stream", "day", "total", "mean", "evidence", "counts")
    return {
        "streams": sorted(
            (row.name, bytes(row.state), row.opened_on, row.closed_through)
            for row in Stream.objects.all()
            if chosen(row.name)
        ),
        "days": sorted((*row[:5], bytes(row[5])) for row in days if chosen(row[0])),
        "alarms": sorted(
            (one.stream, one.raised_on, one.since, one.summary)
            for one in Alarm.objects.all()
            if chosen(one.stream)
        ),
    }


@pytest.fixture
def before_the_upgrade(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """A version that knew nothing of shares; `undo` upgrades it."""

    def none(definition: object) -> tuple[()]:
        return ()

    monkeypatch.setattr(watchlist, "attribution_streams", none)
    return monkeypatch


def test_new_streams_open_with_the_next_day_and_leave_the_others_evidence_alone(
    any_clinic: Clinic, before_the_upgrade: pytest.MonkeyPatch
) -> None:
    clinic = any_clinic
    clinic.record_days(FIRST, 20, change=without_creatinine(0.4))
    clinic.watch(last_day(20))
    never_upgraded = recorded(later=False)
    for table in (Alarm, DayCount, Stream):
        table.objects.all().delete()
    clinic.watch(last_day(12))
    before_the_upgrade.undo()
    clinic.watch(last_day(20))
    assert recorded(later=False) == never_upgraded
    opened = recorded(later=True)
    assert {row[2] for row in opened["streams"]} == {last_day(13)}
    assert min(row[1] for row in opened["days"]) == last_day(13)
    assert len(opened["days"]) == 4 * 8


def test_day_by_day_and_all_at_once_give_the_same_evidence_after_an_upgrade(
    clinic: Clinic, before_the_upgrade: pytest.MonkeyPatch
) -> None:
    clinic.record_days(FIRST, 10)
    clinic.watch(last_day(4))
    kept = [list(table.objects.values()) for table in (Stream, DayCount)]
    before_the_upgrade.undo()
    clinic.watch(last_day(10))
    at_once = (recorded(later=False), recorded(later=True))
    for table, rows in zip((Stream, DayCount), kept, strict=True):
        table.objects.all().delete()
        table.objects.bulk_create(table(**row) for row in rows)
    for day in range(5, 11):
        clinic.watch(last_day(day))
    assert (recorded(later=False), recorded(later=True)) == at_once


def test_late_rows_of_days_before_a_stream_opened_are_not_its_own(
    clinic: Clinic, before_the_upgrade: pytest.MonkeyPatch
) -> None:
    clinic.record_days(FIRST, 4)
    clinic.watch(last_day(4))
    before_the_upgrade.undo()
    whole = older(0.5)  # so that age has a share in every row
    clinic.record_days(last_day(5), 2, change=whole)
    clinic.watch(last_day(6))
    clinic.record(last_day(2), 7)
    clinic.record(last_day(6), 5, whole)
    clinic.record(last_day(7), change=whole)
    assert clinic.watch(last_day(7)).late == 12
    totals = DayCount.objects.filter(stream="share:age").order_by("day")
    assert list(totals.values_list("day", "total")) == [
        (last_day(5), 60),
        (last_day(6), 65),
        (last_day(7), 60),
    ]
    assert DayCount.objects.get(stream="score", day=last_day(2)).total == 67


def test_a_stream_that_is_no_longer_watched_is_named_and_refused(clinic: Clinic) -> None:
    clinic.record_days(FIRST, 3)
    clinic.watch(last_day(2))
    Stream.objects.filter(name="share:age").update(name="share:gone")
    with pytest.raises(RecordError, match="share:gone"):
        clinic.watch(last_day(3))
