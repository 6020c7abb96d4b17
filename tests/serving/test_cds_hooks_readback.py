"""Reading back from a real FHIR server what the prefetch left out."""

from collections.abc import Iterator

import httpx
import pytest

from records.clients import SCOPES
from records.settings import Settings
from tests.serving.hooks import (
    CREATININE,
    LACTATE,
    O1,
    O2,
    PATH,
    FhirServer,
    card_of,
    hook_request,
    prefetched,
    running,
    searchset,
)

TOKEN = {
    "access_token": "a-token-of-the-ehr",
    "token_type": "Bearer",
    "expires_in": 300,
    "scope": "patient/Patient.rs patient/Observation.rs",
    "subject": "cds-service",
}


@pytest.fixture
def fhir() -> Iterator[FhirServer]:
    with running(FhirServer()) as server:
        yield server


def listed(settings: Settings, server: FhirServer, **more) -> Settings:
    host = server.address.removeprefix("http://").removesuffix("/fhir")
    return Settings(home=settings.home, outbound_private_hosts=(host,), **more)


@pytest.fixture
def reading(serve, sqlite_db, fhir):
    """A test client, which may read by plain http, of a service that may ask the server."""
    return serve(listed(sqlite_db, fhir)).client(*SCOPES, is_test=True)


def asking(server: FhirServer, request: dict, **more) -> dict:
    return {**request, "fhirServer": server.address, "fhirAuthorization": {**TOKEN, **more}}


def needed(response: httpx.Response) -> str:
    """What a 412 says."""
    assert response.status_code == 412, response.text
    return str(response.json()["issue"][0]["details"]["text"])


def test_a_key_that_is_absent_is_read_with_the_given_token(reading, fhir):
    """CDS-6."""
    card = card_of(reading.post(PATH, json=asking(fhir, prefetched(lactate=...))))
    assert "Lactate in blood 3.1 mmol/L" in card["detail"]
    ((path, authorization),) = fhir.asked
    assert path == (
        "/fhir/Observation?patient=p1&code=http://loinc.org%7C2524-7&_sort=-date&_count=10"
    )
    assert authorization == "Bearer a-token-of-the-ehr"


def test_everything_can_be_read_back_and_gives_the_same_card(reading, fhir):
    whole = card_of(reading.post(PATH, json=hook_request()))
    read = card_of(reading.post(PATH, json=asking(fhir, hook_request(prefetch=None))))
    assert read["detail"] == whole["detail"]
    assert len(fhir.asked) == 2


def test_a_server_that_knows_no_lists_of_codes_is_asked_for_each_alone(reading, fhir):
    fhir.knows_lists = False
    whole = card_of(reading.post(PATH, json=hook_request()))
    read = card_of(reading.post(PATH, json=asking(fhir, hook_request(prefetch=None))))
    assert read["detail"] == whole["detail"]
    assert len(fhir.asked) == 4


def test_a_message_on_a_list_of_codes_is_no_result_of_it(reading, fhir):
    """FHIR-9."""
    none = b'{"resourceType": "Bundle", "type": "searchset", "entry": [], "total": 0'
    message = b'{"resourceType": "OperationOutcome", "issue": [{"severity": "information"}]}'
    entry = b'{"search": {"mode": "outcome"}, "resource": ' + message + b"}"
    fhir.knows_lists = False
    fhir.sent = lambda body: body.replace(none, none.replace(b"[]", b"[" + entry + b"]"))
    read = card_of(reading.post(PATH, json=asking(fhir, hook_request(prefetch=None))))
    assert "3.1 mmol/L" in read["detail"]
    assert len(fhir.asked) == 4


def test_all_codes_are_read_on_until_each_is_known(reading, fhir):
    """CDS-8: what was cancelled fills two pages, and the results stand on the third."""
    cancelled = {**O1, "id": "c", "status": "cancelled"}
    fhir.pages["2524-7"] = [searchset(cancelled), searchset(cancelled), searchset(O1)]
    fhir.pages["2160-0"] = [searchset(), searchset(), searchset(O2)]
    read = card_of(reading.post(PATH, json=asking(fhir, hook_request(prefetch=None))))
    assert "3.1 mmol/L" in read["detail"]
    assert len(fhir.asked) == 4


