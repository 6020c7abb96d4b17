from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from monitoring import sites
from monitoring.alarms import by_cause
from monitoring.evidence.state import StreamState
from monitoring.sites import Site, standing
from monitoring.streams import DayRows, Reports, everywhere, site_of
from monitoring.validity import validity
from monitoring.watchlist import budget_of, watched_streams
from records.models import Alarm, DayCount, Prediction, Stream
from records.settings import Settings
from tests.monitoring.clinic import (
    DEFINITION,
    FIRST,
    Change,
    Clinic,
    leave_artefact,
    older,
    people,
    unchanged,
    without_creatinine,
)

OPENED = FIRST + timedelta(days=5)
FAULT = FIRST + timedelta(days=25)


def last_day(days: int) -> date:
    return FIRST + timedelta(days=days - 1)


def record_sites(
    clinic: Clinic,
    first: date,
    days: int,
    rows: int = 50,
    north: Change = unchanged,
    south: Change = unchanged,
) -> None:
    for step in range(days):
        clinic.record(first + timedelta(days=step), rows, north, site="north")
        clinic.record(first + timedelta(days=step), rows, south, site="south")


def watched_at(site: str) -> set[str]:
    return set(Stream.objects.filter(name__endswith=f"@{site}").values_list("name", flat=True))


def test_sites_open_on_the_day_after_they_had_enough_stays(any_clinic: Clinic) -> None:
    record_sites(any_clinic, FIRST, 6)
    any_clinic.watch(last_day(4))
    assert watched_at("north") == set()
    assert standing(any_clinic.model, "1")[0] == Site(
        "north", 200, None, "it opens with the next day"
    )
    any_clinic.watch(last_day(6))
    assert watched_at("south") == {
        "value:age@south",
        "value:creatinine@south",
        "missing:creatinine@south",
        "value:lactate@south",
        "missing:lactate@south",
        "category:ward@south",
        "missing:ward@south",
        "score@south",
        "alerts:0.2@south",
        "overrides@south",
    }
    row = Stream.objects.get(name="score@south")
    assert row.opened_on == last_day(5)
    assert StreamState.from_bytes(bytes(row.state)).reference.sum() == 100
    assert [site.since for site in standing(any_clinic.model, "1")] == [last_day(5)] * 2


def test_a_single_site_and_a_name_met_by_a_slip_open_nothing(clinic: Clinic) -> None:
    clinic.record_days(FIRST, 1)
    for step in range(8):
        clinic.record(FIRST + timedelta(days=step), site="north")
    clinic.record(FIRST, 3, site="nroth")
    clinic.watch(last_day(8))
    assert not Stream.objects.filter(name__contains="@").exists()
    found = {site.name: site.reason for site in standing(clinic.model, "1")}
    assert found == {
        "north": "no other site has enough stays, so that all rows are its own",
        "nroth": "3 of 200 stays that are needed",
    }


def test_no_more_sites_are_watched_than_so_many(
    clinic: Clinic, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sites, "MOST_SITES", 1)
    record_sites(clinic, FIRST, 6)
    clinic.watch(last_day(6))
    assert watched_at("north")
    assert not watched_at("south")
    assert standing(clinic.model, "1")[1].reason == "1 sites are watched already"


def test_a_sites_streams_leave_the_evidence_of_all_rows_alone(
    clinic: Clinic, monkeypatch: pytest.MonkeyPatch
) -> None:
    def of_all_rows() -> dict[str, Any]:
        days = DayCount.objects.exclude(stream__contains="@")
        return {
            "streams": sorted(
                (row.name, bytes(row.state)) for row in Stream.objects.exclude(name__contains="@")
            ),
            "days": sorted(days.values_list("stream", "day", "total", "mean", "evidence")),
        }

    record_sites(clinic, FIRST, 9)
    clinic.watch(last_day(9))
    assert watched_at("north")
    with_sites = of_all_rows()
    for table in (Alarm, DayCount, Stream):
        table.objects.all().delete()
    monkeypatch.setattr(sites, "MOST_SITES", 0)
    clinic.watch(last_day(9))
    assert not watched_at("north")
    assert of_all_rows() == with_sites


def everything() -> dict[str, Any]:
    days = DayCount.objects.values_list("stream", "day", "total", "mean", "evidence", "counts")
    return {
        "streams": sorted(
            (row.name, bytes(row.state), row.opened_on) for row in Stream.objects.all()
        ),
        "days": sorted((*row[:5], bytes(row[5])) for row in days),
        "alarms": sorted(Alarm.objects.values_list("stream", "raised_on", "since", "summary")),
    }


