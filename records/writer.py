"""The group-commit writer: many requests share one commit, and each waits until it is on disk."""

import asyncio
import logging
import secrets
import threading
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import UTC, datetime
from weakref import WeakSet

from models.errors import RecordError, WriterBusy, WriterStopped
from records.chain import Block, chained, next_block
from records.rows import Prepared, Row, prepare
from records.standstill import Standstill
from records.store import Store, open_store
from records.submissions import Submission, resolve

RECONNECT_SECONDS = 1.0
# how long a commit is put off until as many rows wait as the last one held: clients that ask again
# share commits so, and one that asks alone never waits
GATHER_SECONDS = 0.002
_log = logging.getLogger(__name__)


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(slots=True)
class _Link:
    """A connection to the database and the chain that was begun with it."""

    store: Store
    writer: str = field(default_factory=lambda: secrets.token_hex(8))
    last: Block | None = None

    def commit(self, rows: list[Prepared], now: datetime) -> None:
        block = next_block(self.writer, self.last, [row.leaf for row in rows], now)
        self.store.commit(block, chained(block, rows))
        self.last = block


class Writer:
    """One thread and one connection a process, to which requests hand over their records.

    Whatever has gathered while a commit was under way goes into the next one, which waits for at
    most `gather_seconds` until it's as large as the last one. A row that the
    database refuses fails its own waiter only. When the database is gone every waiter fails at
    once with WriterStopped, `alive` is False, and the thread tries to connect again each second.
    `ready` is False as well while rows wait for seconds and none is written, or commits fail.
    """

    def __init__(
        self,
        database_url: str,
        *,
        queue: int,
        batch: int = 512,
        gather_seconds: float = GATHER_SECONDS,
        clock: Callable[[], datetime] = _now,
    ) -> None:
        self._url = database_url
        self._room = queue
        self._batch = batch
        self._gather_seconds = gather_seconds
        self._clock = clock
        self._waiting: deque[Submission] = deque()
        self._waiting_rows = 0
        self._wanted_rows = 1
        self._resting = False  # the thread waits for a first row
        # the loops that will wake the thread; one that ends before it does takes no other along
        self._ringing: WeakSet[asyncio.AbstractEventLoop] = WeakSet()
        self._changed = threading.Condition(threading.Lock())
        self._thread: threading.Thread | None = None
        self._alive = False
        self._closing = False
        self._standstill = Standstill()

    @property
    def ready(self) -> bool:
        """Whether records can be written now, by all that is known of the last commits."""
        return self._alive and not self._standstill.lasts

    @property
    def alive(self) -> bool:
        """Whether there is a database to which records are handed over."""
        return self._alive

    @property
    def waiting(self) -> int:
        """How many records wait for a commit."""
        return self._waiting_rows

    def start(self) -> None:
        """Connect and start the thread, after any fork; raise WriterStopped if it can't."""
        if self._thread is not None:
            raise RecordError("the writer was started already")
        link = _Link(open_store(self._url))
        self._alive = True
        self._thread = threading.Thread(
            target=self._run, args=(link,), name="records-writer", daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        """Commit what waits, refuse what comes, and end the thread."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        if self._thread is not None:
            self._thread.join()

    def submit(self, rows: Sequence[Row]) -> Future[None]:
        """Hand rows over to one commit; the future resolves once they are on disk.

        Raises RecordError for a row that can't be written, WriterBusy when too much waits and
        WriterStopped when nothing can be written.
        """
        future: Future[None] = Future()
        self._hand_over(Submission([prepare(row) for row in rows], future))
        self._wake()
        return future

    def submit_async(
        self, rows: Sequence[Row], loop: asyncio.AbstractEventLoop
    ) -> asyncio.Future[None]:
        """Hand rows over as `submit` does; all futures of one commit wake their loop once.

        The thread is woken after all that the loop has ready now, so that it takes them together.
        """
        future: asyncio.Future[None] = loop.create_future()
        self._hand_over(Submission([prepare(row) for row in rows], future))
        if loop not in self._ringing:
            self._ringing.add(loop)
            loop.call_soon(self._ring, loop)
        return future

    def _ring(self, loop: asyncio.AbstractEventLoop) -> None:
        self._ringing.discard(loop)
        self._wake()

    def _wake(self) -> None:
        with self._changed:
            if self._resting or self._waiting_rows >= self._wanted_rows:
                self._changed.notify()

    def _hand_over(self, submission: Submission) -> None:
        count = len(submission.rows)
        if not count:
            raise RecordError("there is nothing to record")
        with self._changed:
            if self._closing or not self._alive:
                raise WriterStopped("nothing can be recorded now, so nothing is answered")
            if self._waiting_rows + count > self._room:
                raise WriterBusy(
                    f"{self._waiting_rows} records wait to be written, {self._room} at most"
                )
            self._waiting.append(submission)
            self._waiting_rows += count
            self._standstill.begin()

    def _run(self, link: _Link | None) -> None:
        try:
            while link is not None:
                gone = self._write_until_gone(link)
                link.store.close()
                link = self._reconnect() if gone else None
        finally:
            self._stop(WriterStopped("the writer was closed"))

    def _write_until_gone(self, link: _Link) -> bool:
        """Write what is handed over until the database is gone (True) or the writer is closed."""
        while True:
            submissions = self._gather()
            try:
                if submissions is None:
                    self._try(link)
                elif submissions:
                    self._write(link, submissions)
                else:
                    return False
            except WriterStopped as error:
                _log.error("nothing can be recorded: %s", error)
                self._stop(error, submissions or ())
                return True
            except BaseException as error:
                stopped = WriterStopped(f"the writer failed: {type(error).__name__}")
                self._stop(stopped, submissions or ())
                raise

    def _gather(self) -> list[Submission] | None:
        """Wait for submissions, and take as many as fit in a batch; an empty one means closed.

        None means that there are none, and that it should be tried whether a commit would succeed.
        """
        with self._changed:
            self._resting = True
            while not self._waiting and not self._closing:
                told = self._changed.wait(self._standstill.seconds_to_trial)
                if not (told or self._waiting or self._closing):
                    return None
            self._resting = False
            if self._waiting_rows < self._wanted_rows and not self._closing:
                self._changed.wait(self._gather_seconds)
            taken: list[Submission] = []
            count = 0
            while self._waiting and (
                not taken or count + len(self._waiting[0].rows) <= self._batch
            ):
                taken.append(self._waiting.popleft())
                count += len(taken[-1].rows)
            self._waiting_rows -= count
            self._wanted_rows = count
            return taken

    def _write(self, link: _Link, submissions: list[Submission]) -> None:
        """Commit submissions together; where a row is refused, halve them until it's alone."""
        rows = [row for submission in submissions for row in submission.rows]
        try:
            link.commit(rows, self._clock())
        except WriterStopped:
            raise
        except WriterBusy as error:
            with self._changed:
                self._standstill.fail()
            resolve(submissions, error)
        except RecordError as error:
            if len(submissions) == 1:
                self._go_on()
                resolve(submissions, error)
                return
            half = len(submissions) // 2
            self._write(link, submissions[:half])
            self._write(link, submissions[half:])
        else:
            self._go_on()
            resolve(submissions, None)

    def _go_on(self) -> None:
        with self._changed:
            self._standstill.end(waiting=bool(self._waiting))

    def _try(self, link: _Link) -> None:
        """Find out whether a commit would succeed, by one that writes nothing."""
        try:
            link.store.check()
        except WriterBusy:
            with self._changed:
                self._standstill.fail(in_trial=True)
        else:
            self._go_on()

    def _stop(self, error: WriterStopped, submissions: Iterable[Submission] = ()) -> None:
        with self._changed:
            self._alive = False
            self._standstill.fail()
            abandoned = [*submissions, *self._waiting]
            self._waiting.clear()
            self._waiting_rows = 0
        resolve(abandoned, error)

    def _reconnect(self) -> _Link | None:
        """Try to connect until it works, and begin a new chain; return None when closed."""
        while True:
            with self._changed:
                if self._changed.wait_for(lambda: self._closing, RECONNECT_SECONDS):
                    return None
            try:
                link = _Link(open_store(self._url))
            except WriterStopped as error:
                _log.warning("still not connected: %s", error)
                continue
            with self._changed:
                self._alive = True
            return link