def test_another_patients_result_that_was_read_back_is_said_to_be_the_servers(reading, fhir):
    """FHIR-10."""
    fhir.pages["2524-7"] = [searchset({**O1, "subject": {"reference": "Patient/p2"}})]
    card = card_of(reading.post(PATH, json=asking(fhir, prefetched(lactate=...))))
    said = card["detail"].replace("\\", "")
    assert "fhirServer.entry[0].resource.subject is of another patient" in said


def test_pages_are_followed_until_the_latest_usable_result(reading, fhir):
    """CDS-8."""
    cancelled = {**O1, "id": "c", "status": "cancelled"}
    fhir.pages["2524-7"] = [searchset(cancelled), searchset(cancelled), searchset(O1)]
    card = card_of(reading.post(PATH, json=asking(fhir, prefetched(lactate=...))))
    assert "3.1 mmol/L" in card["detail"]
    assert len(fhir.asked) == 3


def test_a_next_page_on_another_server_is_not_asked(reading, fhir):
    """CDS-8, AUTH-4: the token goes to its own server only."""
    elsewhere = {"link": [{"relation": "next", "url": "http://127.0.0.1:9/fhir?page=2"}]}
    fhir.pages["2524-7"] = [searchset({**O1, "status": "cancelled"}, **elsewhere)]
    response = reading.post(PATH, json=asking(fhir, prefetched(lactate=...)))
    assert response.status_code == 412
    assert len(fhir.asked) == 1


def test_a_truncated_or_failed_prefetch_is_read_back(reading, fhir):
    """CDS-7, CDS-8."""
    truncated = searchset({**O1, "status": "cancelled"}, total=20)
    failed = {"resourceType": "OperationOutcome", "issue": []}
    request = prefetched(lactate=truncated, creatinine=failed)
    card = card_of(reading.post(PATH, json=asking(fhir, request)))
    assert "3.1 mmol/L" in card["detail"]
    ((path, _),) = fhir.asked
    assert "code=http://loinc.org%7C2524-7,http://loinc.org%7C2160-0&" in path


def test_a_full_page_that_nothing_says_is_all_is_read_back(reading, fhir):
    """CDS-8."""
    cancelled = [{**O1, "id": f"c{i}", "status": "cancelled"} for i in range(10)]
    request = prefetched(lactate=searchset(*cancelled))
    card = card_of(reading.post(PATH, json=asking(fhir, request)))
    assert "3.1 mmol/L" in card["detail"]
    assert len(fhir.asked) == 1


def test_what_is_read_back_has_to_say_that_a_full_page_is_all(reading, fhir):
    """CDS-8."""
    cancelled = [{**O1, "id": f"c{i}", "status": "cancelled"} for i in range(10)]
    request = asking(fhir, prefetched(lactate=...))
    fhir.pages["2524-7"] = [searchset(*cancelled)]
    assert "as a whole" in needed(reading.post(PATH, json=request))
    fhir.pages["2524-7"] = [searchset(*cancelled, total=10)]
    assert "Missing: Lactate" in card_of(reading.post(PATH, json=request))["detail"]
    # where a page had a link to the next, a last page without one is the last
    fhir.pages["2524-7"] = [searchset(*cancelled), searchset(*cancelled)]
    assert "Missing: Lactate" in card_of(reading.post(PATH, json=request))["detail"]
    # of both codes 20 are asked for at once
    fhir.pages["2524-7"] = [searchset(*cancelled, O1)]
    read = card_of(reading.post(PATH, json=asking(fhir, hook_request(prefetch=None))))
    assert "3.1 mmol/L" in read["detail"]
    # patient and results are asked for at once, in either order
    assert any("_count=20" in path for path, _ in fhir.asked[-2:])


def test_a_slow_server_gives_a_card_that_says_so_within_the_deadline(serve, sqlite_db, fhir):
    """CDS-10."""
    fhir.delay_s = 0.6
    client = serve(listed(sqlite_db, fhir, readback_deadline_s=0.05)).client(*SCOPES, is_test=True)
    card = card_of(client.post(PATH, json=asking(fhir, prefetched(lactate=...))))
    assert "Risk not calculated" in card["summary"]
    assert "50 ms" in card["detail"]


