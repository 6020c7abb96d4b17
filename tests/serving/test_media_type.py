"""In which form an answer may be asked for, over real HTTP and for any header."""

from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.media_type import check_wanted
from serving.problems import NotAcceptable
from tests.factories import BUNDLE, NAME, VALUES
from tests.serving.hooks import PATH as HOOK
from tests.serving.hooks import hook_request

JSON_PATH, FHIR_PATH = f"/v1/models/{NAME}/predict", f"/fhir/RiskAssessment/$predict?model={NAME}"
ADMITTED = [
    "",
    "*/*",
    "application/*",
    "application/json",
    "application/fhir+json",
    "Application/FHIR+JSON; fhirVersion=4.0",
    'application/fhir+json;fhirVersion="4.0";q=0.2, application/fhir+xml',
    "application/fhir+json;q=1.0, application/json+fhir;q=0.9",
    "application/json; charset=utf-8",
    "application/json, text/plain, */*",
    "text/json",
    "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
    "text/html, image/gif, image/jpeg, *; q=.2",
    "application/json;q=0, */*",
]
OTHERS = [
    "application/fhir+xml",
    "application/xml, text/xml;q=0.5",
    "text/turtle",
    "text/html",
    "application/json;q=0",
    "application/json;q=0.0, application/fhir+json;q=0, application/xml, text/json;q=0.000",
    "*/*;q=0",
    "application/*;q=0, text/plain",
    "nonsense",
]
OTHER_VERSIONS = [
    "application/fhir+json; fhirVersion=3.0",
    'application/fhir+json;fhirVersion="5.0"',
    "application/fhir+json; fhirVersion=3.0, application/fhir+xml; fhirVersion=4.0",
    "*/*; fhirversion=4.3",
]


def asked(ehr: httpx.Client, accept: str) -> list[httpx.Response]:
    """The answers of each protocol to a good request that asks for this form."""
    headers = {"Accept": accept}
    return [
        ehr.post(JSON_PATH, json={"values": VALUES}, headers=headers),
        ehr.post(FHIR_PATH, json=BUNDLE, headers=headers),
        ehr.post(HOOK, json=hook_request(), headers=headers),
        ehr.get("/v1/models", headers=headers),
        ehr.get("/fhir/metadata", headers=headers),
        ehr.get("/cds-services", headers=headers),
    ]


def scope(*accept: str, query: bytes = b"") -> dict[str, Any]:
    headers = [(b"host", b"x"), *((b"accept", one.encode()) for one in accept)]
    return {"headers": headers, "query_string": query}


def is_admitted(*accept: str, query: bytes = b"", of_fhir: bool = True) -> bool:
    try:
        check_wanted(scope(*accept, query=query), of_fhir=of_fhir)
    except NotAcceptable:
        return False
    return True


@pytest.mark.parametrize("accept", ADMITTED)
def test_whoever_takes_json_is_answered(ehr, accept):
    """FHIR-12."""
    assert [one.status_code for one in asked(ehr, accept)] == [200] * 6


def test_whoever_says_nothing_is_answered(service, ehr):
    del ehr.headers["Accept"]
    assert "accept" not in ehr.build_request("GET", "/fhir/metadata").headers
    assert ehr.get("/fhir/metadata").status_code == 200
    assert ehr.post(FHIR_PATH, json=BUNDLE).status_code == 200


@pytest.mark.parametrize("accept", OTHERS)
def test_whoever_takes_no_json_is_told_so_and_nothing_is_predicted(ehr, recorded, accept):
    answers = asked(ehr, accept)
    assert [one.status_code for one in answers] == [406] * 6
    problem, outcome, card, *_ = (one.json() for one in answers)
    assert problem["type"].endswith("/not-acceptable")
    assert "Accept: application/json" in problem["detail"]
    assert answers[0].headers["content-type"] == "application/problem+json"
    for one in (outcome, card):
        assert one["resourceType"] == "OperationOutcome"
        assert one["issue"][0]["code"] == "not-supported"
    assert answers[1].headers["content-type"] == "application/fhir+json"
    assert all("does not mean low risk" in one.text for one in answers[:3])
    assert not recorded()


@pytest.mark.parametrize("accept", OTHER_VERSIONS)
def test_whoever_asks_for_another_version_of_fhir_is_told_so(ehr, recorded, accept):
    answer = ehr.post(FHIR_PATH, json=BUNDLE, headers={"Accept": accept})
    assert answer.status_code == 406
    assert "fhirVersion 4.0" in answer.json()["issue"][0]["details"]["text"]
    assert not recorded()


def test_a_format_in_a_fhir_address_stands_for_the_header(ehr):
    """R4, http.html: whoever can't set Accept gives _format in its place."""
    headers = {"Accept": "application/fhir+xml"}
    for query, status in (("_format=json", 200), ("_format=xml", 406), ("x_format=json", 406)):
        assert ehr.get(f"/fhir/metadata?{query}", headers=headers).status_code == status
    assert ehr.get("/v1/models?_format=json", headers=headers).status_code == 406


def test_what_is_no_protocol_answers_in_its_own_form(ehr):
    for path in ("/livez", "/readyz", "/metrics"):
        assert ehr.get(path, headers={"Accept": "text/plain"}).status_code == 200
    assert ehr.get("/docs", headers={"Accept": "text/html"}).status_code == 200


def test_who_may_not_call_is_told_that_first(service):
    answer = service.caller({"Accept": "text/html"}).get("/fhir/metadata")
    assert answer.status_code == 401


def test_several_headers_are_one_list():
    assert is_admitted("application/xml", "application/fhir+json")
    assert not is_admitted("application/xml", "text/html")


TOKENS = st.text("abcdefghijklmnopqrstuvwxyz-.+*", min_size=1, max_size=8)
OTHER_KINDS = st.builds(
    "{}/{}{}".format,
    st.sampled_from(["text", "image", "model"]),
    TOKENS.filter(lambda one: one != "json"),
    st.sampled_from(["", ";q=0", "; q=0.3", ";fhirVersion=4.0"]),
)


@given(before=st.lists(OTHER_KINDS, max_size=3), after=st.lists(OTHER_KINDS, max_size=3))
@pytest.mark.parametrize("of_fhir", [True, False])
def test_one_kind_of_json_among_any_others_is_enough_and_without_it_there_is_none(
    of_fhir, before, after
):
    for own in ("application/json", "application/fhir+json;q=0.001", "*/*;q=0.1"):
        assert is_admitted(", ".join([*before, own, *after]), of_fhir=of_fhir)
    if before or after:
        assert not is_admitted(",".join(before + after), of_fhir=of_fhir)


@given(st.text(st.characters(max_codepoint=127)), st.sampled_from(["", "*/*", "text/html"]))
def test_any_header_is_admitted_or_refused_whatever_its_case(text, more):
    other = f" , {text.swapcase()} ,, {more.swapcase()}"
    assert is_admitted(f"{text},{more}") == is_admitted(other)
