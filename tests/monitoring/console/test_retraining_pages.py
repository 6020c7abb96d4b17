from collections.abc import Callable

import pytest
from django.test import Client

from records import retraining
from records.models import RetrainingRequest
from records.retraining import Cause
from tests.monitoring.clinic import NOW, Clinic
from tests.monitoring.console.people import PASSWORD

Browse = Callable[[str], Client]
SAID = "Nobody was shown these risks before May, so outcomes weren't changed by them"
CAUSE = Cause("age 1", "Version 1 has been champion for 800 days")


@pytest.fixture
def opened(watched: Clinic) -> RetrainingRequest:
    request = retraining.open_request(watched.model, "1", [CAUSE], NOW)
    assert request is not None
    return request


def sign(client: Client, request: RetrainingRequest, **fields: str) -> tuple[int, str]:
    given = {"decision": "retrain", "because": SAID, "password": PASSWORD, **fields}
    answer = client.post(f"/models/{request.model}/retraining/{request.pk}/sign", given)
    return answer.status_code, answer.content.decode()


def test_a_request_shows_its_evidence_and_what_is_known_of_treatment(
    opened: RetrainingRequest, browse: Browse
) -> None:
    page = browse("rita").get(f"/models/{opened.model}/retraining/").content.decode()
    assert CAUSE.words in page
    assert "900 risks were shown and 0 were recorded in silence" in page
    assert "no change plan, so nothing can be retrained" in page
    assert "one is open" in browse("rita").get(f"/models/{opened.model}/").content.decode()


def test_a_reviewer_signs_with_a_statement_and_it_waits(
    opened: RetrainingRequest, browse: Browse
) -> None:
    rita = browse("rita")
    assert sign(rita, opened)[0] == 302
    waiting = retraining.waiting(opened.model)
    assert waiting is not None
    assert (waiting.by, waiting.statement) == ("rita", SAID)
    assert waiting.treatment["shown"] == 900
    page = rita.get(f"/models/{opened.model}/retraining/").content.decode()
    assert "waits for auscult retrain" in page
    assert "No request is open" in page
    retraining.take_up(waiting, "Registered as version 2", now=NOW)
    page = rita.get(f"/models/{opened.model}/retraining/").content.decode()
    assert "Registered as version 2" in page


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"password": "not hers"}, "isn&#x27;t your password"),
        ({"because": "all is well"}, "at least 20 characters"),
        ({"decision": "promote"}, "Select a valid choice"),
    ],
)
def test_a_decision_that_is_not_whole_signs_nothing(
    opened: RetrainingRequest, browse: Browse, fields: dict[str, str], words: str
) -> None:
    status, page = sign(browse("rita"), opened, **fields)
    assert status == 422
    assert words in page
    assert retraining.history(opened.model)[0].decision == ""


def test_who_only_looks_signs_nothing(opened: RetrainingRequest, browse: Browse) -> None:
    for name in ("vera", "nora"):
        assert sign(browse(name), opened)[0] == 403
    assert sign(browse("anonymous"), opened)[0] == 302
    page = browse("vera").get(f"/models/{opened.model}/retraining/").content.decode()
    assert "Sign a decision" not in page
    assert retraining.history(opened.model)[0].decision == ""


def test_a_request_that_was_signed_meanwhile_is_not_signed_again(
    opened: RetrainingRequest, browse: Browse
) -> None:
    rita = browse("rita")
    sign(rita, opened, decision="decline")
    assert sign(rita, opened)[0] == 302
    page = rita.get(f"/models/{opened.model}/retraining/").content.decode()
    assert "nothing was signed" in page
    assert retraining.waiting(opened.model) is None


def test_an_unknown_model_has_no_requests(watched: Clinic, browse: Browse) -> None:
    assert browse("rita").get("/models/unknown/retraining/").status_code == 404
