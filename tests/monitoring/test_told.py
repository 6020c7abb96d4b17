"""What a run of monitoring tells, whatever else fails, and how it outlives failures."""

import json
import socketserver
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import DatabaseError, connection

from auscult import command
from auscult.monitoring_job import list_and_watch, run_on
from models.corrections import Correction
from models.errors import RecordError, SettingsError
from monitoring.channels import open_channels
from monitoring.job import MonitorResult
from monitoring.notices import notify, notify_of
from monitoring.outbox import Delivery, Outbox
from records import corrections
from records.models import Alarm, MonitorRun, SourceCorrection
from records.settings import Settings
from tests.monitoring.clinic import FIRST, NOW, Clinic, without_creatinine
from tests.monitoring.test_corrections import SOURCE, listed, used
from tests.monitoring.test_notices import Hook, alarms, running, with_hook
from training.registry import RegisteredVersion


def run(
    clinic: Clinic,
    settings: Settings,
    now: datetime = NOW,
    days: int = 1,
    step: Callable[[str, int, int], None] = lambda *done: None,
) -> MonitorResult:
    """Monitor the clinic's version as the command does, without a registry."""
    digest = clinic.profile.definition_digest
    registered = RegisteredVersion(clinic.model, "1", "run", "a" * 64, digest, "c" * 64, "tess")
    return list_and_watch(
        registered,
        clinic.reference.parent,
        FIRST + timedelta(days=days - 1),
        settings=settings,
        now=now,
        step=step,
    )


def told(hook: Hook) -> list[str]:
    return [json.loads(body)["event"] for _, body in hook.told]


def report_correction(clinic: Clinic, source: str = SOURCE) -> None:
    report = Correction(source, "entered-in-error")
    corrections.report(clinic.model, [report], by="lena", now=NOW)


@pytest.fixture
def any_digest(monkeypatch: pytest.MonkeyPatch) -> None:
    """Load the clinic's artefact, which no registry knows."""
    from models.risk_model import RiskModel

    load = RiskModel.load
    monkeypatch.setattr(
        RiskModel, "load", lambda place, version, digest: load(place, version=version)
    )


@pytest.mark.parametrize(
    "fields",
    [
        {"webhook_secret_file": Path("/nowhere/secret")},
        {"webhook_url": "https://[bad/"},
        {"webhook_url": "https://example.org:99999/"},
        {"smtp_url": "smtp://[bad"},
        {"smtp_url": "smtp://example.org:mail"},
    ],
)
@pytest.mark.usefixtures("any_digest")
def test_wrong_settings_of_a_channel_are_refused_before_anything_is_listed(
    clinic: Clinic, tmp_path: Path, fields: dict[str, Any]
) -> None:
    used(clinic)
    report_correction(clinic)
    hook = Hook()
    with running(hook) as address:
        settings = with_hook(clinic, address, tmp_path)
        with pytest.raises(SettingsError, match=r"AUSCULT_|secret can't be read"):
            run(clinic, settings.model_copy(update=fields))
        assert SourceCorrection.objects.get().listed_at is None
        run(clinic, settings)
    assert told(hook) == ["predictions.withdrawn"]


def test_what_a_run_listed_and_did_not_live_to_tell_is_told_by_the_next(
    any_clinic: Clinic, tmp_path: Path
) -> None:
    used(any_clinic)
    found = listed(any_clinic, Correction(SOURCE, "entered-in-error"))
    hook = Hook()
    with running(hook) as address:
        settings = with_hook(any_clinic, address, tmp_path)
        for days in (1, 2):
            notify_of(any_clinic.model, "1", settings, NOW + timedelta(days=days))
        notify_of(any_clinic.model, "2", settings, NOW + timedelta(days=3))
    ((_, body),) = hook.told
    notice = json.loads(body)
    assert (notice["listed_at"], notice["raised_on"]) == (NOW.isoformat(), NOW.date().isoformat())
    assert notice["summary"].startswith(f"{found.predictions} predictions used results")
    assert notice["summary"] == f"{found.words}."


def test_withdrawn_predictions_that_somebody_has_seen_to_are_not_told(
    clinic: Clinic, tmp_path: Path
) -> None:
    used(clinic)
    listed(clinic, Correction(SOURCE, "entered-in-error"))
    chosen = list(corrections.open_of(clinic.model).values_list("pk", flat=True))
    corrections.acknowledge(clinic.model, chosen, by="rita", because="called", now=NOW)
    hook = Hook()
    with running(hook) as address:
        notify_of(clinic.model, "1", with_hook(clinic, address, tmp_path), NOW)
    assert hook.told == []


