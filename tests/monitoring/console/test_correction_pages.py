from collections.abc import Callable

import pytest
from django.test import Client

from models.corrections import Correction
from models.risk_model import RiskModel
from monitoring.console.figures import exposed
from monitoring.corrections import list_affected
from monitoring.heartbeat import heartbeats
from records import corrections
from records.models import AffectedPrediction, Prediction
from tests.monitoring.clinic import NOW, Clinic, came_from
from tests.monitoring.console.people import PASSWORD

Browse = Callable[[str], Client]
DONE = "The ward was called and knows of it"


@pytest.fixture
def affected(watched: Clinic) -> list[AffectedPrediction]:
    chosen = Prediction.objects.order_by("predicted_at", "pk")[:3]
    for one in chosen:
        one.features |= {"creatinine": 1.25}
        came_from(one, "Observation/17")
    report = Correction("Observation/17", "corrected", "creatinine", 5.0)
    corrections.report(watched.model, [report], by="lena", now=NOW)
    list_affected(RiskModel.load(watched.reference.parent, version="1"), NOW)
    return list(corrections.affected_first(watched.model))


def sign(client: Client, clinic: Clinic, chosen: list[int], **fields: str) -> tuple[int, str]:
    given = {"affected": chosen, "because": DONE, "password": PASSWORD, **fields}
    answer = client.post(f"/models/{clinic.model}/corrections/acknowledge", given)
    return answer.status_code, answer.content.decode()


def test_what_is_affected_is_shown_until_it_is_acknowledged(
    watched: Clinic, affected: list[AffectedPrediction], browse: Browse
) -> None:
    rita = browse("rita")
    page = rita.get(f"/models/{watched.model}/corrections/").content.decode()
    assert "3 open" in page
    assert "Observation/17: corrected" in page
    assert "3 open" in rita.get(f"/models/{watched.model}/").content.decode()
    assert b"auscult_corrections_open" in exposed(heartbeats([watched.model], NOW))
    assert sign(rita, watched, [one.pk for one in affected])[0] == 302
    page = rita.get(f"/models/{watched.model}/corrections/").content.decode()
    assert "0 open" in page
    assert "rita" in page
    assert corrections.open_of(watched.model).count() == 0


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"password": "not hers"}, "isn&#x27;t your password"),
        ({"because": "done"}, "at least 10 characters"),
    ],
)
def test_an_acknowledgement_that_is_not_whole_signs_nothing(
    watched: Clinic,
    affected: list[AffectedPrediction],
    browse: Browse,
    fields: dict[str, str],
    words: str,
) -> None:
    status, page = sign(browse("rita"), watched, [affected[0].pk], **fields)
    assert status == 422
    assert words in page
    assert corrections.open_of(watched.model).count() == 3


def test_choosing_none_or_another_is_refused(
    watched: Clinic, affected: list[AffectedPrediction], browse: Browse
) -> None:
    status, page = sign(browse("rita"), watched, [])
    assert status == 422
    assert "Choose the predictions" in page
    assert sign(browse("rita"), watched, [affected[-1].pk + 100])[0] == 422


def test_who_only_looks_acknowledges_nothing(
    watched: Clinic, affected: list[AffectedPrediction], browse: Browse
) -> None:
    page = browse("vera").get(f"/models/{watched.model}/corrections/").content.decode()
    assert "checkbox" not in page
    assert sign(browse("vera"), watched, [affected[0].pk])[0] == 403
    assert corrections.open_of(watched.model).count() == 3


def test_where_the_new_risk_is_not_known_the_reason_stands_in_its_place(
    watched: Clinic, browse: Browse
) -> None:
    """As of a prediction that was recorded before its readings were."""
    one = Prediction.objects.order_by("predicted_at", "pk")[0]
    one.sources = ["Observation/18"]
    one.save()
    report = Correction("Observation/18", "corrected", "creatinine", 5.0)
    corrections.report(watched.model, [report], by="lena", now=NOW)
    list_affected(RiskModel.load(watched.reference.parent, version="1"), NOW)
    page = browse("vera").get(f"/models/{watched.model}/corrections/").content.decode()
    assert "its readings weren&#x27;t recorded; a new prediction is needed" in page
    assert "or left one out that would count now" in page
