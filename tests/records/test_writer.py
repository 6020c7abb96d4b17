import asyncio
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime
from pathlib import Path
from uuid import UUID, uuid4

import numpy as np
import psycopg
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from models.errors import RecordError, WriterBusy, WriterStopped
from records.models import ChainBlock, Outcome, Prediction, Refusal
from records.rows import PredictionRow, RefusalRow
from records.settings import Settings
from records.standstill import STANDSTILL_SECONDS
from records.store import PostgresqlStore
from records.verification import verify
from records.writer import Writer
from tests.records.made_up import NOW, outcome, prediction, refusal

ROOT = Path(__file__).parents[2]


def wait_until(condition: Callable[[], bool], seconds: float = 15) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)


def test_a_record_is_in_the_tables_when_its_future_resolves(writer: Writer) -> None:
    row = prediction(
        features={"lactate": 2.5, "age": 71.0, "sex": None, "risk": 1e-7}, unused=["Observation/9"]
    )
    writer.submit([row]).result(10)
    stored = Prediction.objects.get(id=row.id)
    for name in PredictionRow.__struct_fields__:
        value = getattr(stored, name)
        assert (bytes(value) if name in ("vector", "contributions") else value) == getattr(
            row, name
        )
    assert np.isnan(np.frombuffer(bytes(stored.vector), "<f8")[2])


def test_refusals_and_outcomes_are_recorded_with_their_predictions(writer: Writer) -> None:
    row = prediction()
    writer.submit([row, refusal(), outcome(row.id), outcome(None)]).result(10)
    stored = Refusal.objects.get()
    assert all(
        getattr(stored, name) == getattr(refusal(), name) for name in RefusalRow.__struct_fields__
    )
    outcomes = list(Outcome.objects.order_by("id"))
    assert [one.prediction_id for one in outcomes] == [row.id, None]
    assert (outcomes[0].happened, outcomes[0].known_at) == (True, NOW)
    assert ChainBlock.objects.get().count == 4


def test_what_gathers_during_a_commit_shares_the_next(writer: Writer) -> None:
    futures = [writer.submit([prediction()]) for _ in range(200)]
    for future in futures:
        future.result(10)
    assert Prediction.objects.count() == 200
    blocks = list(ChainBlock.objects.order_by("seq").values_list("seq", "count"))
    assert [seq for seq, _ in blocks] == list(range(1, len(blocks) + 1))
    assert sum(count for _, count in blocks) == 200
    assert len(blocks) < 200
    assert max(count for _, count in blocks) <= 64


def test_clients_that_ask_again_share_their_commits(records_db: Settings) -> None:
    writer = Writer(records_db.database, queue=64, gather_seconds=60)
    writer.start()

    async def ask(loop: asyncio.AbstractEventLoop) -> None:
        await writer.submit_async([prediction() for _ in range(4)], loop)
        later = []
        for _ in range(4):
            later.append(writer.submit_async([prediction()], loop))
            await asyncio.sleep(0.02)
        await asyncio.gather(*later)

    asyncio.run(_with_loop(ask))
    writer.close()
    assert [block.count for block in ChainBlock.objects.order_by("seq")] == [4, 4]


def test_fewer_clients_than_before_are_waited_for_a_moment_only(writer: Writer) -> None:
    writer.submit([prediction() for _ in range(4)]).result(10)
    writer.submit([prediction()]).result(10)
    assert [block.count for block in ChainBlock.objects.order_by("seq")] == [4, 1]


def test_closing_does_not_wait_for_more_to_gather(records_db: Settings) -> None:
    writer = Writer(records_db.database, queue=64, gather_seconds=3600)
    writer.start()
    writer.submit([prediction() for _ in range(4)]).result(10)
    last = writer.submit([prediction()])
    writer.close()
    last.result(0)


