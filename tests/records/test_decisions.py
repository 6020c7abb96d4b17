import pytest
from django.utils import timezone

from models.errors import RecordError
from records import decisions
from records.models import AuditEvent, Review
from records.settings import Settings

WHY = "Its silent year is over, and the board agreed"


def signed(decision: str, version: str = "3", by: str = "olga") -> Review:
    return decisions.sign("sepsis", version, decision, by=by, because=WHY, now=timezone.now())


def test_a_decision_is_kept_and_stands_in_the_audit_chain(records_db: Settings) -> None:
    review = signed("promote")
    assert decisions.history("sepsis") == [review]
    event = AuditEvent.objects.get(action="version.decision")
    assert (event.by, event.details["version"], event.details["because"]) == ("olga", "3", WHY)


def test_an_approval_is_of_one_version_and_waits_for_nothing(sqlite_db: Settings) -> None:
    review = signed("approve")
    assert decisions.approval("sepsis", "3") == review
    assert decisions.approval("sepsis", "4") is None
    assert decisions.approval("stroke", "3") is None
    assert decisions.waiting() == []


def test_what_waits_is_carried_out_once_oldest_first(sqlite_db: Settings) -> None:
    first, second = signed("promote"), signed("roll back", "")
    assert decisions.waiting() == [first, second]
    decisions.finish(first, "Version 3 is champion.", now=timezone.now())
    assert decisions.waiting() == [second]
    with pytest.raises(RecordError, match="carried out already"):
        decisions.finish(first, "Version 3 is champion.", now=timezone.now())
    assert AuditEvent.objects.filter(action="version.decision.result").count() == 1


@pytest.mark.parametrize(
    ("decision", "version", "words"),
    [("delete", "3", "take one of approve, promote, roll back"), ("promote", " ", "name the ver")],
)
def test_what_is_no_decision_is_refused_and_leaves_nothing(
    sqlite_db: Settings, decision: str, version: str, words: str
) -> None:
    with pytest.raises(RecordError, match=words):
        signed(decision, version)
    assert not Review.objects.exists()
    assert not AuditEvent.objects.exists()