def test_what_the_server_refuses_or_lacks_is_412(reading, fhir):
    fhir.resources.clear()
    response = reading.post(PATH, json=asking(fhir, prefetched(patient=...)))
    assert response.status_code == 412
    assert "404" in response.json()["issue"][0]["details"]["text"]
    fhir.pages["2524-7"] = [{"resourceType": "OperationOutcome", "issue": []}]
    assert reading.post(PATH, json=asking(fhir, prefetched(lactate=...))).status_code == 412


@pytest.mark.parametrize("body", [b"null", b" null\n", b"false", b"{}"])
@pytest.mark.parametrize("key", ["patient", "lactate"])
def test_an_answer_that_is_null_does_not_say_that_there_are_no_data(reading, fhir, key, body):
    """CDS-6: a key's null says so, and nothing else does."""
    fhir.sent = lambda _: body
    words = needed(reading.post(PATH, json=asking(fhir, prefetched(**{key: ...}))))
    assert "what the EHR's FHIR server answered can't be read" in words


def labelled_as(label: str) -> dict:
    return {"meta": {"security": [{"code": label}]}}


@pytest.mark.parametrize("found", [(O1,), ()])
def test_what_is_read_back_and_labelled_as_withheld_is_neither_missing_nor_used(
    reading, fhir, found
):
    """FHIR-16."""
    fhir.pages["2524-7"] = [searchset(*found, total=len(found), **labelled_as("MASKED"))]
    card = card_of(reading.post(PATH, json=asking(fhir, prefetched(lactate=...))))
    assert "Risk not calculated" in card["summary"]
    assert "fhirServer is labelled as withheld for privacy" in card["detail"]


def test_labels_of_every_page_that_is_read_back_are_heeded(reading, fhir):
    """FHIR-16."""
    cancelled = {**O1, "id": "c", "status": "cancelled"}
    fhir.pages["2524-7"] = [searchset(cancelled, **labelled_as("HTEST")), searchset(O1)]
    card = card_of(reading.post(PATH, json=asking(fhir, prefetched(lactate=...))))
    assert "The data are labelled as test data" in card["detail"]
    assert "3.1 mmol/L" in card["detail"]


def test_the_label_of_an_answer_to_all_codes_holds_though_each_is_asked_for_alone(reading, fhir):
    """FHIR-16."""
    whole = b'{"resourceType": "Bundle", "type": "searchset", "entry": [], "total": 0'
    withheld = whole + b', "meta": {"tag": [{"code": "MASKED"}]}'
    fhir.knows_lists = False
    fhir.sent = lambda body: body.replace(whole, withheld)
    card = card_of(reading.post(PATH, json=asking(fhir, hook_request(prefetch=None))))
    assert "fhirServer is labelled as withheld for privacy" in card["detail"]


def test_a_server_that_says_that_it_left_data_out_is_not_believed_to_have_none(reading, fhir):
    """CDS-7."""
    issue = {"severity": "information", "code": "suppressed"}
    fhir.pages["2524-7"] = [searchset({"resourceType": "OperationOutcome", "issue": [issue]})]
    words = needed(reading.post(PATH, json=asking(fhir, prefetched(lactate=...))))
    assert "holds an OperationOutcome" in words


def test_only_listed_servers_are_asked_with_a_token_over_https_and_for_this_patient(
    serve, sqlite_db, fhir
):
    """API-7, CDS-3."""
    service = serve(listed(sqlite_db, fhir))
    test, production = service.client(*SCOPES, is_test=True), service.client(*SCOPES)
    request = asking(fhir, prefetched(lactate=...))
    assert production.post(PATH, json=request).status_code == 400
    other = {**request, "fhirServer": "http://127.0.0.1:9/fhir"}
    assert "AUSCULT_OUTBOUND_HOSTS" in needed(test.post(PATH, json=other))
    without = {key: value for key, value in request.items() if key != "fhirAuthorization"}
    assert "no fhirAuthorization" in needed(test.post(PATH, json=without))
    expired = asking(fhir, prefetched(lactate=...), expires_in=0)
    assert "expired" in needed(test.post(PATH, json=expired))
    assert "no fhirServer" in needed(test.post(PATH, json=prefetched(lactate=...)))
    alone = {key: value for key, value in request.items() if key != "fhirServer"}
    assert test.post(PATH, json=alone).status_code == 400
    wrong = asking(fhir, prefetched(lactate=...), patient="p2")
    assert test.post(PATH, json=wrong).status_code == 400
    wrong = asking(fhir, prefetched(lactate=...), token_type="MAC")
    assert test.post(PATH, json=wrong).status_code == 400
    for token in ("\N{LATIN SMALL LETTER E WITH ACUTE}", "two words", "a\r\nb: c", ""):
        wrong = asking(fhir, prefetched(lactate=...), access_token=token)
        refused = test.post(PATH, json=wrong)
        assert refused.status_code == 400
        assert "access_token" in refused.text
    assert fhir.asked == []


