"""A running writer on the database of the test."""

from collections.abc import Iterator

import pytest

from records.settings import Settings
from records.writer import Writer


@pytest.fixture
def writer(records_db: Settings) -> Iterator[Writer]:
    """A writer on a fresh database of each kind."""
    writer = Writer(records_db.database, queue=1000, batch=64)
    writer.start()
    yield writer
    writer.close()