def test_batches_and_order_of_recording_change_nothing(
    clinic: Clinic, monkeypatch: pytest.MonkeyPatch
) -> None:
    record_sites(clinic, FIRST, 8, north=without_creatinine(0.5))
    clinic.record_days(FIRST + timedelta(days=2), 3, 10)
    recorded = list(Prediction.objects.all())
    found = []

    @settings(max_examples=4, deadline=None, suppress_health_check=list(HealthCheck))
    @given(
        st.randoms(use_true_random=False),
        st.sampled_from([150, 100_000]),
        st.sampled_from([1, 3, 8]),
    )
    def in_any_order(random: Any, at_once: int, days: int) -> None:
        monkeypatch.setattr("monitoring.windows.ROWS_AT_ONCE", at_once)
        for table in (Alarm, DayCount, Stream, Prediction):
            table.objects.all().delete()
        random.shuffle(recorded)
        Prediction.objects.bulk_create(recorded)
        for through in range(days, 9, days):
            clinic.watch(last_day(through))
        clinic.watch(last_day(8))
        found.append(everything())

    in_any_order()
    assert watched_at("north")
    assert all(one == found[0] for one in found)


def test_a_fault_at_one_site_is_one_alarm_that_says_where_it_sits(clinic: Clinic) -> None:
    record_sites(clinic, FIRST, 25)
    record_sites(clinic, FAULT, 5, north=without_creatinine(0.9))
    found = {a.stream: a for a in clinic.watch(FAULT + timedelta(days=4)).open_alarms}
    assert {"missing:creatinine", "missing:creatinine@north"} <= set(found)
    whole, part = found["missing:creatinine"], found["missing:creatinine@north"]
    assert whole.details["sits"] == {"sites": ["north"], "only": True}
    assert part.details["follows"] == whole.pk
    assert part.summary.startswith("Creatinine in serum at north is missing in 9")
    assert part.since == FAULT
    assert part.details["predictions_since"] == 250
    assert (part.severity, whole.severity) == ("critical", "critical")
    assert [cause.stream for cause, _ in by_cause(found.values())] == ["missing:creatinine"]
    assert validity(found.values()).reasons == (whole.summary,)


def test_a_change_everywhere_does_not_sit_at_one_site(clinic: Clinic) -> None:
    record_sites(clinic, FIRST, 25)
    fault = without_creatinine(0.9)
    record_sites(clinic, FAULT, 5, north=fault, south=fault)
    clinic.record_days(FAULT, 5, 100, change=fault)
    found = {a.stream: a for a in clinic.watch(FAULT + timedelta(days=4)).open_alarms}
    assert found["missing:creatinine"].details["sits"] == {
        "sites": ["north", "south"],
        "only": False,
    }
    assert [cause.stream for cause, _ in by_cause(found.values())] == ["missing:creatinine"]


def always_measured(columns: dict[str, Any], generator: np.random.Generator) -> None:
    columns["creatinine"] = np.nan_to_num(columns["creatinine"], nan=1.0)


def test_opposite_changes_are_not_one_cause(clinic: Clinic) -> None:
    record_sites(clinic, FIRST, 25)
    record_sites(clinic, FAULT, 8, north=without_creatinine(0.9), south=always_measured)
    found = {a.stream: a for a in clinic.watch(FAULT + timedelta(days=7)).open_alarms}
    whole = found["missing:creatinine"]
    assert whole.details["direction"] == "more missing"
    assert found["missing:creatinine@north"].details["follows"] == whole.pk
    assert found["missing:creatinine@south"].details["follows"] is None
    assert whole.details["sits"]["sites"] == ["north"]


def recoded(surgical: float, other: float = 0.0) -> Change:
    """Let so many rows be of these wards, and the rest of the medical one."""

    def change(columns: dict[str, Any], generator: np.random.Generator) -> None:
        shares = [1 - surgical - other, surgical, other]
        names = np.array(["medical", "surgical", "other"], dtype=object)
        columns["ward"][:] = generator.choice(names, len(columns["ward"]), p=shares)

    return change


def test_one_of_two_categories_that_is_recoded_everywhere_is_one_alarm(
    tmp_path: Path, sqlite_db: Settings
) -> None:
    half, more = recoded(0.5), recoded(0.78)
    generator = np.random.default_rng(7)
    columns = people(6000, generator)
    half(columns, generator)
    text = DEFINITION.replace(', other = "Other"', "")
    (tmp_path / "artefact").mkdir()
    clinic = Clinic(*leave_artefact(tmp_path / "artefact", text, columns), sqlite_db)
    record_sites(clinic, FIRST, 25, 60, north=half, south=half)
    record_sites(clinic, FAULT, 12, 60, north=more, south=more)
    clinic.watch(FAULT + timedelta(days=11))
    found = {a.stream: a for a in Alarm.objects.filter(stream__startswith="category:ward")}
    assert {"category:ward", "category:ward@north", "category:ward@south"} <= set(found)
    whole = found["category:ward"]
    for alarm in found.values():
        assert alarm.details["direction"] == "more “Surgical”"
        assert "is “Surgical” in 7" in alarm.summary
        assert alarm.details["follows"] == (None if alarm is whole else whole.pk)


