"""Requests to retrain, changed past the chain."""

from datetime import UTC, datetime, timedelta

import pytest

from records import retraining
from records.agreement import disagreements
from records.models import RetrainingRequest
from records.retraining import Cause
from records.settings import Settings

NOW = datetime(2026, 3, 1, 8, 30, 0, 123456, tzinfo=UTC)
LATER = NOW + timedelta(hours=1)
OLD, GRAVE = Cause("age 1", "Too old"), Cause("alarm 7", "Creatinine is missing")
SAID = "Risks were shown to nobody in the months that are learnt from"


@pytest.fixture
def told(records_db: Settings) -> Settings:
    """A request that gathered two causes, was signed and taken up, and another that is open."""
    retraining.open_request("sepsis", "1", [OLD], NOW)
    request = retraining.open_request("sepsis", "2", [OLD, GRAVE], LATER)
    assert request is not None
    known = {"shown": 3, "share": 1.0}
    retraining.sign(request.pk, "retrain", by="rita", statement=SAID, treatment=known, now=LATER)
    retraining.take_up(request, "Registered as version 3", now=LATER)
    retraining.open_request("sepsis", "2", [Cause("alarm 8", "Age rose")], LATER)
    return records_db


def test_what_was_asked_signed_and_taken_up_agrees(told: Settings) -> None:
    assert RetrainingRequest.objects.count() == 2
    assert disagreements() == []


@pytest.mark.parametrize(
    "change",
    [
        {"version": "1"},
        {"causes": []},
        {"opened_at": LATER},
        {"decision": "decline"},
        {"by": "mallory"},
        {"statement": "No reason"},
        {"treatment": {}},
        {"taken_up_at": None},
        {"result": "All is well"},
    ],
)
def test_a_request_that_was_changed_past_the_chain_is_found(
    told: Settings, change: dict[str, object]
) -> None:
    RetrainingRequest.objects.filter(decision="retrain").update(**change)
    found = disagreements()
    assert {one.table for one in found} == {"records_retrainingrequest"}
    assert any("was changed" in one.words for one in found)


def test_a_signature_that_was_forged_on_the_open_request_is_found(told: Settings) -> None:
    RetrainingRequest.objects.filter(decision="").update(
        decision="decline", by="rita", statement=SAID, signed_at=LATER
    )
    (one,) = disagreements()
    assert one.words.startswith("a decision on retraining was changed or inserted: sepsis, decline")


def test_a_request_that_was_deleted_or_inserted_is_found(told: Settings) -> None:
    RetrainingRequest.objects.filter(decision="").delete()
    RetrainingRequest.objects.create(model="aki", version="9", opened_at=LATER)
    deleted, inserted = disagreements()
    assert "deleted: sepsis, 2" in deleted.words
    assert "inserted: aki, 9" in inserted.words