def test_many_rows_of_several_tables_are_written_by_one_commit(records_db: Settings) -> None:
    writer = Writer(records_db.database, queue=512)
    writer.start()
    rows = [prediction() for _ in range(101)]
    writer.submit([*rows, *(outcome(row.id) for row in rows[:35])]).result(10)
    writer.close()
    assert {row.id for row in Prediction.objects.all()} == {row.id for row in rows}
    assert sorted(Prediction.objects.values_list("position", flat=True)) == list(range(101))
    assert Outcome.objects.count() == 35


async def _with_loop(ask: Callable[[asyncio.AbstractEventLoop], Awaitable[None]]) -> None:
    await ask(asyncio.get_running_loop())


def test_requests_of_an_event_loop_are_answered_in_it(writer: Writer) -> None:
    async def load() -> list[UUID]:
        loop = asyncio.get_running_loop()
        rows = [prediction() for _ in range(100)]
        await asyncio.gather(*(writer.submit_async([row], loop) for row in rows))
        return [row.id for row in rows]

    ids = asyncio.run(load())
    assert set(Prediction.objects.values_list("id", flat=True)) == set(ids)


def test_a_cancelled_request_takes_no_other_with_it(writer: Writer) -> None:
    async def load() -> None:
        loop = asyncio.get_running_loop()
        first, second = (writer.submit_async([prediction()], loop) for _ in range(2))
        first.cancel()
        await second

    asyncio.run(load())
    assert Prediction.objects.count() == 2


def test_a_record_that_the_database_refuses_fails_alone(writer: Writer) -> None:
    twice = prediction()
    rows = [prediction() for _ in range(30)]
    rows[7:7] = [twice, twice]
    rows[20] = prediction(id=twice.id)
    # one submission holds the writer up, so that the others share a commit
    futures = [writer.submit([row]) for row in (prediction(), *rows)]
    failed = [number for number, future in enumerate(futures) if future.exception(10)]
    assert failed == [9, 21]
    assert all(isinstance(futures[number].exception(), RecordError) for number in failed)
    assert Prediction.objects.count() == len(futures) - 2
    assert writer.ready
    assert isinstance(writer.submit([twice]).exception(10), RecordError)
    assert writer.ready  # as it stands with the last commit too


def test_an_outcome_of_an_unknown_prediction_fails_alone(writer: Writer) -> None:
    futures = [writer.submit([row]) for row in (prediction(), outcome(uuid4()), prediction())]
    assert isinstance(futures[1].exception(10), RecordError)
    assert [futures[0].result(10), futures[2].result(10)] == [None, None]
    assert (Prediction.objects.count(), Outcome.objects.count()) == (2, 0)


