"""What monitoring weighed and showed is held in the audit chain, run after run."""

from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import pytest
from django.db.models import Model

from records.agreement import disagreements, evidence, uncovered
from records.models import AuditEvent, DayCount, MonitorRun, Stream
from tests.monitoring.clinic import FIRST, NOW, Clinic

AGE, SCORE = {"stream": "value:age"}, {"name": "score"}
THIRD = FIRST + timedelta(days=2)


def day(number: int) -> date:
    return FIRST + timedelta(days=number - 1)


@pytest.fixture
def watched(any_clinic: Clinic) -> Clinic:
    """A clinic that was watched for six days in two runs."""
    any_clinic.record_days(FIRST, 6)
    any_clinic.watch(day(4))
    any_clinic.watch(day(6))
    return any_clinic


def another_state(stream: str) -> bytes:
    return bytes(Stream.objects.exclude(name=stream).filter(kind="numeric")[0].state)


def test_runs_agree_with_what_they_noted_and_are_covered_whole(watched: Clinic) -> None:
    late = watched.record(THIRD, 7)
    watched.record(FIRST - timedelta(days=3), 4)
    watched.record(day(7))
    assert watched.watch(day(7)).late == len(late) + 4
    watched.watch(day(7))
    assert disagreements() == []
    assert uncovered() == []


FORGERIES: list[tuple[type[Model], dict[str, Any], Callable[[], dict[str, Any]], str]] = [
    (Stream, SCORE, lambda: {"state": another_state("score")}, "stream score"),
    (Stream, SCORE, lambda: {"epoch": 7}, "stream score"),
    (Stream, SCORE, lambda: {"kind": "binary"}, "stream score"),
    (Stream, SCORE, lambda: {"opened_on": day(2)}, "stream score"),
    (Stream, SCORE, lambda: {"closed_through": day(5)}, "stream score"),
    (Stream, SCORE, lambda: {"leaf": b""}, "stream score"),
    (DayCount, {**AGE, "day": THIRD}, lambda: {"total": 59}, "value:age on 2024-01-03"),
    (DayCount, {**AGE, "day": THIRD}, lambda: {"missing": 1}, "value:age on 2024-01-03"),
    (DayCount, {**AGE, "day": THIRD}, lambda: {"mean": 64.0}, "value:age on 2024-01-03"),
    (DayCount, {**AGE, "day": THIRD}, lambda: {"evidence": 0.5}, "value:age on 2024-01-03"),
    (DayCount, {**AGE, "day": THIRD}, lambda: {"counts": b"\0\0\0\0"}, "value:age on 2024-01-03"),
    (DayCount, {**AGE, "day": THIRD}, lambda: {"leaf": b""}, "value:age on 2024-01-03"),
    (MonitorRun, {"last_day": day(4)}, lambda: {"summary": {}}, "run 1 of"),
    (MonitorRun, {"last_day": day(4)}, lambda: {"predictions": 9}, "run 1 of"),
    (MonitorRun, {"last_day": day(4)}, lambda: {"started_at": NOW + timedelta(1)}, "run 1 of"),
    (MonitorRun, {"last_day": day(4)}, lambda: {"finished_at": None}, "run 1 "),
]


@pytest.mark.parametrize(("table", "chosen", "change", "named"), FORGERIES)
def test_a_row_that_was_changed_past_the_chain_is_named(
    watched: Clinic,
    table: type[Model],
    chosen: dict[str, Any],
    change: Callable[[], dict[str, Any]],
    named: str,
) -> None:
    assert table._default_manager.filter(**chosen).update(**change()) == 1
    (one,) = disagreements()
    assert one.table == table._meta.db_table
    assert named in one.words


def test_rows_that_were_deleted_are_missed(watched: Clinic) -> None:
    Stream.objects.filter(**SCORE).delete()
    DayCount.objects.filter(**AGE, day=THIRD).delete()
    counts = DayCount.objects.filter(day=day(5))
    on_that_day = counts.count()
    counts.delete()
    MonitorRun.objects.filter(last_day=day(4)).delete()
    words = [one.words for one in disagreements()]
    assert len(words) == 4
    assert f"1 of {Stream.objects.count() + 1} streams of kidney_failure version 1" in words[0]
    assert f"1 of {on_that_day} counts on 2024-01-03" in words[1]
    assert f"{on_that_day} of {on_that_day} counts on 2024-01-05" in words[2]
    assert "was deleted" in words[3]