@pytest.mark.usefixtures("any_digest")
def test_what_was_listed_is_told_though_watching_fails(
    clinic: Clinic, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    used(clinic)
    report_correction(clinic)
    monkeypatch.setattr("monitoring.job._close", broken)
    hook = Hook()
    with running(hook) as address, pytest.raises(DatabaseError, match="disk is full"):
        run(clinic, with_hook(clinic, address, tmp_path))
    assert told(hook) == ["predictions.withdrawn"]


def broken(*arguments: Any) -> Any:
    raise DatabaseError("the disk is full")


def record_a_change(clinic: Clinic) -> None:
    """Record days on which creatinine no longer comes, and from which other alarms follow."""
    clinic.record_days(FIRST, 8)
    clinic.record_days(FIRST + timedelta(days=8), 8, change=without_creatinine(1.0))


def told_of(hook: Hook) -> list[tuple[str, int]]:
    """Return each alarm that was told, and how many follow from it."""
    notices = [json.loads(body) for _, body in hook.told]
    return [(one["summary"], len(one["follows_from_it"])) for one in notices]


def test_a_run_that_another_one_overtook_tells_no_alarm_whose_consequences_nobody_has_found(
    any_clinic: Clinic, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clinic, hook = any_clinic, Hook()
    record_a_change(clinic)

    def overtaken(*done: Any) -> None:
        if not Alarm.objects.exists():
            with monkeypatch.context() as disk:
                disk.setattr("monitoring.job._refresh", broken)
                with pytest.raises(DatabaseError, match="disk is full"):
                    run(clinic, settings, days=16)

    with running(hook) as address:
        settings = with_hook(clinic, address, tmp_path)
        with pytest.raises(RecordError, match="another run closed days meanwhile"):
            run(clinic, settings, days=16, step=overtaken)
        assert Alarm.objects.count() > 1
        assert hook.told == []
        run(clinic, settings, NOW + timedelta(minutes=1), days=16)
    follow = Alarm.objects.exclude(details__follows=None)
    assert follow.exists()
    assert sum(count for _, count in told_of(hook)) == follow.count()
    assert len(hook.told) == Alarm.objects.count() - follow.count()


def test_alarms_of_runs_that_keep_failing_are_told_all_the_same(
    clinic: Clinic, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record_a_change(clinic)
    hook = Hook()
    monkeypatch.setattr("monitoring.job._refresh", broken)
    with running(hook) as address:
        settings = with_hook(clinic, address, tmp_path)
        for hours, are_told in ((0, False), (11, False), (24, True), (48, True)):
            with pytest.raises(DatabaseError, match="disk is full"):
                run(clinic, settings, NOW + timedelta(hours=hours), days=16)
            assert len(hook.told) == are_told * Alarm.objects.count()


def test_alarms_of_an_hourly_run_that_keeps_failing_are_told_by_the_next(
    clinic: Clinic, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record_a_change(clinic)
    clinic.watch(FIRST, interval=timedelta(hours=1), now=NOW - timedelta(hours=1))
    hook = Hook()
    monkeypatch.setattr("monitoring.job._refresh", broken)
    with running(hook) as address:
        settings = with_hook(clinic, address, tmp_path)
        for hours in (0, 1):
            assert hook.told == []
            with pytest.raises(DatabaseError, match="disk is full"):
                run(clinic, settings, NOW + timedelta(hours=hours), days=16)
    assert len(hook.told) == Alarm.objects.count()


@pytest.mark.parametrize("place", ["reports", "evidently"])
def test_alarms_are_told_though_no_report_can_be_written(
    clinic: Clinic, tmp_path: Path, place: str
) -> None:
    clinic.record_days(FIRST, 8, change=without_creatinine(0.9))
    blocked = clinic.settings.root / place
    if blocked.is_dir():
        blocked.rmdir()
    blocked.write_text("no directory")
    hook = Hook()
    with running(hook) as address:
        result = run(clinic, with_hook(clinic, address, tmp_path), days=8)
    assert result.open_alarms
    assert set(told(hook)) == {"alarm.raised"}
    assert result.fault.startswith("all was watched, but the reports can't be written (")
    assert str(blocked) in result.fault
    blocked.unlink()
    mended = run(clinic, clinic.settings, NOW + timedelta(days=1), days=8)
    assert (mended.fault, mended.report_path is not None) == ("", True)


def test_a_report_that_was_noted_in_part_is_written_again(clinic: Clinic) -> None:
    clinic.record(FIRST)
    clinic.watch(FIRST, with_reports=True)
    note = clinic.settings.reports / clinic.model / "1" / "2024.json"
    whole = json.loads(note.read_text())
    note.write_text('{"year": 20')
    assert clinic.watch(FIRST, with_reports=True).fault == ""
    assert json.loads(note.read_text())["rows"] == whole["rows"]


def wait_in_outbox(outbox: Outbox, count: int) -> None:
    for number in range(count):
        notice = {"alarm": number, "raised_on": "2026-06-01", "summary": "Age is odd."}
        outbox.keep(f"notice {number}", notice, NOW)


def test_runs_that_tell_at_once_tell_each_notice_once(clinic: Clinic, tmp_path: Path) -> None:
    hook, found = Hook(), []
    with running(hook) as address:
        settings = with_hook(clinic, address, tmp_path)
        outbox = Outbox(settings.outbox)
        wait_in_outbox(outbox, 20)
        together = threading.Barrier(3)

        def deliver() -> None:
            together.wait()
            found.append(outbox.deliver(open_channels(settings), NOW))

        threads = [threading.Thread(target=deliver) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sorted((one.told, one.waiting, one.faults) for one in found) == [
        (0, 0, ()),
        (0, 0, ()),
        (20, 0, ()),
    ]
    assert sorted(json.loads(body)["alarm"] for _, body in hook.told) == list(range(20))


class Trickle(socketserver.StreamRequestHandler):
    """An answer whose headers never keep silent for long, nor end soon."""

    def handle(self) -> None:
        self.wfile.write(b"HTTP/1.1 204 No Content\r\n")
        for number in range(400):
            if self.server.enough.wait(0.02):
                return
            try:
                self.wfile.write(f"X-{number}: more\r\n".encode())
            except OSError:
                return
        self.wfile.write(b"\r\n")


class Trickling(socketserver.ThreadingTCPServer):
    def __init__(self) -> None:
        self.enough = threading.Event()
        super().__init__(("127.0.0.1", 0), Trickle)

    def shutdown(self) -> None:
        self.enough.set()
        super().shutdown()


def test_a_receiver_whose_answer_trickles_is_given_up_and_the_notice_kept(
    clinic: Clinic, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("monitoring.channels.TELLING_SECONDS", 0.2)
    with running(Trickling()) as address:
        delivery = notify(alarms(clinic), with_hook(clinic, address, tmp_path), NOW)
    assert delivery == Delivery(0, 1, ("webhook: TimeoutError",))


def test_a_run_that_told_for_too_long_leaves_the_rest_to_the_next(
    clinic: Clinic, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hook = Hook()
    with running(hook) as address:
        settings = with_hook(clinic, address, tmp_path)
        outbox = Outbox(settings.outbox)
        wait_in_outbox(outbox, 3)
        monkeypatch.setattr("monitoring.outbox.RUN_SECONDS", 0.0)
        first = outbox.deliver(open_channels(settings), NOW)
        assert first == Delivery(1, 2, ("2 wait for the next run, as others took too long",))
        monkeypatch.undo()
        assert outbox.deliver(open_channels(settings), NOW).told == 2
    assert len(hook.told) == 3


@pytest.mark.usefixtures("any_digest")
def test_watching_waits_for_no_receiver(clinic: Clinic, tmp_path: Path) -> None:
    used(clinic)
    report_correction(clinic)
    hook, told_while_watching = Hook(), []
    with running(hook) as address:
        settings = with_hook(clinic, address, tmp_path)
        run(clinic, settings, step=lambda *done: told_while_watching.append(len(hook.told)))
    assert set(told_while_watching) == {0}
    assert told(hook) == ["predictions.withdrawn"]


def test_a_notice_that_a_failing_disk_left_in_part_is_told(clinic: Clinic, tmp_path: Path) -> None:
    hook = Hook()
    hook.status = 503
    with running(hook) as address:
        settings = with_hook(clinic, address, tmp_path)
        found = alarms(clinic)
        notify(found, settings, NOW)
        (waiting,) = settings.outbox.glob("*.json")
        waiting.write_text('{"notice": {"al')
        hook.status = 204
        assert notify(found, settings, NOW).told == 1


@contextmanager
def locked_database(settings: Settings) -> Iterator[None]:
    """Hold the database as another process does that writes for long, and let nobody wait."""
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA busy_timeout=0")
    with closing(sqlite3.connect(settings.root / "records.db", isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        yield
        other.execute("ROLLBACK")


def test_monitoring_that_runs_on_outlives_a_locked_database(
    clinic: Clinic, capsys: pytest.CaptureFixture[str]
) -> None:
    clinic.record(FIRST)
    waited = 0

    def watch() -> None:
        if waited == 1:
            with locked_database(clinic.settings):
                clinic.watch(FIRST)
        clinic.watch(FIRST)

    def wait(seconds: float) -> None:
        nonlocal waited
        waited += 1
        if waited == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_on(watch, timedelta(hours=1), wait)
    assert capsys.readouterr().err == (
        "auscult: the database can't be used now (database is locked); run the command again when "
        "it can\n"
    )
    assert MonitorRun.objects.exclude(finished_at=None).count() == 2


def test_a_command_that_meets_a_locked_database_says_so_in_one_line(
    clinic: Clinic, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    clinic.record(FIRST)
    monkeypatch.setattr(command, "app", lambda: clinic.watch(FIRST))
    with locked_database(clinic.settings), pytest.raises(SystemExit) as end:
        command.main()
    assert end.value.code == 1
    assert capsys.readouterr().err == (
        "auscult: the database can't be used now (database is locked); run the command again when "
        "it can\n"
    )
