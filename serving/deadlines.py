"""By when records must be on disk: one timer for all that wait, since they wait equally long."""

import asyncio
from collections import deque

from serving.problems import DeadlinePassed


class Deadlines:
    """Fails what isn't done in time; all of it belongs to one event loop."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._waiting: deque[tuple[float, asyncio.Future[None]]] = deque()
        self._timer: asyncio.TimerHandle | None = None

    def watch(self, written: asyncio.Future[None], loop: asyncio.AbstractEventLoop) -> None:
        """Let a future fail by DeadlinePassed, unless it's done in time."""
        waiting = self._waiting
        while waiting and waiting[0][1].done():
            waiting.popleft()
        waiting.append((loop.time() + self._seconds, written))
        if self._timer is None:
            self._timer = loop.call_later(self._seconds, self._look, loop)

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        now = loop.time()
        while self._waiting:
            until, written = self._waiting[0]
            if not written.done():
                if until > now:
                    break
                written.set_exception(DeadlinePassed("the record was not on disk in time"))
            self._waiting.popleft()
        self._timer = None
        if self._waiting:
            self._timer = loop.call_at(self._waiting[0][0], self._look, loop)
