"""Streams, day counts and runs of before they were noted, in a ledger that is upgraded."""

from django.core.management import call_command
from django.db import connection

from records.agreement import disagreements, uncovered
from records.migration import migrate
from records.models import DayCount, MonitorRun, Stream
from records.settings import Settings

BEFORE = (
    "INSERT INTO records_stream (model, version, name, kind, epoch, state)"
    " VALUES ('sepsis', '1', 'score', 'numeric', 2, %s)",
    "INSERT INTO records_daycount (model, version, stream, day, total, missing, counts)"
    " VALUES ('sepsis', '1', 'score', '2026-01-01', 7, 1, %s)",
)
RUN = (
    "INSERT INTO records_monitorrun"
    " (model, version, started_at, finished_at, predictions, report, summary)"
    " VALUES ('sepsis', '1', '2026-01-02 00:00+00:00', '2026-01-02 00:01+00:00', 7, '', '{}')"
)


def test_a_ledger_with_rows_is_upgraded_and_says_what_is_not_covered(records_db: Settings) -> None:
    call_command("migrate", "records", "0007", verbosity=0)
    with connection.cursor() as cursor:
        for statement in BEFORE:
            cursor.execute(statement, [b"\x01\x02"])
        cursor.execute(RUN)
    assert "records.0008_noted_evidence" in migrate(records_db)
    assert bytes(Stream.objects.get().leaf) == bytes(DayCount.objects.get().leaf) == b""
    assert (Stream.objects.get().epoch, DayCount.objects.get().total) == (2, 7)
    assert MonitorRun.objects.get().predictions == 7
    assert disagreements() == []
    assert uncovered() == [
        "monitoring runs: none has been noted",
        "streams and day counts of sepsis version 1: no run has noted any",
    ]
