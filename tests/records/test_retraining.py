from datetime import UTC, datetime

import pytest

from models.errors import RecordError
from records import retraining
from records.models import AuditEvent, RetrainingRequest
from records.retraining import Cause
from records.settings import Settings

NOW = datetime(2026, 3, 1, tzinfo=UTC)
OLD, GRAVE = Cause("age 1", "Too old"), Cause("alarm 7", "Creatinine is missing")
SAID = "Risks were shown to nobody in the months that are learnt from"


def sign(request: RetrainingRequest, decision: str = "retrain", **changes: str) -> None:
    given = {"by": "rita", "statement": SAID} | changes
    retraining.sign(request.pk, decision, treatment={"shown": 3}, now=NOW, **given)


def test_causes_gather_in_one_open_request(records_db: Settings) -> None:
    first = retraining.open_request("sepsis", "1", [OLD], NOW)
    second = retraining.open_request("sepsis", "2", [OLD, GRAVE], NOW)
    assert first is not None
    assert second is not None
    assert first.pk == second.pk
    assert retraining.open_request("sepsis", "2", [GRAVE], NOW) is None
    (found,) = retraining.history("sepsis")
    assert [cause["key"] for cause in found.causes] == ["age 1", "alarm 7"]
    assert found.version == "2"
    assert AuditEvent.objects.filter(action="retraining.request").count() == 2


def test_what_was_declined_is_not_asked_again(records_db: Settings) -> None:
    request = retraining.open_request("sepsis", "1", [OLD], NOW)
    assert request is not None
    sign(request, "decline")
    assert retraining.open_request("sepsis", "1", [OLD], NOW) is None
    again = retraining.open_request("sepsis", "1", [OLD, GRAVE], NOW)
    assert again is not None
    assert [cause["key"] for cause in again.causes] == ["alarm 7"]
    assert retraining.waiting("sepsis") is None


def test_a_signed_request_waits_until_it_is_taken_up_once(records_db: Settings) -> None:
    request = retraining.open_request("sepsis", "1", [OLD], NOW)
    assert request is not None
    assert retraining.waiting("sepsis") is None
    sign(request)
    waiting = retraining.waiting("sepsis")
    assert waiting is not None
    assert (waiting.by, waiting.statement, waiting.treatment) == ("rita", SAID, {"shown": 3})
    retraining.take_up(waiting, "Registered as version 2", now=NOW)
    assert retraining.waiting("sepsis") is None
    with pytest.raises(RecordError, match="doesn't wait"):
        retraining.take_up(waiting, "Registered as version 3", now=NOW)
    actions = list(AuditEvent.objects.order_by("block", "position").values_list("action", "by"))
    assert actions == [
        ("retraining.request", "monitoring"),
        ("retraining.decision", "rita"),
        ("retraining.result", "rita"),
    ]


@pytest.mark.parametrize(
    ("decision", "statement", "words"),
    [("promote", SAID, "take retrain or decline"), ("retrain", "  ", "say how treatment")],
)
def test_what_is_not_whole_is_not_signed(
    sqlite_db: Settings, decision: str, statement: str, words: str
) -> None:
    request = retraining.open_request("sepsis", "1", [OLD], NOW)
    assert request is not None
    with pytest.raises(RecordError, match=words):
        sign(request, decision, statement=statement)
    assert retraining.history("sepsis")[0].decision == ""


def test_a_request_is_signed_once(sqlite_db: Settings) -> None:
    request = retraining.open_request("sepsis", "1", [OLD], NOW)
    assert request is not None
    sign(request)
    with pytest.raises(RecordError, match="isn't open"):
        sign(request, "decline")
