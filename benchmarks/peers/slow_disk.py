"""Our service as on a slower disk: each commit takes SLOW_DISK_MS longer."""

import os
import time

import records.writer
from records.chain import Block
from records.store import Rows, Store, open_store
from serving.service import service

__all__ = ["service"]

DELAY_SECONDS = float(os.environ["SLOW_DISK_MS"]) / 1e3


class SlowStore:
    """A store that waits as for a disk, without the interpreter's lock, before it commits."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def commit(self, block: Block, rows: Rows) -> None:
        """Wait, then commit."""
        time.sleep(DELAY_SECONDS)
        self._store.commit(block, rows)

    def close(self) -> None:
        """Close the connection."""
        self._store.close()


def _open_slowly(url: str) -> Store:
    return SlowStore(open_store(url))


records.writer.open_store = _open_slowly  # type: ignore[attr-defined]  # the name it calls
