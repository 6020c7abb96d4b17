from collections.abc import Callable

import pytest
from django.test import Client

from monitoring.console.accounts import create_console_user
from records import decisions
from records.models import AuditEvent, Review
from tests.monitoring.clinic import Clinic
from tests.monitoring.console.people import PASSWORD

Browse = Callable[[str], Client]
WHY = "The board has seen its silent year and agreed"


def sign(client: Client, clinic: Clinic, **fields: str) -> tuple[int, str]:
    given = {"decision": "promote", "version": "2", "because": WHY, "password": PASSWORD, **fields}
    answer = client.post(f"/models/{clinic.model}/decisions/sign", given)
    return answer.status_code, answer.content.decode()


def test_a_promotion_is_signed_and_waits_until_it_is_carried_out(
    watched: Clinic, browse: Browse
) -> None:
    rita = browse("rita")
    assert sign(rita, watched)[0] == 302
    (review,) = decisions.waiting()
    assert (review.decision, review.version, review.by) == ("promote", "2", "rita")
    page = rita.get(f"/models/{watched.model}/decisions/").content.decode()
    assert "waits for auscult work" in page
    assert WHY in page
    decisions.finish(review, "Refused: version 2 does not exist", now=review.signed_at)
    assert (
        "version 2 does not exist"
        in rita.get(f"/models/{watched.model}/decisions/").content.decode()
    )


def test_only_a_safety_officer_approves_for_clinical_use(watched: Clinic, browse: Browse) -> None:
    status, page = sign(browse("rita"), watched, decision="approve")
    assert status == 422
    assert "Select a valid choice" in page
    assert decisions.approval(watched.model, "2") is None
    create_console_user("olga", PASSWORD, "safety officer")
    assert sign(browse("olga"), watched, decision="approve")[0] == 302
    approval = decisions.approval(watched.model, "2")
    assert approval is not None
    assert approval.by == "olga"
    assert AuditEvent.objects.get(action="version.decision").details["decision"] == "approve"


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"password": "not hers"}, "isn&#x27;t your password"),
        ({"because": "ok"}, "at least 10 characters"),
        ({"version": "latest"}, "A version is a number such as 3"),
        ({"version": ""}, "Name the version"),
        ({"decision": "roll back"}, "name no version"),
        ({"decision": "delete"}, "Select a valid choice"),
    ],
)
def test_a_decision_that_is_not_whole_signs_nothing(
    watched: Clinic, browse: Browse, fields: dict[str, str], words: str
) -> None:
    status, page = sign(browse("rita"), watched, **fields)
    assert status == 422
    assert words in page
    assert not Review.objects.exists()


def test_who_only_looks_sees_decisions_and_signs_none(watched: Clinic, browse: Browse) -> None:
    vera = browse("vera")
    page = vera.get(f"/models/{watched.model}/decisions/").content.decode()
    assert "Sign a decision" not in page
    assert sign(vera, watched)[0] == 403
    assert not Review.objects.exists()


def test_an_unknown_model_has_no_decisions(watched: Clinic, browse: Browse) -> None:
    assert browse("rita").get("/models/unknown/decisions/").status_code == 404
