from datetime import UTC, datetime, timedelta

import pytest

from monitoring.heartbeat import heartbeat, heartbeats
from records import tenure
from records.models import Alarm, MonitorRun
from tests.monitoring.clinic import FIRST, NOW, Clinic, without_creatinine


def promote(clinic: Clinic, version: str, now: datetime) -> None:
    tenure.move_alias(
        clinic.model, "champion", version, by="paula", because="Passed", evidence={}, now=now
    )


def test_monitoring_is_alive_until_a_second_run_is_missed(clinic: Clinic) -> None:
    clinic.record_days(FIRST, 3)
    clinic.watch(FIRST)
    assert heartbeat(clinic.model, "1", NOW + timedelta(hours=48)).alive
    late = heartbeat(clinic.model, "1", NOW + timedelta(hours=48, minutes=1))
    assert not late.alive
    assert late.faults == ("monitoring is overdue: last completed 2026-06-01 00:00 UTC",)


def test_a_run_each_hour_is_missed_within_hours(clinic: Clinic) -> None:
    clinic.record(FIRST)
    clinic.watch(FIRST, interval=timedelta(hours=1))
    assert heartbeat(clinic.model, "1", NOW + timedelta(hours=2)).alive
    assert heartbeat(clinic.model, "1", NOW + timedelta(hours=3)).overdue


def test_a_run_that_broke_off_is_no_run(clinic: Clinic) -> None:
    clinic.record(FIRST)
    clinic.watch(FIRST)
    MonitorRun.objects.create(model=clinic.model, version="1", started_at=NOW + timedelta(days=3))
    assert heartbeat(clinic.model, "1", NOW + timedelta(days=3)).overdue


def test_a_run_over_a_silent_feed_is_not_alive(clinic: Clinic) -> None:
    clinic.record_days(FIRST, 21)
    clinic.watch(FIRST + timedelta(days=23))
    beat = heartbeat(clinic.model, "1", NOW)
    assert (beat.overdue, beat.alive) == (False, False)
    assert beat.faults == ("no request has come since 2024-01-22",)


def test_only_models_in_use_have_a_heartbeat(clinic: Clinic) -> None:
    assert heartbeats([clinic.model, "other"], NOW) == ()
    clinic.record_days(FIRST, 8, change=without_creatinine(0.9))
    clinic.watch(FIRST + timedelta(days=7))
    (beat,) = heartbeats([clinic.model, "other"], NOW)
    assert (beat.model, beat.closed_through) == (clinic.model, FIRST + timedelta(days=7))
    causes = [alarm for alarm in Alarm.objects.all() if alarm.details["follows"] is None]
    assert len(beat.alarms) == len(causes) > 0


def test_a_run_by_hand_leaves_the_interval_of_the_job(clinic: Clinic) -> None:
    clinic.record_days(FIRST, 3)
    clinic.watch(FIRST + timedelta(days=1), interval=timedelta(hours=1))
    by_hand = NOW + timedelta(hours=3)
    clinic.watch(FIRST + timedelta(days=2), now=by_hand)
    assert heartbeat(clinic.model, "1", by_hand + timedelta(hours=2)).alive
    assert heartbeat(clinic.model, "1", by_hand + timedelta(hours=3)).overdue
    # the job runs each day from now on
    clinic.watch(FIRST + timedelta(days=2), now=by_hand + timedelta(days=1))
    assert heartbeat(clinic.model, "1", by_hand + timedelta(days=3)).alive


@pytest.mark.parametrize(("through", "stops_early"), [(1, False), (4, True)])
def test_a_run_through_an_old_day_is_no_sign_of_life(
    clinic: Clinic, through: int, stops_early: bool
) -> None:
    clinic.record_days(FIRST, 6)
    clinic.watch(FIRST + timedelta(days=3), interval=timedelta(hours=1))
    later = NOW + timedelta(hours=3)
    clinic.watch(FIRST + timedelta(days=through), now=later, stops_early=stops_early)
    beat = heartbeat(clinic.model, "1", later)
    assert beat.overdue
    assert beat.faults == (
        "monitoring is overdue: last completed 2026-06-01 00:00 UTC; the last run was told to stop "
        f"at {FIRST + timedelta(days=through)}",
    )


def test_what_is_dated_later_than_now_is_not_relied_on(clinic: Clinic) -> None:
    clinic.record_days(FIRST, 3)
    clinic.watch(FIRST + timedelta(days=2), now=NOW + timedelta(days=365))
    for days in (0, 30, 364):
        beat = heartbeat(clinic.model, "1", NOW + timedelta(days=days))
        assert (beat.alive, beat.overdue) == (False, True)
        assert beat.faults == (
            "the last run is dated 2027-06-01 00:00 UTC, which is later than now: a clock was or "
            "is wrong; set it and run again",
        )
    clinic.watch(FIRST + timedelta(days=2), now=NOW)
    assert heartbeat(clinic.model, "1", NOW - timedelta(minutes=5)).alive


