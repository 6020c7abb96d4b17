from datetime import timedelta

import pytest

from models.errors import ModelSuspended, RecordError
from records.models import AuditEvent
from records.settings import Settings
from records.suspensions import Suspensions, history, restore, suspend, suspended
from tests.records.made_up import NOW


def test_a_suspension_lasts_until_it_is_ended(records_db: Settings) -> None:
    suspend("sepsis", by="grace", because="drift", now=NOW)
    assert suspended() == {"sepsis": "drift"}
    restore("sepsis", by="ada", because="retrained", now=NOW + timedelta(days=1))
    assert suspended() == {}
    (one,) = history("sepsis")
    assert (one.by, one.because, one.ended_by, one.ended_because) == (
        "grace",
        "drift",
        "ada",
        "retrained",
    )


def test_both_are_in_the_audit_chain_with_who_and_why(records_db: Settings) -> None:
    suspend("sepsis", by="grace", because="drift", now=NOW)
    restore("sepsis", by="ada", because="retrained", now=NOW)
    events = AuditEvent.objects.order_by("block")
    assert [(one.action, one.by, one.details["because"]) for one in events] == [
        ("model.suspend", "grace", "drift"),
        ("model.restore", "ada", "retrained"),
    ]


def test_a_model_is_not_suspended_twice_nor_restored_without_cause(sqlite_db: Settings) -> None:
    with pytest.raises(RecordError, match="not suspended"):
        restore("sepsis", by="ada", because="retrained", now=NOW)
    suspend("sepsis", by="grace", because="drift", now=NOW)
    with pytest.raises(RecordError, match="already"):
        suspend("sepsis", by="grace", because="drift", now=NOW)
    with pytest.raises(RecordError, match="why"):
        restore("sepsis", by="ada", because=" ", now=NOW)
    for because in ("the feed\nis down", "a\x1bb", "a\u2028b", "a\tb"):
        with pytest.raises(RecordError, match="one line"):
            suspend("aki", by="grace", because=because, now=NOW)
    with pytest.raises(RecordError, match="one line"):
        suspend("aki", by="gra\nce", because="drift", now=NOW)
    assert AuditEvent.objects.count() == 1


def test_a_cache_that_can_not_read_the_table_lets_nothing_pass(sqlite_db: Settings) -> None:
    suspend("sepsis", by="grace", because="drift", now=NOW)
    cache = Suspensions()
    try:
        cache.check("aki")
        with pytest.raises(ModelSuspended, match="drift"):
            cache.check("sepsis")
    finally:
        cache.close()
    unreadable = Suspensions()
    (sqlite_db.root / "records.db").write_bytes(b"not a database" * 100)
    for name in ("records.db-wal", "records.db-shm"):
        (sqlite_db.root / name).unlink(missing_ok=True)
    try:
        with pytest.raises(RecordError, match="suspended"):
            unreadable.check("aki")
    finally:
        unreadable.close()