def test_a_site_whose_categories_go_another_way_has_an_alarm_of_its_own(clinic: Clinic) -> None:
    usual, more, away = recoded(0.3, 0.1), recoded(0.85, 0.1), recoded(0.05, 0.1)
    record_sites(clinic, FIRST, 25, 60, north=usual, south=usual)
    for step in range(10):
        clinic.record(FAULT + timedelta(days=step), 120, more, site="north")
        clinic.record(FAULT + timedelta(days=step), 40, away, site="south")
    found = {a.stream: a for a in clinic.watch(FAULT + timedelta(days=9)).open_alarms}
    whole = found["category:ward"]
    assert found["category:ward@north"].details["follows"] == whole.pk
    assert found["category:ward@south"].details["follows"] is None


def test_a_sites_score_follows_from_its_own_feature(clinic: Clinic) -> None:
    def other(columns: dict[str, Any], generator: np.random.Generator) -> None:
        columns["creatinine"] = columns["creatinine"] * 2.2

    record_sites(clinic, FIRST, 25, 12)
    clinic.record_days(FIRST, 29, 300)
    for step in range(4):
        clinic.record(FAULT + timedelta(days=step), 12, other, site="north")
    found = {a.stream: a for a in clinic.watch(FAULT + timedelta(days=3)).open_alarms}
    assert "value:creatinine@north" in found
    assert "score@north" in found
    roots = {cause.stream for cause, _ in by_cause(found.values())}
    assert "score@north" not in roots
    assert {everywhere(stream) for stream in roots} == {"value:creatinine"}


def test_a_sites_alarm_is_no_part_of_what_changed_everywhere_later(clinic: Clinic) -> None:
    def other(columns: dict[str, Any], generator: np.random.Generator) -> None:
        columns["creatinine"] = columns["creatinine"] * 2.2

    record_sites(clinic, FIRST, 25, 12)
    clinic.record_days(FIRST, 25, 300)
    later = FAULT + timedelta(days=10)
    for step in range(14):
        day = FAULT + timedelta(days=step)
        change = other if day >= later else unchanged
        clinic.record(day, 300, change)
        for made in clinic.record(day, 12, change, site="north"):
            made.margin += 0.8
            made.risk = float(1 / (1 + np.exp(-made.margin)))
            made.save(update_fields=["margin", "risk"])
    found = {a.stream: a for a in clinic.watch(later + timedelta(days=3)).open_alarms}
    assert {"score@north", "score", "value:creatinine"} <= set(found)
    assert abs((found["score@north"].since - FAULT).days) <= 3
    assert found["score"].since == found["value:creatinine"].since == later
    assert found["score"].details["follows"] == found["value:creatinine"].pk
    assert found["score@north"].details["follows"] is None
    assert "score@north" in {cause.stream for cause, _ in by_cause(found.values())}


def test_the_limit_rises_with_the_streams_of_sites(clinic: Clinic) -> None:
    watched = watched_streams(clinic.definition, clinic.profile)
    before = budget_of(clinic.definition, watched)
    watched.open("north")
    after = budget_of(clinic.definition, watched)
    assert after.streams == before.streams + 10
    assert after.log_limit == pytest.approx(
        before.log_limit + np.log(after.streams / before.streams)
    )
    assert [site_of(one.key) for one in watched][-10:] == ["north"] * 10


def test_sites_that_stay_as_they_are_raise_no_alarm(clinic: Clinic) -> None:
    record_sites(clinic, FIRST, 40, 25, north=older(9))
    result = clinic.watch(last_day(40))
    assert not [a.stream for a in result.open_alarms if site_of(a.stream)]


def test_late_rows_of_a_site_are_counted_once(clinic: Clinic) -> None:
    record_sites(clinic, FIRST, 6)
    clinic.watch(last_day(6))
    clinic.record(last_day(2), 7, site="north")
    clinic.record(last_day(6), 5, site="north")
    record_sites(clinic, last_day(7), 2)
    for days in (7, 8):
        clinic.watch(last_day(days))
    state = StreamState.from_bytes(bytes(Stream.objects.get(name="score@north").state))
    assert state.reference.sum() == 4 * 50 + 5
    (north, _) = standing(clinic.model, "1")
    assert north.stays == 8 * 50 + 12


def test_rows_of_a_site_are_its_own() -> None:
    rows = DayRows(
        {"age": np.array([1.0, 2.0, 3.0])},
        np.array([0.0, 1.0, 2.0]),
        np.array([0.5, 0.7, 0.9]),
        {"unknown_unit": 2},
        3,
        site=np.array(["north", "", "north"], dtype=object),
        reports=Reports(
            np.array([True, False]),
            np.array(["", ""], dtype=object),
            np.array(["north", "south"], dtype=object),
            2,
        ),
    )
    part = rows.at("north")
    assert part.features["age"].tolist() == [1.0, 3.0]
    assert (part.requests, part.reports.overridden.tolist()) == (2, [True])
    assert rows.at("west").margin.size == 0
    assert rows.at("north") is part
