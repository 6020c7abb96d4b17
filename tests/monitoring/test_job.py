from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import uuid5

import numpy as np
import pytest
from django.db import DatabaseError

from models.errors import ArtefactError, RecordError
from monitoring import batches, ledger
from records.models import Alarm, DayCount, MonitorRun, Prediction, Review, Stream
from tests.monitoring.clinic import FIRST, NOW, Clinic, older, without_creatinine

CALM_DAYS = 12


def last_day(days: int) -> date:
    return FIRST + timedelta(days=days - 1)


def everything_recorded(clinic: Clinic) -> dict[str, Any]:
    """Everything that a run writes about evidence, to the bit."""
    return {
        "streams": sorted(
            (row.name, bytes(row.state), row.closed_through, row.epoch)
            for row in Stream.objects.all()
        ),
        "days": sorted(
            DayCount.objects.values_list("stream", "day", "total", "missing", "mean", "evidence"),
            key=str,
        ),
        "alarms": sorted(
            Alarm.objects.values_list("stream", "raised_on", "since", "summary", "severity")
        ),
    }


def test_creatinine_that_goes_missing_raises_one_alarm_within_few_days(clinic: Clinic) -> None:
    clinic.record_days(FIRST, CALM_DAYS)
    faulty = FIRST + timedelta(days=CALM_DAYS)
    clinic.record_days(faulty, 10, change=without_creatinine(0.9))
    result = clinic.watch(last_day(CALM_DAYS + 10))
    alarm = Alarm.objects.get(stream="missing:creatinine")
    assert [a.stream for a in result.open_alarms].count("missing:creatinine") == 1
    assert faulty <= alarm.raised_on <= faulty + timedelta(days=2)
    assert alarm.since == faulty
    assert alarm.kind == "missingness"
    assert alarm.severity == "critical"
    assert alarm.details["predictions_since"] == 10 * 60
    assert alarm.details["patients_since"] == 10 * 60
    share = alarm.details["size"]
    assert share["low"] < 0.915 < share["high"]
    assert alarm.summary.startswith("Creatinine in serum is missing in 9")
    assert "was 15 %" in alarm.summary


def test_people_like_those_of_training_raise_no_alarm(clinic: Clinic) -> None:
    clinic.record_days(FIRST, 40, 40)
    result = clinic.watch(last_day(40))
    assert result.open_alarms == ()
    assert (result.days, result.predictions) == (40, 1600)


def test_creatinine_in_another_unit_is_recognised(clinic: Clinic) -> None:
    def in_umol_per_litre(columns: dict[str, Any], generator: np.random.Generator) -> None:
        columns["creatinine"] = columns["creatinine"] * 88.4

    clinic.record_days(FIRST, 10)
    clinic.record_days(FIRST + timedelta(days=10), 3, change=in_umol_per_litre)
    clinic.watch(last_day(13))
    alarm = Alarm.objects.get(stream="value:creatinine")
    assert alarm.kind == "unit"
    assert alarm.severity == "critical"
    assert "umol/L taken for mg/dL" in alarm.summary


def test_a_rerun_over_the_same_days_changes_nothing(any_clinic: Clinic) -> None:
    any_clinic.record_days(FIRST, 12, change=without_creatinine(0.8))
    any_clinic.watch(last_day(12))
    before = everything_recorded(any_clinic)
    again = any_clinic.watch(last_day(12))
    assert everything_recorded(any_clinic) == before
    assert (again.days, again.predictions, again.alarms) == (0, 0, ())
    assert len(again.open_alarms) == len(before["alarms"]) > 0


def test_day_by_day_and_all_at_once_give_the_same_evidence(
    clinic: Clinic, monkeypatch: pytest.MonkeyPatch
) -> None:
    clinic.record_days(FIRST, 9, change=without_creatinine(0.5))
    clinic.watch(last_day(9))
    at_once = everything_recorded(clinic)
    for table in (Alarm, DayCount, Stream):
        table.objects.all().delete()
    for day in range(1, 10):
        clinic.watch(last_day(day))
    assert everything_recorded(clinic) == at_once


