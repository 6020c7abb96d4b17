"""Overrides on wards, which are watched by themselves once there are enough reports."""

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any

import numpy as np
import pytest

from monitoring import wards
from monitoring.evidence.state import StreamState
from monitoring.streams import Reports, everywhere, site_of, ward_of
from monitoring.wards import watched_since
from monitoring.watchlist import budget_of, watched_streams
from records.agreement import disagreements
from records.models import Alarm, DayCount, Feedback, Stream
from tests.monitoring.clinic import FIRST, Clinic
from tests.monitoring.test_overrides import told

FAULT = FIRST + timedelta(days=20)
ICU, WARD = ("north", "ICU"), ("north", "7B")
Place = tuple[str, str]


def last_day(days: int) -> date:
    return FIRST + timedelta(days=days - 1)


def report(clinic: Clinic, day: date, place: Place, overridden: int, rows: int = 30) -> None:
    """Record a day's predictions on a ward, all of them reported on."""
    made = clinic.record(day, rows, site=place[0], ward=place[1])
    Feedback.objects.bulk_create(
        told(one, "overridden" if row < overridden else "accepted", day)
        for row, one in enumerate(made)
    )


def record_wards(
    clinic: Clinic, days: int, places: Sequence[Place] = (ICU, WARD), start: int = 0
) -> None:
    for step in range(start, days):
        day = FIRST + timedelta(days=step)
        for place in places:
            report(clinic, day, place, 18 if day >= FAULT and place == ICU else 3)


def of_wards() -> list[str]:
    names = Stream.objects.values_list("name", flat=True)
    return sorted(name for name in names if ward_of(name) is not None)


def test_wards_open_on_the_day_after_they_had_enough_reports(any_clinic: Clinic) -> None:
    record_wards(any_clinic, 9)
    any_clinic.watch(last_day(7))
    assert of_wards() == []
    assert watched_since(any_clinic.model, "1") == []
    any_clinic.watch(last_day(9))
    assert of_wards() == ["overrides@north@7B", "overrides@north@ICU"]
    assert watched_since(any_clinic.model, "1") == [
        ("7B (north)", last_day(8)),
        ("ICU (north)", last_day(8)),
    ]
    row = Stream.objects.get(name="overrides@north@ICU")
    assert row.opened_on == last_day(8)
    assert StreamState.from_bytes(bytes(row.state)).reference.sum(axis=0).tolist() == [54, 6]


def test_each_ward_has_a_share_of_the_budget(clinic: Clinic) -> None:
    watched = watched_streams(clinic.definition, clinic.profile)
    before, limit = len(watched), budget_of(clinic.definition, watched).log_limit
    one = watched.open_ward("north", "7B")
    assert watched.open_ward("north", "7B") is one
    watched.open_ward("", "7B")
    assert len(watched) == len(list(watched)) == before + 2
    budget = budget_of(clinic.definition, watched)
    assert budget.log_limit - limit == pytest.approx(np.log((before + 5) / (before + 3)))


def test_a_single_ward_and_a_name_met_by_a_slip_open_nothing(clinic: Clinic) -> None:
    record_wards(clinic, 9, [ICU])
    report(clinic, FIRST, ("north", "IUC"), 1)
    report(clinic, FIRST, ("north", ""), 1)
    clinic.watch(last_day(9))
    assert of_wards() == []


def test_no_more_wards_are_watched_than_so_many(
    clinic: Clinic, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wards, "MOST_WARDS", 1)
    record_wards(clinic, 9)
    clinic.watch(last_day(9))
    assert of_wards() == ["overrides@north@7B"]


@pytest.mark.parametrize(
    ("site", "ward", "name"),
    [("north", "7B", "7B (north)"), ("", "7B", "7B"), ("", "A@B", "A@B"), ("s", "@", "@ (s)")],
)
def test_a_ward_of_any_name_is_known_by_its_streams_key(
    clinic: Clinic, site: str, ward: str, name: str
) -> None:
    one = watched_streams(clinic.definition, clinic.profile).open_ward(site, ward)
    assert (site_of(one.key) or "", ward_of(one.key)) == (site, ward)
    assert everywhere(one.key) == "overrides"
    assert one.title == f"A shown risk overridden on {name}"
    assert ward_of("overrides@north") is None
    assert site_of("overrides") is ward_of("overrides") is None


