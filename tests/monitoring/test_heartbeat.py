from datetime import timedelta

import pytest

from monitoring.heartbeat import heartbeat, heartbeats
from records.models import Alarm, MonitorRun
from tests.monitoring.clinic import FIRST, NOW, Clinic, without_creatinine


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


@pytest.mark.parametrize("text", ["", "0h", "1 h", "h", "1w", "-1d", "1.5h"])
def test_what_is_no_interval_is_refused(text: str) -> None:
    from auscult.monitoring_job import parse_interval
    from models.errors import AuscultError

    with pytest.raises(AuscultError, match="is no interval"):
        parse_interval(text)


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
