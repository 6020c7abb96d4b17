"""What is handed over to the writer at once, and telling those who wait for it."""

import asyncio
from collections.abc import Iterable
from concurrent.futures import Future
from contextlib import suppress
from copy import copy
from dataclasses import dataclass

from records.rows import Prepared


@dataclass(slots=True, eq=False)
class Submission:
    """Rows for one commit, and the future that resolves once they are on disk."""

    rows: list[Prepared]
    future: "Future[None] | asyncio.Future[None]"


def resolve(submissions: Iterable[Submission], error: Exception | None) -> None:
    """Tell the waiters, each event loop by one call."""
    loops: dict[asyncio.AbstractEventLoop, list[asyncio.Future[None]]] = {}
    for submission in submissions:
        future = submission.future
        if future.done():
            continue
        if isinstance(future, asyncio.Future):
            loops.setdefault(future.get_loop(), []).append(future)
        elif future.set_running_or_notify_cancel():
            _settle(future, error)
    for loop, futures in loops.items():
        # a loop that was closed has nobody left who waits
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(_settle_all, futures, error)


def _settle_all(futures: list[asyncio.Future[None]], error: Exception | None) -> None:
    for future in futures:
        if not future.done():
            _settle(future, error)


def _settle(future: "Future[None] | asyncio.Future[None]", error: Exception | None) -> None:
    if error is None:
        future.set_result(None)
    else:
        # raising adds to an error's traceback, so every waiter gets its own
        future.set_exception(copy(error))
