from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from django.db.models import Model

from records import decisions, suspensions, tenure
from records.agreement import disagreements
from records.models import Review, Suspension, Tenure
from records.settings import Settings

NOW = datetime(2026, 5, 1, 8, 30, 0, 123456, tzinfo=UTC)
LATER = NOW + timedelta(hours=1)


@pytest.fixture
def told(records_db: Settings) -> Settings:
    """A database in which something of each kind happened."""
    evidence = {"gates": [{"value": 0.1 + 0.2, "low": -0.0}], "run_id": "0123"}
    because = "It passes its gates"
    tenure.move_alias(
        "sepsis", "champion", "1", by="olga", because=because, evidence=evidence, now=NOW
    )
    suspensions.suspend("sepsis", by="olga", because="The feed is broken", now=NOW)
    suspensions.restore("sepsis", by="rita", because="The feed was repaired", now=LATER)
    review = decisions.sign("sepsis", "2", "promote", by="rita", because=because, now=NOW)
    decisions.finish(review, "Version 2 is champion.", now=LATER)
    decisions.sign("sepsis", "2", "approve", by="olga", because=because, now=LATER)
    return records_db


def test_what_was_written_as_it_should_be_agrees(told: Settings) -> None:
    assert disagreements() == []


@pytest.mark.parametrize(
    ("table", "change"),
    [
        (Tenure, {"by": "mallory"}),
        (Tenure, {"version": "3"}),
        (Tenure, {"evidence": {}}),
        (Suspension, {"because": "No reason"}),
        (Suspension, {"ended_at": None}),
        (Review, {"by": "mallory"}),
        (Review, {"decision": "roll back"}),
        (Review, {"result": "All is well"}),
    ],
)
def test_a_row_that_was_changed_past_the_chain_is_found(
    told: Settings, table: type[Model], change: dict[str, object]
) -> None:
    rows = table._default_manager.order_by("pk")
    rows.filter(pk=rows.first().pk).update(**change)
    found = disagreements()
    assert {one.table for one in found} == {table._meta.db_table}
    assert any("was changed" in one.words for one in found)


@pytest.mark.parametrize("table", [Tenure, Suspension, Review])
def test_a_row_that_was_deleted_is_found(told: Settings, table: type[Model]) -> None:
    table._default_manager.all().delete()
    assert {one.table for one in disagreements()} == {table._meta.db_table}


def inserted_tenure() -> None:
    Tenure.objects.create(
        model="sepsis", alias="champion", version="9", since=LATER, by="olga", because="x"
    )


def inserted_approval() -> None:
    Review.objects.create(
        model="sepsis", version="9", decision="approve", by="olga", because="x", signed_at=LATER
    )


@pytest.mark.parametrize("insert", [inserted_tenure, inserted_approval])
def test_a_row_that_was_inserted_past_the_chain_is_found(
    told: Settings, insert: Callable[[], None]
) -> None:
    insert()
    (one,) = disagreements()
    assert "inserted" in one.words
    assert "9" in one.words