def test_a_crash_in_the_middle_loses_and_repeats_nothing(
    clinic: Clinic, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("monitoring.windows.ROWS_AT_ONCE", 200)
    clinic.record_days(FIRST, 12, change=without_creatinine(0.5))
    clinic.watch(last_day(12))
    undisturbed = everything_recorded(clinic)
    for table in (Alarm, DayCount, Stream):
        table.objects.all().delete()
    crash_when_written(monkeypatch, "2024-01-07")
    with pytest.raises(DatabaseError, match="the disk is full"):
        clinic.watch(last_day(12))
    assert Stream.objects.filter(closed_through__isnull=False).count() > 0
    assert Stream.objects.filter(closed_through__gte=date(2024, 1, 7)).count() == 0
    monkeypatch.undo()
    clinic.watch(last_day(12))
    assert everything_recorded(clinic) == undisturbed


def crash_when_written(monkeypatch: pytest.MonkeyPatch, day: str) -> None:
    """Fail inside the transaction that writes a day, after its counts were written."""
    row = batches._row

    def failing(books: ledger.Ledger, name: str, kind: str, closed: date) -> Stream:
        if closed >= date.fromisoformat(day) and name == "score":
            raise DatabaseError("the disk is full")
        return row(books, name, kind, closed)

    monkeypatch.setattr("monitoring.batches._row", failing)


def test_a_prediction_of_long_ago_does_not_open_the_decades_since(clinic: Clinic) -> None:
    clinic.record_days(FIRST, 5)
    clinic.record(date(1900, 1, 1), 3)
    result = clinic.watch(last_day(5))
    assert (result.days, result.late) == (5, 3)
    state = ledger.StreamState.from_bytes(bytes(Stream.objects.get(name="score").state))
    assert int(state.reference.sum()) == clinic.profile.rows_counted + 5 * 60 + 3
    counted = dict(DayCount.objects.filter(stream="traffic").values_list("day", "total"))
    assert counted[date(1900, 1, 1)] == 3
    assert len(counted) == 6
    assert clinic.watch(last_day(5)).late == 0


def test_days_of_long_ago_are_closed_where_requests_went_on_since(clinic: Clinic) -> None:
    clinic.record_days(date(2002, 3, 1), 3)
    assert clinic.watch(date(2002, 3, 3)).days == 3


def test_late_rows_are_counted_once_on_the_next_open_day(clinic: Clinic) -> None:
    clinic.record_days(FIRST, 5)
    clinic.watch(last_day(5))
    late = clinic.record(FIRST + timedelta(days=2), 7)
    clinic.record(FIRST - timedelta(days=3), 4)
    clinic.refuse(FIRST, 2)
    assert clinic.watch(last_day(5)).late == 13
    clinic.record(FIRST + timedelta(days=5))
    clinic.watch(last_day(6))
    clinic.record(FIRST + timedelta(days=6))
    assert clinic.watch(last_day(7)).late == 0
    state = ledger.StreamState.from_bytes(bytes(Stream.objects.get(name="score").state))
    reference = clinic.profile.rows_counted
    assert int(state.reference.sum()) == reference + 7 * 60 + len(late) + 4
    counted = dict(DayCount.objects.filter(stream="traffic").values_list("day", "total"))
    assert counted[FIRST] == 62
    assert counted[FIRST + timedelta(days=2)] == 67
    assert counted[FIRST - timedelta(days=3)] == 4


def test_predictions_of_test_clients_are_not_watched(clinic: Clinic) -> None:
    clinic.record(FIRST, 50, is_test=True)
    clinic.record(FIRST, 40)
    assert clinic.watch(FIRST).predictions == 40


def test_an_open_alarm_does_not_repeat_and_its_rows_stay_out_of_the_reference(
    clinic: Clinic,
) -> None:
    clinic.record_days(FIRST, 10)
    clinic.record_days(FIRST + timedelta(days=10), 10, change=without_creatinine(0.9))
    clinic.watch(last_day(20))
    alarm = Alarm.objects.get(stream="missing:creatinine")
    kept_out = (last_day(20) - alarm.raised_on).days + 1
    row = Stream.objects.get(name="missing:creatinine")
    state = ledger.StreamState.from_bytes(bytes(row.state))
    assert int(state.reference.sum()) == clinic.profile.rows_counted + (20 - kept_out) * 60
    assert row.epoch == 1


def watched_through_a_closed_alarm(clinic: Clinic, decision: str, afterwards: float) -> Stream:
    """Ten calm days, ten without creatinine, the alarm closed, then ten days more."""
    clinic.record_days(FIRST, 10)
    clinic.record_days(FIRST + timedelta(days=10), 10, change=without_creatinine(0.9))
    clinic.watch(last_day(20))
    close(Alarm.objects.get(stream="missing:creatinine"), decision)
    clinic.record_days(last_day(21), 10, change=without_creatinine(afterwards))
    clinic.watch(last_day(30))
    return Stream.objects.get(name="missing:creatinine")


def reference_rows(row: Stream) -> int:
    return int(ledger.StreamState.from_bytes(bytes(row.state)).reference.sum())


def test_an_accepted_change_begins_a_new_reference_on_its_day(clinic: Clinic) -> None:
    row = watched_through_a_closed_alarm(clinic, "accept", afterwards=0.9)
    assert reference_rows(row) == 20 * 60
    assert Alarm.objects.filter(stream="missing:creatinine").count() == 1


def test_the_days_of_a_repaired_fault_never_become_reference(clinic: Clinic) -> None:
    row = watched_through_a_closed_alarm(clinic, "fault", afterwards=0.0)
    assert reference_rows(row) == clinic.profile.rows_counted + 20 * 60
    assert Alarm.objects.filter(stream="missing:creatinine").count() == 1


def test_the_days_of_a_false_alarm_become_reference(clinic: Clinic) -> None:
    row = watched_through_a_closed_alarm(clinic, "false", afterwards=0.0)
    assert reference_rows(row) == clinic.profile.rows_counted + 30 * 60


def test_a_fault_that_was_not_repaired_alarms_again(clinic: Clinic) -> None:
    clinic.record_days(FIRST, 10)
    clinic.record_days(FIRST + timedelta(days=10), 5, change=without_creatinine(0.9))
    clinic.watch(last_day(15))
    close(Alarm.objects.get(stream="missing:creatinine"), "fault")
    clinic.record_days(FIRST + timedelta(days=15), 5, change=without_creatinine(0.9))
    clinic.watch(last_day(20))
    assert Alarm.objects.filter(stream="missing:creatinine").count() == 2


def close(alarm: Alarm, decision: str) -> None:
    alarm.state = "closed"
    alarm.save(update_fields=["state"])
    Review.objects.create(
        alarm=alarm, model=alarm.model, decision=decision, by="rita", because="seen", signed_at=NOW
    )


def test_a_muted_alarm_is_open_again_after_its_day(clinic: Clinic) -> None:
    clinic.record_days(FIRST, 12, change=without_creatinine(0.9))
    clinic.watch(last_day(12))
    muted = Alarm.objects.filter(stream="missing:creatinine")
    muted.update(state="muted", muted_until=NOW.date() + timedelta(days=1))
    clinic.watch(last_day(12))
    assert muted.get().state == "muted"
    clinic.watch(last_day(12), now=NOW + timedelta(days=1))
    assert (muted.get().state, muted.get().muted_until) == ("open", None)


def test_refusals_that_pile_up_raise_an_alarm_that_names_the_reason(clinic: Clinic) -> None:
    clinic.record_days(FIRST, 20)
    for step in range(20, 25):
        clinic.record(FIRST + timedelta(days=step))
        clinic.refuse(FIRST + timedelta(days=step), 25)
    clinic.watch(last_day(25))
    alarm = Alarm.objects.get(stream="refusals:unit")
    assert alarm.summary.startswith("A request is refused for a unit in 29 %")
    assert alarm.details["reasons"] == [["creatinine", "unknown_unit", 125]]
    assert alarm.since == FIRST + timedelta(days=20)


def test_a_feed_that_falls_silent_raises_an_alarm(clinic: Clinic) -> None:
    clinic.record_days(FIRST, 21)
    clinic.watch(last_day(24))
    alarm = Alarm.objects.get(stream="traffic")
    assert (alarm.kind, alarm.severity, alarm.since) == ("silent_feed", "critical", last_day(22))
    assert "for 3 days" in alarm.summary


def test_a_day_that_has_not_closed_is_refused(clinic: Clinic) -> None:
    with pytest.raises(RecordError, match="2024-01-01 hasn't closed yet"):
        clinic.watch(FIRST, now=datetime(2024, 1, 1, 23, 59, tzinfo=UTC))


def test_a_reference_of_another_definition_is_refused(clinic: Clinic) -> None:
    clinic.profile = type(clinic.profile)(
        **{name: getattr(clinic.profile, name) for name in clinic.profile.__struct_fields__}
        | {"definition_digest": "0" * 64}
    )
    with pytest.raises(ArtefactError, match="made for another definition"):
        clinic.watch(FIRST)


def test_a_version_without_predictions_is_watched_in_peace(clinic: Clinic) -> None:
    result = clinic.watch(FIRST)
    assert (result.days, result.report_path, result.open_alarms) == (0, None, ())
    assert MonitorRun.objects.get().finished_at is not None


def test_two_runs_at_once_do_not_both_close_a_day(clinic: Clinic) -> None:
    clinic.record_days(FIRST, 3)
    clinic.watch(FIRST)
    watched = ledger.load(clinic.model, clinic.version, streams_of(clinic))
    clinic.watch(last_day(2))
    with pytest.raises(RecordError, match="another run closed days meanwhile"):
        batches.write(watched, streams_of(clinic), last_day(2), [], NOW)


def streams_of(clinic: Clinic) -> Any:
    from monitoring.watchlist import watched_streams

    return watched_streams(clinic.definition, clinic.profile)


def test_progress_is_told_by_day(clinic: Clinic) -> None:
    clinic.record_days(FIRST, 3)
    clinic.watch(last_day(3))
    assert clinic.stages[:3] == ["closing days 1/3", "closing days 2/3", "closing days 3/3"]


def test_a_patient_counts_once_a_stay(clinic: Clinic) -> None:
    for step, patient in ((0, "a"), (0, "a"), (1, "a"), (2, "b"), (3, "a"), (3, "b"), (3, "")):
        clinic.record(FIRST + timedelta(days=step), 1, patient=patient)
    clinic.watch(FIRST)
    clinic.watch(last_day(4))
    counted = DayCount.objects.filter(stream="score").values_list("day", "total")
    assert dict(counted) == {FIRST: 1, last_day(3): 1, last_day(4): 2}
    requests = DayCount.objects.filter(stream="traffic").values_list("total", flat=True)
    assert list(requests.order_by("day")) == [2, 1, 1, 3]


def test_stays_of_many_days_raise_no_alarm(clinic: Clinic) -> None:
    for step in range(20):
        for made in clinic.record(FIRST + timedelta(days=step), 12):
            again = [Prediction.objects.get(pk=made.pk) for _ in range(4)]
            for later, copy in enumerate(again, start=1):
                copy.pk = uuid5(made.pk, str(later))
                copy.predicted_at = made.predicted_at + timedelta(days=later)
            Prediction.objects.bulk_create(again)
    result = clinic.watch(last_day(20))
    assert result.open_alarms == ()
    assert result.predictions > 4 * 20 * 12


def twin_rows(stream: str) -> int:
    return int(
        ledger.StreamState.from_bytes(bytes(Stream.objects.get(name=stream).state)).reference.sum()
    )


def test_a_fixed_reference_is_the_first_year_and_no_more(clinic: Clinic) -> None:
    clinic.record(FIRST, 20)
    clinic.record(FIRST + timedelta(days=365), 30)
    clinic.watch(FIRST + timedelta(days=365))
    assert twin_rows("fixed:value:age") == 50
    clinic.record(FIRST + timedelta(days=366), 40)
    clinic.watch(FIRST + timedelta(days=366))
    assert twin_rows("fixed:value:age") == 50
    assert not DayCount.objects.filter(stream="fixed:value:age").exists()


def test_a_change_that_the_growing_reference_took_in_alarms_by_its_twin(clinic: Clinic) -> None:
    clinic.record(FIRST)
    later = FIRST + timedelta(days=366)
    clinic.watch(later - timedelta(days=1))
    one = next(one for one in streams_of(clinic) if one.key == "value:age")
    generator = np.random.default_rng(1)
    years_of_rows = one.stream.count(generator.normal(69, 12, 60_000).round())
    admit("value:age", years_of_rows)  # as if they had slowly become older
    admit("fixed:value:age", one.stream.count(generator.normal(65, 12, 4_000).round()))
    clinic.record_days(later, 10, 120, change=older(4))
    clinic.watch(later + timedelta(days=9))
    alarm = Alarm.objects.get(stream="value:age")
    assert alarm.details["fixed"] is True
    assert alarm.since >= later
    assert alarm.details["size"]["now"] == pytest.approx(4 / 12, abs=0.1)
    assert DayCount.objects.filter(stream="fixed:value:age", evidence__isnull=False).exists()
    close(alarm, "accept")
    clinic.record(later + timedelta(days=10), 120, change=older(4))
    clinic.watch(later + timedelta(days=10))
    assert twin_rows("fixed:value:age") == 120 * (11 - (alarm.since - later).days)


def admit(stream: str, rows: Any) -> None:
    """Let rows join the reference of a stream's weekdays and weekends."""
    row = Stream.objects.get(name=stream)
    state = ledger.StreamState.from_bytes(bytes(row.state))
    for stratum in (1, 13):
        state = state.admit(rows, stratum)
    row.state = state.to_bytes()
    row.save()