def test_the_reports_on_a_ward_are_those_of_its_site() -> None:
    reports = Reports(
        np.array([True, False, True]),
        np.array(["", "", ""], dtype=object),
        np.array(["north", "south", "north"], dtype=object),
        5,
        np.array(["ICU", "ICU", "7B"], dtype=object),
    )
    assert reports.on("north", "ICU").overridden.tolist() == [True]
    assert reports.on("south", "ICU").overridden.tolist() == [False]
    assert reports.on("", "ICU").received == 0


def test_the_ward_that_overrides_more_alarms_as_a_part_of_all_overrides(
    any_clinic: Clinic,
) -> None:
    record_wards(any_clinic, 24)
    any_clinic.watch(last_day(24))
    found = {alarm.stream: alarm for alarm in Alarm.objects.all()}
    part = found["overrides@north@ICU"]
    assert part.summary.startswith("A shown risk on ICU (north) is overridden in 60 % (")
    assert part.details["follows"] == found["overrides"].pk
    assert part.details["predictions_since"] == 4 * 30
    assert found["overrides"].details["follows"] is None
    assert found["overrides"].details["sits"] is None
    assert "overrides@north@7B" not in found
    assert [one for one in disagreements() if one.table == "records_alarm"] == []


def test_a_ward_too_small_to_move_all_overrides_alarms_by_itself(clinic: Clinic) -> None:
    for step in range(22):
        day = FIRST + timedelta(days=step)
        report(clinic, day, WARD, 33, rows=100)
        report(clinic, day, ICU, 2 if day < FAULT else 14, rows=24)
    clinic.watch(last_day(22))
    alarm = Alarm.objects.get()
    assert alarm.stream == "overrides@north@ICU"
    assert alarm.details["follows"] is None
    assert alarm.details["where"]["dimensions"] == []
    assert alarm.since == FAULT


def everything() -> dict[str, Any]:
    days = DayCount.objects.values_list("stream", "day", "total", "mean", "evidence", "counts")
    return {
        "streams": sorted(
            (row.name, bytes(row.state), row.opened_on) for row in Stream.objects.all()
        ),
        "days": sorted(((*row[:5], bytes(row[5])) for row in days), key=str),
        "alarms": sorted(Alarm.objects.values_list("stream", "raised_on", "since", "summary")),
    }


def forget() -> None:
    for table in (Alarm, DayCount, Stream):
        table.objects.all().delete()


def test_day_by_day_and_all_at_once_give_the_same(clinic: Clinic) -> None:
    record_wards(clinic, 12)
    clinic.watch(last_day(12))
    at_once = everything()
    assert of_wards()
    forget()
    for day in (3, 7, 8, 9, 12):
        clinic.watch(last_day(day))
    assert everything() == at_once
    clinic.watch(last_day(12))
    assert everything() == at_once


def test_wards_leave_the_evidence_of_all_rows_alone(
    clinic: Clinic, monkeypatch: pytest.MonkeyPatch
) -> None:
    def of_all_rows() -> list[tuple[str, bytes]]:
        rows = Stream.objects.exclude(name__contains="@")
        return sorted((row.name, bytes(row.state)) for row in rows)

    record_wards(clinic, 11)
    clinic.watch(last_day(11))
    with_wards = of_all_rows()
    assert of_wards()
    forget()
    monkeypatch.setattr(wards, "MOST_WARDS", 0)
    clinic.watch(last_day(11))
    assert of_wards() == []
    assert of_all_rows() == with_wards


def test_late_reports_count_for_their_ward_once(clinic: Clinic) -> None:
    record_wards(clinic, 9)
    clinic.watch(last_day(9))
    for one in clinic.record(last_day(9), 5, site="north", ward="ICU"):
        told(one, "overridden", last_day(9)).save()
    for through in (10, 11):
        record_wards(clinic, through, start=through - 1)
        clinic.watch(last_day(through))
    row = Stream.objects.get(name="overrides@north@ICU")
    reference = StreamState.from_bytes(bytes(row.state)).reference.sum(axis=0)
    assert reference.tolist() == [4 * 27, 4 * 3 + 5]
    assert DayCount.objects.get(stream="ward:north@ICU", day=last_day(9)).total == 35
