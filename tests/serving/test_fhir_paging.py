"""The pages of a FHIR search, over real HTTP and on both databases."""

import copy
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit
from uuid import UUID

import pytest
from fhir.resources.R4B.bundle import Bundle
from hypothesis import given
from hypothesis import strategies as st

from models.errors import MalformedInput
from records.clients import SCOPES
from serving.fhir_paging import Page, read_page, write_page
from tests.factories import BUNDLE, NAME

BASE = "/fhir/RiskAssessment"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
NUMBER = "12345"
WHOM = {"subject:identifier": f"urn:oid:1.2.3.4|{NUMBER}"}


@pytest.fixture
def caller(serve, records_db) -> Any:
    return serve(records_db).client(*SCOPES)


def predict(client: Any, number: str = NUMBER, at: str = "") -> str:
    bundle = copy.deepcopy(BUNDLE)
    bundle["entry"][0]["resource"]["identifier"][0]["value"] = number
    query = {"model": NAME, **({"predicted_at": at} if at else {})}
    answer = client.post(f"{BASE}/$predict", params=query, json=bundle)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["id"])


def link(page: dict[str, Any], relation: str) -> str | None:
    found = [one["url"] for one in page["link"] if one["relation"] == relation]
    return found[0] if found else None


def ids(page: dict[str, Any]) -> list[str]:
    found = (one["resource"] for one in page.get("entry", ()))
    return [one["id"] for one in found if one["resourceType"] == "RiskAssessment"]


def pages(client: Any, answer: Any) -> list[dict[str, Any]]:
    """All pages from an answer on, each got by the link of the one before and nothing else."""
    found = []
    while True:
        assert answer.status_code == 200, answer.text
        Bundle.model_validate_json(answer.content)
        found.append(answer.json())
        following = link(found[-1], "next")
        if following is None:
            return found
        answer = client.get(following)


def test_every_match_of_one_time_is_on_exactly_one_page(caller):
    made = [predict(caller, str(index)) for index in range(7)]
    made += [predict(caller, at="2026-03-02T09:00:00Z") for _ in range(2)]
    found = pages(
        caller, caller.get(BASE, params={"_count": 2, "method": NAME, "date": "2026-03-02"})
    )
    assert [len(ids(one)) for one in found] == [2, 2, 2, 2, 1]
    assert sorted(name for one in found for name in ids(one)) == sorted(made)
    assert {one["total"] for one in found} == {9}
    assert set(ids(found[-1])) < set(made[7:])
    assert all(
        dict(parse_qsl(urlsplit(link(one, "self")).query))["method"] == NAME for one in found
    )


def test_what_is_predicted_meanwhile_moves_no_page(caller):
    made = [predict(caller, at="2026-03-02T09:00:00Z") for _ in range(3)]
    first = caller.get(BASE, params={"_count": 2})
    predict(caller)
    rest = pages(caller, caller.get(link(first.json(), "next")))
    assert sorted(ids(first.json()) + ids(rest[0])) == sorted(made)


def test_no_link_of_a_search_for_a_patient_names_the_patient(caller):
    """PHI-5."""
    from records.models import Prediction

    mine = [predict(caller) for _ in range(5)]
    for _ in range(3):
        predict(caller, "999")
    asked = urlencode({**WHOM, "_count": "2", "date": "2026-03-02"})
    found = pages(caller, caller.post(f"{BASE}/_search", content=asked, headers=FORM))
    assert sorted(name for one in found for name in ids(one)) == sorted(mine)
    assert {one["total"] for one in found} == {5}
    pseudonyms = {one.patient for one in Prediction.objects.all()}
    for address in (one["url"] for page in found for one in page["link"]):
        assert not any(word in address for word in (NUMBER, "1.2.3.4", *pseudonyms))
    self = link(found[0], "self")
    assert dict(parse_qsl(urlsplit(self).query))["subject:identifier"] == "withheld"
    assert caller.get(self).status_code == 405


def test_a_search_by_reference_is_gone_on_with_as_well(caller):
    nameless = copy.deepcopy(BUNDLE)
    del nameless["entry"][0]["resource"]["identifier"]
    made = []
    for _ in range(3):
        answer = caller.post(f"{BASE}/$predict", params={"model": NAME}, json=nameless)
        made.append(answer.json()["id"])
    predict(caller)
    asked = urlencode({"subject": "Patient/p1", "_count": "1"})
    found = pages(caller, caller.post(f"{BASE}/_search", content=asked, headers=FORM))
    assert sorted(name for one in found for name in ids(one)) == sorted(made)
    assert not any("p1" in one["url"] for page in found for one in page["link"])


def test_a_page_shows_nobody_elses_predictions(serve, records_db):
    """API-1."""
    service = serve(records_db)
    one, other = service.client(*SCOPES), service.client(*SCOPES)
    for _ in range(3):
        predict(one)
    asked = urlencode({**WHOM, "_count": "1"})
    of_patient = one.post(f"{BASE}/_search", content=asked, headers=FORM).json()
    assert other.get(link(of_patient, "next")).status_code == 422
    of_all = one.get(BASE, params={"_count": 1}).json()
    assert ids(other.get(link(of_all, "next")).json()) == []


@pytest.mark.parametrize("spoilt", ["", "x", "A" * 32, "A" * 33, "A" * 200, "\N{BLACK STAR}" * 32])
def test_a_page_that_is_none_gives_no_fault(caller, spoilt):
    predict(caller)
    answer = caller.get(BASE, params={"_page": spoilt})
    # the first is a page of another time, behind which there is nothing
    wanted = 200 if spoilt in ("", "A" * 32) else 422
    assert answer.status_code == wanted, answer.text


def test_a_count_of_nought_gives_the_total_alone(caller):
    """FHIR R4, search.html#count."""
    predict(caller)
    for answer in (
        caller.get(BASE, params={"_count": 0}),
        caller.post(f"{BASE}/_search", content=urlencode({**WHOM, "_count": "0"}), headers=FORM),
    ):
        Bundle.model_validate_json(answer.content)
        assert answer.json()["total"] == 1
        assert "entry" not in answer.json()
        assert link(answer.json(), "next") is None


def test_links_begin_with_the_services_public_address(serve, sqlite_db):
    settings = sqlite_db.model_copy(update={"public_url": "https://risk.example.org/auscult/"})
    client = serve(settings).client(*SCOPES)
    predict(client), predict(client)
    found = client.get(BASE, params={"_count": 1}).json()
    begin = "https://risk.example.org/auscult/fhir/RiskAssessment?"
    assert all(one["url"].startswith(begin) for one in found["link"])
    assert len(found["link"]) == 2


@given(
    st.datetimes(timezones=st.just(UTC)),
    st.uuids(),
    st.lists(st.uuids(), max_size=2),
)
def test_a_page_is_read_as_it_was_written(at: datetime, behind: UUID, owners: list[UUID]):
    page = Page(at, behind, tuple(owners))
    assert read_page(write_page(page)) == page


@given(st.text() | st.text("ABCdef019-_", min_size=30, max_size=82))
def test_any_text_is_a_page_or_is_refused_as_none(text: str):
    try:
        page = read_page(text)
    except MalformedInput:
        return
    assert read_page(write_page(page)) == page


def test_each_match_has_the_address_at_which_it_is_read(ehr):
    made = {predict(ehr), predict(ehr, "999")}
    found = ehr.get(BASE).json()["entry"]
    assert {one["fullUrl"].rpartition("/")[2] for one in found} == made
    for one in found:
        assert ehr.get(one["fullUrl"]).json()["id"] == one["resource"]["id"]