def test_rows_that_were_inserted_are_named(watched: Clinic) -> None:
    of: dict[str, Any] = {"model": watched.model, "version": "1"}
    Stream.objects.create(**of, name="value:weight", kind="numeric", state=b"")
    DayCount.objects.create(**of, stream="value:weight", day=day(9), total=1, missing=0)
    MonitorRun.objects.create(**of, started_at=NOW, finished_at=NOW)
    stream, count, run = (one.words for one in disagreements())
    assert "stream value:weight" in stream
    assert "value:weight on 2024-01-09" in count
    assert "inserted" in run


def test_a_row_that_was_changed_with_its_digest_disagrees_with_the_chain(watched: Clinic) -> None:
    stream = Stream.objects.get(**SCORE)
    stream.epoch = 5
    stream.leaf = evidence.stream_leaf(stream)
    stream.save()
    count = DayCount.objects.get(**AGE, day=THIRD)
    count.total = 12
    count.leaf = evidence.count_leaf(count)
    count.save()
    of_streams, of_day = (one.words for one in disagreements())
    assert of_streams.startswith("streams of kidney_failure version 1 were inserted, or changed")
    assert of_day.startswith("counts on 2024-01-03 of kidney_failure version 1 were inserted, or")


def test_no_run_speaks_for_a_state_that_was_forged(watched: Clinic) -> None:
    Stream.objects.filter(**SCORE).update(opened_on=FIRST, epoch=3)
    watched.record(day(7))
    watched.watch(day(7))
    Stream.objects.filter(**SCORE).update(opened_on=None)
    found = disagreements()
    assert "stream score of kidney_failure version 1 was changed or inserted" in {
        one.words for one in found
    }
    watched.record(day(8))
    watched.watch(day(8))
    assert {one.words for one in found} <= {one.words for one in disagreements()}


def test_no_run_speaks_for_a_forged_day_that_it_counts_again(watched: Clinic) -> None:
    DayCount.objects.filter(**AGE, day=THIRD).update(total=12)
    watched.record(THIRD, 7)
    watched.record(day(7))
    watched.watch(day(7))
    assert DayCount.objects.get(**AGE, day=THIRD).total == 67
    (one,) = disagreements()
    assert "value:age on 2024-01-03" in one.words


def test_no_run_speaks_for_rows_that_wait_for_their_day(watched: Clinic) -> None:
    of: dict[str, Any] = {"model": watched.model, "version": "1", "day": day(7)}
    waiting = DayCount(**of, stream="value:weight", total=1, missing=0)
    waiting.leaf = evidence.count_leaf(waiting)
    waiting.save()
    watched.record(day(7))
    watched.watch(day(7))
    (one,) = disagreements()
    assert "counts on 2024-01-07" in one.words


def as_it_was_left_before_evidence_was_noted() -> None:
    AuditEvent.objects.filter(action__startswith="monitoring.").delete()
    for table in (Stream, DayCount):
        table._default_manager.update(leaf=b"")


def test_what_was_written_before_is_said_not_to_be_covered(watched: Clinic) -> None:
    as_it_was_left_before_evidence_was_noted()
    assert disagreements() == []
    assert uncovered() == [
        "monitoring runs: none has been noted",
        "streams and day counts of kidney_failure version 1: no run has noted any",
    ]
    watched.record(THIRD, 7)
    watched.record_days(day(7), 2)
    watched.watch(day(8))
    assert disagreements() == []
    assert uncovered() == [
        "monitoring runs before 2026-06-01",
        "day counts of kidney_failure version 1 before 2024-01-07",
    ]
    DayCount.objects.filter(**AGE).update(total=12)
    MonitorRun.objects.update(predictions=0)
    assert [one.words.partition(" of kidney")[0] for one in disagreements()] == [
        "the count of value:age on 2024-01-07",
        "the count of value:age on 2024-01-08",
        f"run {MonitorRun.objects.latest('pk').pk}",
    ]


def test_the_chain_holds_one_event_a_batch_whatever_the_number_of_streams(
    watched: Clinic,
) -> None:
    events = AuditEvent.objects.filter(action="monitoring.evidence").order_by("block")
    assert [sorted(event.details["days"]) for event in events] == [
        [str(day(number)) for number in (1, 2, 3, 4)],
        [str(day(number)) for number in (5, 6)],
    ]
    assert all(event.details["streams"][0] == Stream.objects.count() for event in events)