@pytest.mark.parametrize(
    ("server", "is_test"),
    [
        ("http://ehr.example.org/fhir", False),
        ("javascript:1", True),
        ("file:///etc", True),
        ("https://", True),
        ("https://user@ehr.example.org/fhir", True),
        ("ehr.example.org", True),
        ("https://xn--/", False),
        ("https://xn--a/fhir", False),
        ("https://ehr.example.org:port/fhir", False),
        ("", True),
    ],
)
def test_a_server_that_is_not_read_over_https_is_refused_though_nothing_is_to_be_read(
    serve, sqlite_db, server, is_test
):
    """CDS-3."""
    client = serve(sqlite_db).client(*SCOPES, is_test=is_test)
    response = client.post(PATH, json=hook_request(fhirServer=server))
    assert response.status_code == 400
    assert "https" in response.json()["issue"][0]["details"]["text"]
    card_of(client.post(PATH, json=hook_request(fhirServer="https://ehr.example.org/fhir")))


def test_why_each_key_is_not_known_is_said_and_what_came_is_not(reading, fhir):
    failed = {"resourceType": "OperationOutcome", "id": "Miller", "issue": []}
    page = searchset({**O1, "status": "cancelled"}, total=20)
    request = prefetched(patient=..., lactate=failed, creatinine=page)
    words = needed(reading.post(PATH, json=request))
    assert "patient wasn't prefetched" in words
    assert f"{LACTATE} was prefetched, but is an OperationOutcome" in words
    assert f"{CREATININE} was prefetched, but is only the first page" in words
    assert "Miller" not in words


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        (b'"value": 3.1', b'"value": 1.0, "value": 3.1', "twice"),
        (b'"value": 3.1', b'"value": 1.0, "v\\u0061lue": 3.1', "twice"),
        (b'"total": 1', b'"x": ' + b"[" * 70 + b"]" * 70 + b', "total": 1', "deeply"),
    ],
)
def test_what_is_read_back_is_as_strict_a_json_as_what_is_sent(reading, fhir, old, new, says):
    """API-4: readers differ in which of two equal keys they take."""
    fhir.sent = lambda body: body.replace(old, new)
    request = asking(fhir, prefetched(lactate=...))
    assert says in needed(reading.post(PATH, json=request))
    fhir.sent = bytes
    assert "3.1 mmol/L" in card_of(reading.post(PATH, json=request))["detail"]


def test_a_private_address_is_not_asked_unless_it_is_listed_as_private(serve, sqlite_db, fhir):
    """API-7."""
    host = fhir.address.removeprefix("http://").removesuffix("/fhir")
    service = serve(Settings(home=sqlite_db.home, outbound_hosts=(host,)))
    client = service.client(*SCOPES, is_test=True)
    response = client.post(PATH, json=asking(fhir, prefetched(lactate=...)))
    assert response.status_code == 412
    assert "public" in response.json()["issue"][0]["details"]["text"]
    assert fhir.asked == []


def test_neither_the_token_nor_the_patient_is_logged(serve, sqlite_db, fhir, caplog):
    """CDS-9, PHI-5."""
    service = serve(listed(sqlite_db, fhir))
    client = service.client(*SCOPES, is_test=True)
    caplog.set_level("INFO")
    client.post(PATH, json=asking(fhir, hook_request(prefetch=None)))
    fhir.resources.clear()
    client.post(PATH, json=asking(fhir, hook_request(prefetch=None)))
    logged = caplog.text + service.log.getvalue().decode()
    assert "a-token-of-the-ehr" not in logged
    assert "Patient/p1" not in logged
    assert {LACTATE, CREATININE} & set(logged.split()) == set()
