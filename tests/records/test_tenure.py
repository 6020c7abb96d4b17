from datetime import timedelta

import pytest

from models.errors import RecordError
from records.models import AuditEvent, Tenure
from records.settings import Settings
from records.tenure import history, move_alias, version_at
from tests.records.made_up import NOW

DAY = timedelta(days=1)


def promote(version: str, days: int, model: str = "sepsis", alias: str = "champion") -> None:
    move_alias(
        model,
        alias,
        version,
        by="grace",
        because="better calibrated",
        evidence={"auroc": 0.81},
        now=NOW + days * DAY,
    )


def test_an_alias_means_what_it_meant_at_the_time(records_db: Settings) -> None:
    promote("1", 0)
    promote("2", 10)
    promote("9", 5, model="aki")
    promote("7", 5, alias="challenger")
    assert version_at("sepsis", "champion", NOW - DAY) is None
    assert version_at("sepsis", "champion", NOW) == "1"
    assert version_at("sepsis", "champion", NOW + 9 * DAY) == "1"
    assert version_at("sepsis", "champion", NOW + 10 * DAY) == "2"
    assert [one.version for one in history("sepsis")] == ["2", "7", "1"]


def test_a_move_is_in_the_audit_chain_with_its_reason(records_db: Settings) -> None:
    promote("1", 0)
    promote("2", 1)
    event = AuditEvent.objects.get(block=2)
    assert (event.action, event.by) == ("alias.move", "grace")
    assert event.details == {
        "model": "sepsis",
        "alias": "champion",
        "version": "2",
        "from": "1",
        "because": "better calibrated",
        "overridden": False,
        "evidence": {"auroc": 0.81},
    }


def test_history_is_not_rewritten(records_db: Settings) -> None:
    promote("2", 10)
    with pytest.raises(RecordError, match="after"):
        promote("1", 9)
    assert (Tenure.objects.count(), AuditEvent.objects.count()) == (1, 1)


def test_a_move_without_a_reason_is_refused(sqlite_db: Settings) -> None:
    with pytest.raises(RecordError, match="say why"):
        move_alias("sepsis", "champion", "1", by="grace", because=" ", evidence={}, now=NOW)
    assert Tenure.objects.count() == 0