def test_days_that_were_closed_before_they_ended_are_told_of(clinic: Clinic) -> None:
    clinic.record_days(FIRST, 3)
    clinic.watch(FIRST + timedelta(days=2))
    at = datetime(2024, 1, 3, 12, tzinfo=UTC)
    (_, fault) = heartbeat(clinic.model, "1", at).faults
    assert fault.startswith("days are closed through 2024-01-03, which hasn't ended")


def test_a_version_that_goes_on_answering_is_named_and_its_alarms_count(clinic: Clinic) -> None:
    clinic.record_days(FIRST, 12)
    clinic.record_days(FIRST + timedelta(days=12), 6, change=without_creatinine(0.9))
    clinic.watch(FIRST + timedelta(days=17))
    assert heartbeat(clinic.model, "1", NOW).answered_by == ()
    promoted = NOW + timedelta(hours=1)
    promote(clinic, "2", promoted)
    clinic.version = "2"
    clinic.watch(FIRST + timedelta(days=17), now=promoted)
    beat = heartbeat(clinic.model, "2", promoted)
    assert not beat.alive
    assert beat.faults == (
        "no request has come to version 2",
        "requests are answered by version 1, which isn't watched: package and serve version 2, or "
        "watch the other by `auscult monitor kidney_failure --version 1`",
    )
    assert [(alarm.version, alarm.stream) for alarm in beat.alarms] == [("1", "missing:creatinine")]
    # somebody watches it after all
    clinic.version = "1"
    clinic.watch(FIRST + timedelta(days=17), now=promoted + timedelta(hours=1))
    beat = heartbeat(clinic.model, "2", promoted + timedelta(hours=1))
    assert beat.faults == ("no request has come to version 2",)
    assert beat.answered_by == ("1",)


def test_a_version_that_has_taken_over_is_watched_alone(clinic: Clinic) -> None:
    clinic.record_days(FIRST, 3)
    clinic.watch(FIRST + timedelta(days=2))
    promote(clinic, "2", NOW)
    clinic.version = "2"
    clinic.record_days(FIRST + timedelta(days=3), 1)
    clinic.watch(FIRST + timedelta(days=3))
    beat = heartbeat(clinic.model, "2", NOW)
    assert (beat.alive, beat.faults, beat.answered_by) == (True, (), ())


def test_a_version_that_only_refuses_answers_too(clinic: Clinic) -> None:
    clinic.record_days(FIRST, 2)
    clinic.watch(FIRST + timedelta(days=1))
    clinic.version = "2"
    clinic.refuse(FIRST + timedelta(days=1), 3)
    assert heartbeat(clinic.model, "1", NOW).unwatched == ("2",)


@pytest.mark.parametrize("text", ["", "0h", "1 h", "h", "1w", "-1d", "1.5h"])
def test_what_is_no_interval_is_refused(text: str) -> None:
    from auscult.monitoring_job import parse_interval
    from models.errors import AuscultError

    with pytest.raises(AuscultError, match="is no interval"):
        parse_interval(text)


@pytest.mark.parametrize("text", ["9999d", "8d", "169h"])
def test_an_interval_after_which_nobody_would_miss_a_run_is_refused(text: str) -> None:
    from auscult.monitoring_job import parse_interval
    from models.errors import AuscultError

    with pytest.raises(AuscultError, match=f"'{text}' is longer than 7d, the longest interval"):
        parse_interval(text)
    assert parse_interval("7d") == parse_interval("168h") == timedelta(days=7)


def test_a_later_run_that_fails_is_told_and_tried_again(capsys: pytest.CaptureFixture[str]) -> None:
    from auscult.monitoring_job import parse_interval, run_on
    from models.errors import RecordError

    waited: list[float] = []

    def run() -> None:
        if len(waited) == 1:
            raise RecordError("the database is busy")

    def wait(seconds: float) -> None:
        waited.append(seconds)
        if len(waited) == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_on(run, parse_interval("30m"), wait)
    assert capsys.readouterr().err == "auscult: the database is busy\n"
    assert all(1790 < seconds <= 1800 for seconds in waited)


def test_what_can_not_run_at_all_is_not_tried_again() -> None:
    from auscult.monitoring_job import run_on
    from models.errors import RecordError

    def run() -> None:
        raise RecordError("there is no model nosuch")

    with pytest.raises(RecordError, match="nosuch"):
        run_on(run, timedelta(hours=1), lambda seconds: pytest.fail("it waited"))