def test_postgresql_refuses_a_long_text_without_quoting_the_row(
    postgresql_db: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    writer = Writer(postgresql_db.database, queue=10)
    writer.start()
    error = writer.submit([prediction(patient="canary" * 20)]).exception(10)
    writer.close()
    assert isinstance(error, RecordError)
    assert str(error) == "the database refuses a record"
    assert "too long" in caplog.text
    assert "canary" not in caplog.text


@pytest.mark.parametrize(
    "changes",
    [
        {"risk": float("nan")},
        {"features": {"lactate": float("inf")}},
        {"predicted_at": datetime(2026, 1, 1)},  # noqa: DTZ001
        {"site": "\ud800"},
    ],
)
def test_a_record_that_has_no_exact_form_is_refused_at_the_door(
    sqlite_db: Settings, changes: dict[str, object]
) -> None:
    writer = Writer(sqlite_db.database, queue=10)
    writer.start()
    with pytest.raises(RecordError):
        writer.submit([prediction(**changes)])
    with pytest.raises(RecordError, match="nothing to record"):
        writer.submit([])
    writer.close()
    assert Prediction.objects.count() == 0


def test_commits_are_synced_where_the_database_does_not_sync(postgresql_db: Settings) -> None:
    with psycopg.connect(postgresql_db.database) as connection:
        assert connection.execute("SHOW synchronous_commit").fetchone() == ("off",)
    store = PostgresqlStore(postgresql_db.database)
    assert store.synchronous_commit == "on"
    store.close()


def test_a_full_queue_refuses_more(postgresql_db: Settings) -> None:
    writer = Writer(postgresql_db.database, queue=3)
    writer.start()
    with psycopg.connect(postgresql_db.database) as connection:
        connection.execute("LOCK TABLE records_prediction")
        held_up = writer.submit([prediction()])
        wait_until(lambda: writer.waiting == 0)
        futures = [writer.submit([prediction()]) for _ in range(3)]
        with pytest.raises(WriterBusy, match="3 records wait"):
            writer.submit([prediction()])
    assert [future.result(10) for future in (held_up, *futures)] == [None] * 4
    writer.close()


def test_closing_commits_what_waits_and_refuses_what_comes(writer: Writer) -> None:
    futures = [writer.submit([prediction()]) for _ in range(50)]
    writer.close()
    assert all(future.done() and future.exception() is None for future in futures)
    assert not writer.alive
    with pytest.raises(WriterStopped):
        writer.submit([prediction()])


def test_a_writer_without_a_database_does_not_start(tmp_path: Path) -> None:
    for url in (f"sqlite:///{tmp_path / 'none.db'}", "postgresql://postgres@127.0.0.1:1/none"):
        writer = Writer(url, queue=10)
        with pytest.raises(WriterStopped):
            writer.start()
        with pytest.raises(WriterStopped):
            writer.submit([prediction()])
    assert not (tmp_path / "none.db").exists()


def test_a_deleted_database_stops_the_writer_until_it_is_back(sqlite_db: Settings) -> None:
    path = sqlite_db.root / "records.db"
    writer = Writer(sqlite_db.database, queue=10)
    writer.start()
    writer.submit([prediction()]).result(10)
    path.rename(path.with_name("moved.db"))
    assert isinstance(writer.submit([prediction()]).exception(10), WriterStopped)
    assert not writer.alive
    with pytest.raises(WriterStopped, match="nothing is answered"):
        writer.submit([prediction()])
    path.with_name("moved.db").rename(path)
    wait_until(lambda: writer.alive)
    writer.submit([prediction()]).result(10)
    writer.close()
    assert Prediction.objects.count() == 2
    assert ChainBlock.objects.values("writer").distinct().count() == 2


def test_a_lost_connection_fails_every_waiter_and_is_made_anew(postgresql_db: Settings) -> None:
    writer = Writer(postgresql_db.database, queue=10)
    writer.start()
    with psycopg.connect(postgresql_db.database, autocommit=True) as connection:
        connection.execute("BEGIN")
        connection.execute("LOCK TABLE records_prediction")
        futures = [writer.submit([prediction()])]
        wait_until(lambda: writer.waiting == 0)
        futures += [writer.submit([prediction()]) for _ in range(3)]
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        assert all(isinstance(future.exception(10), WriterStopped) for future in futures)
        connection.execute("ROLLBACK")
    wait_until(lambda: writer.alive)
    writer.submit([prediction()]).result(10)
    writer.close()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_writer_whose_thread_dies_leaves_nobody_waiting(sqlite_db: Settings) -> None:
    def broken_clock() -> datetime:
        ticks.append(None)
        if len(ticks) > 1:
            raise ZeroDivisionError
        return NOW

    ticks: list[None] = []
    writer = Writer(sqlite_db.database, queue=10, clock=broken_clock)
    writer.start()
    writer.submit([prediction()]).result(10)
    error = writer.submit([prediction()]).exception(10)
    assert isinstance(error, WriterStopped)
    writer.close()
    assert not writer.alive


def test_two_writers_share_a_database(records_db: Settings) -> None:
    writers = [Writer(records_db.database, queue=1000, batch=8) for _ in range(2)]
    for writer in writers:
        writer.start()
    futures = [writer.submit([prediction()]) for _ in range(100) for writer in writers]
    for future in futures:
        future.result(30)
    for writer in writers:
        writer.close()
    assert Prediction.objects.count() == 200
    assert ChainBlock.objects.values("writer").distinct().count() == 2


RECORD_UNTIL_KILLED = """
import sys, threading
from tests.records.made_up import prediction
from records.writer import Writer

writer = Writer(sys.argv[1], queue=4096)
writer.start()

def ask():
    while True:
        row = prediction()
        writer.submit([row]).result()
        sys.stdout.write(f"{row.id}\\n")
        sys.stdout.flush()

for _ in range(16):
    threading.Thread(target=ask, daemon=True).start()
threading.Event().wait()
"""


def test_killing_the_process_loses_nothing_that_was_answered(records_db: Settings) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", RECORD_UNTIL_KILLED, records_db.database],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    answered: list[str] = []
    reader = threading.Thread(target=lambda: answered.extend(process.stdout or ()))
    reader.start()
    try:
        wait_until(lambda: len(answered) >= 500, seconds=60)
    finally:
        process.kill()
        process.wait()
    reader.join()
    process.stdout.close()
    ids = {UUID(line.strip()) for line in answered if line.endswith("\n") and len(line) == 37}
    recorded = set(Prediction.objects.values_list("id", flat=True))
    assert len(ids) >= 500
    assert ids <= recorded
    assert len(recorded) - len(ids) <= 16 * 2
    assert sum(ChainBlock.objects.values_list("count", flat=True)) == len(recorded)
    assert verify([], Ed25519PrivateKey.generate().public_key()).faults == ()


def held(settings: Settings) -> AbstractContextManager[None]:
    """Keep everybody else from writing, as a backup or a long transaction may."""

    @contextmanager
    def on_sqlite() -> Iterator[None]:
        other = sqlite3.connect(settings.root / "records.db", isolation_level=None)
        other.execute("BEGIN EXCLUSIVE")
        yield
        other.execute("ROLLBACK")
        other.close()

    @contextmanager
    def on_postgresql() -> Iterator[None]:
        with psycopg.connect(settings.database) as other:
            other.execute("LOCK TABLE records_prediction IN EXCLUSIVE MODE")
            yield
            other.rollback()

    return on_sqlite() if settings.database.startswith("sqlite") else on_postgresql()


def test_a_writer_is_not_ready_while_rows_wait_for_seconds_and_none_is_written(
    records_db: Settings, writer: Writer
) -> None:
    with held(records_db):
        time.sleep(STANDSTILL_SECONDS)
        assert writer.ready  # nobody waits
        future = writer.submit([prediction()])
        assert writer.ready
        wait_until(lambda: not writer.ready, STANDSTILL_SECONDS + 1)
        assert writer.alive
    future.result(10)
    assert writer.ready


def test_after_failed_commits_it_is_tried_without_a_row_until_one_would_succeed(
    records_db: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("records.store.BUSY_SECONDS", 0.1)
    monkeypatch.setattr("records.standstill.HOLD_SECONDS", 0.2)
    monkeypatch.setattr("records.standstill.TRIAL_SECONDS", 0.1)
    url = records_db.database
    if url.startswith("postgresql"):
        url += "&" if "?" in url else "?"
        url += "options=-clock_timeout%3D100ms"
    writer = Writer(url, queue=10)
    writer.start()
    with held(records_db):
        assert isinstance(writer.submit([prediction()]).exception(10), WriterBusy)
        assert not writer.ready
        time.sleep(1)
        assert not writer.ready
    wait_until(lambda: writer.ready, 5)
    assert not ChainBlock.objects.exists()
    writer.submit([prediction()]).result(10)
    assert writer.ready
    writer.close()


def test_a_database_that_may_only_be_read_is_busy_and_does_not_refuse_the_row(
    postgresql_db: Settings, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("records.standstill.HOLD_SECONDS", 0.1)
    monkeypatch.setattr("records.standstill.TRIAL_SECONDS", 0.1)
    writer = Writer(
        f"{postgresql_db.database}?options=-cdefault_transaction_read_only%3Don", queue=10
    )
    writer.start()
    error = writer.submit([prediction()]).exception(10)
    assert isinstance(error, WriterBusy)
    assert "read-only" not in str(error)
    assert "read-only transaction" in caplog.text
    time.sleep(0.5)
    assert not writer.ready
    writer.close()
