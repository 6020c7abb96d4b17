"""Recorded predictions as FHIR, over real HTTP: read, searched, replaced, withdrawn."""

import copy
import shutil
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlencode
from uuid import uuid4

import pytest
from fhir.resources.R4B.bundle import Bundle
from fhir.resources.R4B.observation import Observation
from fhir.resources.R4B.operationdefinition import OperationDefinition
from fhir.resources.R4B.operationoutcome import OperationOutcome
from fhir.resources.R4B.provenance import Provenance
from fhir.resources.R4B.riskassessment import RiskAssessment

from records.clients import SCOPES
from serving.earlier import EarlierVersions
from serving.loading import EARLIER, ServedVersion
from serving.past import WITHDRAWN
from tests.factories import BUNDLE, DEFINITION, NAME, NOW, make_artefact

BASE = "/fhir/RiskAssessment"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


def predict(client: Any, bundle: Any = BUNDLE, **query: str) -> dict[str, Any]:
    response = client.post(f"{BASE}/$predict", params={"model": NAME, **query}, json=bundle)
    assert response.status_code == 200, response.text
    return dict(response.json())


def parameters(bundle: Any, replaces: str) -> dict[str, Any]:
    given = [
        {"name": "model", "valueCode": NAME},
        {"name": "bundle", "resource": bundle},
        {"name": "replaces", "valueUuid": replaces},
    ]
    return {"resourceType": "Parameters", "parameter": given}


def corrected(value: float = 1.1) -> dict[str, Any]:
    bundle = copy.deepcopy(BUNDLE)
    resource = bundle["entry"][1]["resource"]
    resource["status"] = "corrected"
    resource["valueQuantity"]["value"] = value
    return bundle


def search(client: Any, **given: str) -> dict[str, Any]:
    response = client.post(f"{BASE}/_search", content=urlencode(given), headers=FORM)
    assert response.status_code == 200, response.text
    Bundle.model_validate_json(response.content)
    return dict(response.json())


def test_what_was_answered_is_read_again_without_the_patients_number(service, ehr):
    answered = predict(ehr)
    response = ehr.get(f"{BASE}/{answered['id']}")
    RiskAssessment.model_validate_json(response.content)
    read = response.json()
    assert "12345" not in response.text
    assert read["subject"]["identifier"]["system"].endswith("pseudonym")
    for name in ("prediction", "basis", "extension", "note", "method", "status", "identifier"):
        assert read[name] == answered[name]


def test_a_provenance_says_from_what_and_by_what_it_was_made(ehr, model):
    """FHIR-15."""
    answered = predict(ehr)
    (provenance,) = [one for one in answered["contained"] if one["resourceType"] == "Provenance"]
    Provenance.model_validate(provenance)
    assert provenance["agent"][0]["type"]["coding"][0]["code"] == "assembler"
    whats = [one["what"] for one in provenance["entity"]]
    assert whats[0]["identifier"]["value"] == model.artefact_digest
    assert whats[1:] == answered["basis"]


def test_another_clients_prediction_is_not_there(service, ehr):
    """API-1."""
    path = f"{BASE}/{predict(ehr)['id']}"
    other = service.client(*SCOPES)
    assert other.get(path).status_code == 404
    assert other.post(f"{path}/$withdraw").status_code == 404
    assert ehr.get(f"{BASE}/{uuid4()}").status_code == 404
    assert ehr.get(f"{BASE}/1").status_code == 404
    assert "entry" not in search(other)
    replacing = other.post(f"{BASE}/$predict", json=parameters(BUNDLE, path.rpartition("/")[2]))
    assert replacing.status_code == 404


@pytest.mark.parametrize("prefix", ["urn:uuid:", ""])
def test_what_is_replaced_is_named_as_fhir_writes_uuids_or_bare(ehr, prefix):
    first = predict(ehr)
    sent = parameters(corrected(), f"{prefix}{first['id']}")
    answer = ehr.post(f"{BASE}/$predict", json=sent)
    assert answer.status_code == 200, answer.text
    assert answer.json()["status"] == "amended"
    assert answer.json()["identifier"] == first["identifier"]
    for wrong in ("urn:uuid:1", f"urn:oid:{first['id']}", f"{first['id']}\n"):
        answer = ehr.post(f"{BASE}/$predict", json=parameters(corrected(), wrong))
        assert answer.status_code == 422
        assert "valueUuid" in answer.text


def test_a_search_finds_by_subject_date_and_method(ehr):
    first = predict(ehr)
    second = copy.deepcopy(BUNDLE)
    second["entry"][0]["resource"]["identifier"][0]["value"] = "999"
    predict(ehr, second, predicted_at="2026-03-02T09:00:00Z")
    assert search(ehr)["total"] == 2
    (entry,) = search(ehr, **{"subject:identifier": "urn:oid:1.2.3.4|12345"})["entry"]
    assert entry["resource"]["id"] == first["id"]
    assert entry["search"] == {"mode": "match"}
    assert search(ehr, method=NAME, date="2026-03-02")["total"] == 2
    assert search(ehr, method="other")["total"] == 0
    system = "https://auscult.example.org/fhir/CodeSystem/model"
    assert search(ehr, method=f"{system}|{NAME}")["total"] == 2
    assert search(ehr, method=f"other,{NAME}")["total"] == 2
    assert search(ehr, method=f"{system}|")["total"] == 2
    for elsewhere in (f"http://wrong|{NAME}", f"|{NAME}", f"{system}|other", "http://wrong|"):
        assert search(ehr, method=elsewhere)["total"] == 0
    twice = ehr.get(f"{BASE}?method={NAME}&method=other")
    assert twice.json()["total"] == 0
    assert search(ehr, date="ge2026-03-02T10:00:00Z")["total"] == 1
    assert search(ehr, date="lt2026-03-02T10:00:00Z")["total"] == 1
    assert search(ehr, date="gt2026-03-02")["total"] == 0
    assert search(ehr, date="le2026-03-02")["total"] == 2
    limited = search(ehr, _count="1", _format="json")
    assert (limited["total"], len(limited["entry"])) == (2, 1)
    by_address = ehr.get(BASE, params={"date": "2026-03-02", "method": NAME})
    assert by_address.json()["total"] == 2


def post_search(client: Any, **given: str) -> Any:
    return client.post(f"{BASE}/_search", content=urlencode(given), headers=FORM)


def test_a_reference_that_finds_nothing_never_looks_like_no_prediction(ehr):
    predict(ehr)
    for name in ("subject", "patient"):
        for value in ("Patient/p1", "p1", "https://ehr.example.org/fhir/Patient/p1"):
            answer = post_search(ehr, **{name: value})
            assert answer.status_code == 422
            OperationOutcome.model_validate_json(answer.content)
            assert "subject:identifier" in answer.text
            assert "p1" not in answer.text


@pytest.mark.parametrize("value", ["Patient/p1", "p1", "https://ehr.example.org/fhir/Patient/p1"])
def test_a_reference_finds_what_was_recorded_without_an_identifier(ehr, value):
    predict(ehr)
    nameless = copy.deepcopy(BUNDLE)
    del nameless["entry"][0]["resource"]["identifier"]
    made = predict(ehr, nameless)
    found = search(ehr, subject=value)
    entry, warning = found["entry"]
    assert found["total"] == 1
    assert entry["resource"]["id"] == made["id"]
    # the prediction of the same patient with an identifier isn't found, and that is said
    assert warning["search"] == {"mode": "outcome"}
    (issue,) = warning["resource"]["issue"]
    assert (issue["severity"], issue["code"]) == ("warning", "incomplete")
    assert "subject:identifier" in issue["details"]["text"]
    assert "p1" not in issue["details"]["text"]


def test_an_identifier_that_finds_nothing_says_by_which_one_predictions_are_known(ehr):
    predict(ehr)
    found = search(ehr, **{"subject:identifier": "urn:oid:1.2.3.4|999"})
    assert found["total"] == 0
    (entry,) = found["entry"]
    assert entry["search"] == {"mode": "outcome"}
    assert "first identifier" in entry["resource"]["issue"][0]["details"]["text"]


def test_what_another_definition_made_is_named_and_hides_nothing_else(serve, sqlite_db, artefacts):
    client = serve(sqlite_db).client(*SCOPES)
    made = predict(client)
    other = serve(sqlite_db, make_artefact(artefacts / NAME, status="silent", version="2"))
    caller = other.caller({"Authorization": client.headers["authorization"]})
    new = predict(caller)
    found = search(caller)
    assert found["total"] == 2
    shown, warning = found["entry"]
    assert shown["resource"]["id"] == new["id"]
    assert made["id"] not in str(found)
    assert "/v1/predictions" in warning["resource"]["issue"][0]["details"]["text"]


def test_a_patient_is_never_searched_for_in_an_address(ehr):
    """PHI-5."""
    for name in ("subject", "patient", "subject:identifier", "patient.identifier"):
        response = ehr.get(BASE, params={name: "Patient/p1"})
        assert response.status_code == 405
        assert response.headers["allow"] == "POST"


@pytest.mark.parametrize(
    ("date", "total"),
    [
        ("2026-03-02T09:00:01Z", 1),
        ("eq2026-03-02T10:00:01+01:00", 1),
        ("2026-03-02T09:00:00Z", 0),
        ("2026-03-02T09:00:02Z", 0),
        ("2026-03-02T09:00:01.4Z", 1),
        ("2026-03-02T09:00:01.41Z", 1),
        ("2026-03-02T09:00:01.412345Z", 1),
        ("2026-03-02T09:00:01.412346Z", 0),
        ("2026-03-02T09:00:01.42Z", 0),
        ("le2026-03-02T09:00:01Z", 1),
        ("lt2026-03-02T09:00:01Z", 0),
        ("ge2026-03-02T09:00:01Z", 1),
        ("gt2026-03-02T09:00:01Z", 0),
        ("gt2026-03-02T09:00:00Z", 1),
        ("gt2026-03-02T09:00:01.4Z", 0),
    ],
)
def test_a_time_in_a_search_stands_for_all_that_its_precision_leaves_open(ehr, date, total):
    """FHIR R4, search.html#date."""
    predict(ehr, predicted_at="2026-03-02T09:00:01.412345Z")
    assert search(ehr, date=date)["total"] == total


def test_a_search_by_post_heeds_its_address_as_well(ehr):
    """FHIR R4, http.html#search: parameters of the address and of the body count alike."""
    predict(ehr)
    predict(ehr, predicted_at="2026-03-02T09:00:00Z")

    def total(address: dict[str, str], **body: str) -> int:
        found = ehr.post(f"{BASE}/_search", params=address, content=urlencode(body), headers=FORM)
        assert found.status_code == 200, found.text
        return int(found.json()["total"])

    early, day = "lt2026-03-02T10:00:00Z", "2026-03-02"
    assert total({}) == 2
    assert total({"date": early}) == 1
    assert total({"method": "other"}) == 0
    assert total({"date": f"ge{day}"}, date=early) == 1
    assert total({"date": early}, date="lt2026-03-02T11:00:00Z") == 1
    whom = {"subject:identifier": "urn:oid:1.2.3.4|12345"}
    assert total({"date": early}, **whom) == 1
    one = ehr.post(f"{BASE}/_search", params={"_count": "1", "_format": "json"}, headers=FORM)
    assert len(one.json()["entry"]) == 1


@pytest.mark.parametrize("query", [{"name": "x"}, {"date": "yesterday"}, {"_count": "-1"}])
def test_a_search_by_post_refuses_in_its_address_what_it_refuses_in_its_body(ehr, query):
    answers = [
        ehr.get(BASE, params=query),
        ehr.post(f"{BASE}/_search", params=query, headers=FORM),
        ehr.post(f"{BASE}/_search", params={"_count": "1"}, data={"_count": "2"}),
    ]
    assert [one.status_code for one in answers] == [422] * 3


@pytest.mark.parametrize(
    "name",
    ["subject", "patient", "subject:identifier", "patient:Patient", "subject.name", "Subject"],
)
def test_a_patient_is_never_searched_for_in_the_address_of_a_post(ehr, name):
    """PHI-5."""
    predict(ehr)
    whom = {name: "urn:oid:1.2.3.4|12345"}
    for answer in (
        ehr.get(BASE, params=whom),
        ehr.post(f"{BASE}/_search", params=whom, headers=FORM),
        ehr.post(f"{BASE}/_search", params=whom, content=urlencode(whom), headers=FORM),
    ):
        assert answer.status_code == 405
        assert "in the body" in answer.text
        assert "12345" not in answer.text


@pytest.mark.parametrize(
    "given",
    [
        {"name": "x"},
        {"date": "yesterday"},
        {"date": "ap2026-01-01"},
        {"date": "gt9999-12-31"},
        {"date": "0001-01-01T00:00:00+14:00"},
        {"date": "2026-01-01T00:00:00"},
        {"_count": "501"},
        {"_page": "next"},
        {"_count": "\N{SUPERSCRIPT TWO}"},
        {"_count": "\N{ARABIC-INDIC DIGIT TWO}"},
        {"_count": "9" * 5_000},
        {"subject": "Patient/<b>"},
        {"subject": ""},
        {"subject:identifier": "12345"},
        {"subject:identifier": "urn:oid:1.2.3.4|"},
    ],
)
def test_a_search_that_is_not_understood_is_refused(ehr, given):
    response = ehr.post(f"{BASE}/_search", data=given)
    assert response.status_code == 422
    assert response.json()["resourceType"] == "OperationOutcome"


@pytest.mark.parametrize("format_", ["xml", "application/fhir+xml", "ttl", "html", ""])
def test_an_answer_in_another_form_than_json_is_refused(ehr, format_):
    """FHIR R4, content types: 406 where the server can't give what is asked for."""
    made = predict(ehr)
    ways = [
        ehr.get("/fhir/metadata", params={"_format": format_}),
        ehr.get(f"{BASE}/{made['id']}", params={"_format": format_}),
        ehr.get(BASE, params={"_format": format_}),
        ehr.post(f"{BASE}/_search", data={"_format": format_}),
        ehr.post(f"{BASE}/$predict", params={"model": NAME, "_format": format_}, json=BUNDLE),
    ]
    for answer in ways:
        assert answer.status_code == 406, answer.text
        assert answer.json()["issue"][0]["code"] == "not-supported"
    assert "does not mean low risk" in ways[-1].text
    for json_ in ("json", "application/fhir+json", "application/json; fhirVersion=4.0"):
        assert ehr.get(BASE, params={"_format": json_}).status_code == 200
    other = ehr.get(BASE, params={"_format": "application/fhir+json; fhirVersion=5.0"})
    assert other.status_code == 406


def test_a_count_that_is_no_number_is_refused_in_an_address_too(ehr):
    for count in ("%C2%B2", "%D9%A2", "-1", ""):
        assert ehr.get(f"{BASE}?_count={count}").status_code == 422


@pytest.mark.parametrize(
    "query",
    [
        "subject:identifier=urn:a|1&subject:identifier=urn:oid:1.2.3.4|12345",
        "subject:identifier=urn:a|1,urn:oid:1.2.3.4|12345",
        "subject=Patient/p1&patient=Patient/p2",
    ],
)
def test_a_search_for_several_patients_is_refused(ehr, query):
    predict(ehr)
    response = ehr.post(f"{BASE}/_search", content=query, headers=FORM)
    assert response.status_code == 422
    assert "one patient at a time" in response.text


def test_a_corrected_result_gives_an_amended_prediction_of_the_same_identifier(ehr):
    """FHIR-1."""
    old = predict(ehr)
    response = ehr.post(f"{BASE}/$predict", json=parameters(corrected(), old["id"]))
    RiskAssessment.model_validate_json(response.content)
    new = response.json()
    assert new["status"] == "amended"
    assert new["identifier"] == old["identifier"]
    assert new["id"] != old["id"]
    assert new["prediction"] != old["prediction"]
    assert ehr.get(f"{BASE}/{new['id']}").json()["status"] == "amended"
    replaced = ehr.get(f"{BASE}/{old['id']}").json()
    assert replaced["status"] == "entered-in-error"
    assert "prediction" not in replaced


def test_a_second_correction_keeps_the_identifier_of_the_first_prediction(ehr):
    """FHIR-1."""
    first = predict(ehr)
    second = ehr.post(f"{BASE}/$predict", json=parameters(corrected(), first["id"])).json()
    third = ehr.post(f"{BASE}/$predict", json=parameters(BUNDLE, second["id"])).json()
    assert third["identifier"] == second["identifier"] == first["identifier"]
    ehr.post(f"{BASE}/{third['id']}/$withdraw")
    shown = [ehr.get(f"{BASE}/{one['id']}").json() for one in (first, second, third)]
    assert [one["status"] for one in shown] == ["entered-in-error"] * 3
    assert all(one["identifier"] == first["identifier"] for one in shown)


def without_score(how: str) -> dict[str, Any]:
    """The prediction's Bundle with a lactate that is none, or one for which there's no score."""
    bundle = corrected()
    if how == "implausible":
        bundle["entry"][1]["resource"]["valueQuantity"]["value"] = 900
    elif how == "too little":
        del bundle["entry"][0]["resource"]["birthDate"]
    elif how == "another patient":
        bundle["entry"][0]["resource"]["identifier"][0]["value"] = "99999"
    elif how == "unreadable":
        bundle["entry"][1]["resource"]["effectiveDateTime"] = "yesterday"
    return bundle


@pytest.mark.parametrize("how", ["implausible", "too little"])
def test_a_prediction_whose_new_data_give_no_score_is_withdrawn_and_that_is_said(ehr, how):
    """FHIR-1."""
    old = predict(ehr)
    response = ehr.post(f"{BASE}/$predict", json=parameters(without_score(how), old["id"]))
    assert response.status_code == 422
    OperationOutcome.model_validate_json(response.content)
    assert f"the prediction {old['id']} was withdrawn" in response.text
    read = ehr.get(f"{BASE}/{old['id']}").json()
    assert read["status"] == "entered-in-error"
    assert "prediction" not in read


@pytest.mark.parametrize("how", ["another patient", "unreadable"])
def test_a_prediction_that_was_not_replaced_stands_and_that_is_said(ehr, how):
    old = predict(ehr)
    response = ehr.post(f"{BASE}/$predict", json=parameters(without_score(how), old["id"]))
    assert response.status_code == 422
    assert f"the prediction {old['id']} still stands" in response.text
    assert f"{old['id']}/$withdraw" in response.text
    assert ehr.get(f"{BASE}/{old['id']}").json()["status"] == "final"


def test_a_suspended_model_leaves_the_prediction_as_it_is_and_says_so(serve, sqlite_db):
    from records.suspensions import suspend

    ehr = serve(sqlite_db).client(*SCOPES)
    old = predict(ehr)
    suspend(NAME, by="rita", because="a faulty feed", now=NOW)
    again = serve(sqlite_db).caller({"Authorization": ehr.headers["authorization"]})
    response = again.post(f"{BASE}/$predict", json=parameters(corrected(), old["id"]))
    assert response.status_code == 503
    assert f"the prediction {old['id']} still stands" in response.text
    assert ehr.get(f"{BASE}/{old['id']}").json()["status"] == "final"


def test_a_prediction_is_replaced_once_and_what_replaced_it_is_named(ehr, recorded):
    """FHIR-1."""
    first = predict(ehr)
    second = ehr.post(f"{BASE}/$predict", json=parameters(corrected(), first["id"])).json()
    again = ehr.post(f"{BASE}/$predict", json=parameters(corrected(1.2), first["id"]))
    assert again.status_code == 409
    OperationOutcome.model_validate_json(again.content)
    assert second["id"] in again.text
    assert len(recorded()) == 2
    third = ehr.post(f"{BASE}/$predict", json=parameters(corrected(1.2), second["id"])).json()
    assert third["identifier"] == first["identifier"]
    assert search(ehr)["total"] == 3


def test_of_replacements_at_the_same_time_one_holds_and_the_others_are_withdrawn(ehr):
    """FHIR-1."""
    from records.models import Prediction

    old = predict(ehr)
    values = [1.1 + index / 10 for index in range(6)]
    with ThreadPoolExecutor(len(values)) as threads:
        answers = list(
            threads.map(
                lambda value: ehr.post(
                    f"{BASE}/$predict", json=parameters(corrected(value), old["id"])
                ),
                values,
            )
        )
    assert sorted(one.status_code for one in answers) == [200] + [409] * 5
    (holds,) = (one.json()["id"] for one in answers if one.status_code == 200)
    assert all(holds in one.text for one in answers)
    for one in Prediction.objects.exclude(id=holds):
        assert ehr.get(f"{BASE}/{one.id}").json()["status"] == "entered-in-error"
    assert "prediction" in ehr.get(f"{BASE}/{holds}").json()


def test_only_the_same_patients_prediction_can_be_replaced(service, ehr):
    from records.models import Amendment

    old = predict(ehr)
    other = corrected()
    other["entry"][0]["resource"]["identifier"][0]["value"] = "999"
    response = ehr.post(f"{BASE}/$predict", json=parameters(other, old["id"]))
    assert response.status_code == 422
    assert "another patient" in response.text
    assert not Amendment.objects.exists()


def test_a_withdrawn_prediction_stays_and_shows_no_risk(service, ehr):
    """FHIR-1."""
    from records.models import Prediction

    old = predict(ehr)
    response = ehr.post(f"{BASE}/{old['id']}/$withdraw")
    RiskAssessment.model_validate_json(response.content)
    for shown in (response.json(), ehr.get(f"{BASE}/{old['id']}").json()):
        assert shown["status"] == "entered-in-error"
        assert not {"prediction", "mitigation", "extension"} & shown.keys()
    assert str(Prediction.objects.get().id) == old["id"]


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        ({"resourceType": "Parameters"}, 200),
        ({"resourceType": "Parameters", "parameter": []}, 200),
        ({"resourceType": "Parameters", "parameter": [{"name": "reason"}]}, 422),
        ({"resourceType": "Parameters", "parameter": None}, 422),
        ({"resourceType": "Bundle", "parameter": []}, 422),
    ],
)
def test_a_withdrawal_takes_parameters_without_any_and_no_others(service, ehr, sent, status):
    from records.models import Amendment

    old = predict(ehr)
    answer = ehr.post(f"{BASE}/{old['id']}/$withdraw", json=sent)
    assert answer.status_code == status, answer.text
    assert Amendment.objects.exists() == (status == 200)


@pytest.mark.parametrize("profile", ["RiskAssessment", "Observation", "Bundle"])
def test_a_prediction_of_what_is_not_served_any_more_can_be_withdrawn(
    serve, sqlite_db, artefacts, profile
):
    """FHIR-1: to withdraw is a safety act, and an error would say that it wasn't done."""
    from records.models import Amendment

    client = serve(sqlite_db).client(*SCOPES)
    key = {"Authorization": client.headers["authorization"]}
    changed = make_artefact(artefacts / NAME, status="silent", version="2")
    text = DEFINITION.replace(f'name = "{NAME}"', 'name = "another"')
    renamed = make_artefact(artefacts / "another", definition_text=text)
    for other in (changed, renamed):
        old = predict(client)
        now = serve(sqlite_db, other).caller(key)
        answer = now.post(f"{BASE}/{old['id']}/$withdraw", params={"_profile": profile})
        assert answer.status_code == 200, answer.text
        OperationOutcome.model_validate_json(answer.content)
        (issue,) = answer.json()["issue"]
        assert (issue["severity"], issue["code"]) == ("information", "informational")
        assert f"the prediction {old['id']} was withdrawn" in issue["details"]["text"]
        assert Amendment.objects.filter(prediction_id=old["id"], status=WITHDRAWN).count() == 1
        assert now.get(f"/v1/predictions/{old['id']}").json()["status"] == "entered-in-error"
        assert client.get(f"{BASE}/{old['id']}").json()["status"] == "entered-in-error"


def test_the_same_prediction_as_an_observation(ehr):
    answered = ehr.post(
        f"{BASE}/$predict", params={"model": NAME, "_profile": "Observation"}, json=BUNDLE
    )
    Observation.model_validate_json(answered.content)
    resource = answered.json()
    profile = "http://hl7.org/fhir/StructureDefinition/Observation"
    read = ehr.get(f"{BASE}/{resource['id']}", params={"_profile": profile}).json()
    risk = ehr.get(f"{BASE}/{resource['id']}").json()["prediction"][0]
    assert resource["valueQuantity"]["value"] == risk["probabilityDecimal"]
    assert read["valueQuantity"] == resource["valueQuantity"]
    assert resource["valueQuantity"]["code"] == "%"
    assert resource["derivedFrom"][0] == {
        "reference": "https://ehr.example.org/fhir/Observation/o1/_history/2"
    }
    assert resource["interpretation"][0]["text"] == "Higher risk: Look at the patient"
    wrong = ehr.get(f"{BASE}/{resource['id']}", params={"_profile": "Flag"})
    assert wrong.status_code == 422


@pytest.mark.parametrize("profile", ["Flag", "observation", "http://example.org/Observation"])
def test_a_form_that_is_not_written_is_refused_before_anything_is_done(ehr, recorded, profile):
    from records.models import Amendment

    old = predict(ehr)
    query = {"_profile": profile}
    calls = [
        ehr.post(f"{BASE}/$predict", params={"model": NAME, **query}, json=BUNDLE),
        ehr.post(f"{BASE}/$predict", params=query, json=parameters(corrected(), old["id"])),
        ehr.post(f"{BASE}/{old['id']}/$withdraw", params=query),
    ]
    for answer in calls:
        assert answer.status_code == 422
        OperationOutcome.model_validate_json(answer.content)
        assert "_profile: unknown_profile" in answer.text
    assert len(recorded()) == 1
    assert not Amendment.objects.exists()
    assert ehr.get(f"{BASE}/{old['id']}").json()["status"] == "final"


def stored_by(transactions: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """What a server that keeps to the rules of transactions holds afterwards, by identifier."""
    held: dict[str, dict[str, Any]] = {}
    for one in transactions:
        (entry,) = one["entry"]
        request, resource = entry["request"], entry["resource"]
        identifier = f"{resource['identifier'][0]['system']}|{resource['identifier'][0]['value']}"
        if request["method"] == "POST":
            assert request["ifNoneExist"] == f"identifier={identifier}"
            held.setdefault(identifier, resource)
        else:
            assert request["url"] == f"RiskAssessment?identifier={identifier}"
            held[identifier] = resource
    return held


def test_a_prediction_can_be_had_as_the_transaction_that_stores_it_once(ehr):
    """FHIR-11."""
    profile = {"_profile": "http://hl7.org/fhir/StructureDefinition/Bundle"}
    first = ehr.post(f"{BASE}/$predict", params={"model": NAME, **profile}, json=BUNDLE).json()
    Bundle.model_validate(first)
    (entry,) = first["entry"]
    assert "id" not in entry["resource"]
    id_ = entry["fullUrl"].removeprefix("urn:uuid:")
    again = ehr.get(f"{BASE}/{id_}", params=profile).json()
    body = parameters(corrected(), id_)
    new = ehr.post(f"{BASE}/$predict", params=profile, json=body).json()
    withdrawn = ehr.post(
        f"{BASE}/{new['entry'][0]['fullUrl'].removeprefix('urn:uuid:')}/$withdraw", params=profile
    ).json()
    for one in (again, new, withdrawn):
        Bundle.model_validate(one)
    (held,) = stored_by([first, first]).values()
    assert held["status"] == "final"
    (held,) = stored_by([first, new, withdrawn]).values()
    assert held["status"] == "entered-in-error"
    (held,) = stored_by([first, new, new]).values()
    assert held["status"] == "amended"
    assert held["prediction"] == new["entry"][0]["resource"]["prediction"]


def test_a_silent_models_observation_has_no_value(serve, sqlite_db, artefacts):
    service = serve(sqlite_db, make_artefact(artefacts / NAME, status="silent"))
    client = service.client(*SCOPES)
    resource = predict(client, _profile="Observation")
    Observation.model_validate(resource)
    assert "valueQuantity" not in resource
    assert resource["dataAbsentReason"]["coding"][0]["code"] == "masked"


def test_a_prediction_of_another_definition_is_read_by_json_only(serve, sqlite_db, artefacts):
    service = serve(sqlite_db)
    client = service.client(*SCOPES)
    old = predict(client)["id"]
    other = serve(sqlite_db, make_artefact(artefacts / NAME, status="silent", version="2"))
    caller = other.caller({"Authorization": client.headers["authorization"]})
    assert caller.get(f"{BASE}/{old}").status_code == 409
    assert caller.get(f"/v1/predictions/{old}").status_code == 200


def test_a_former_champion_s_predictions_read_as_ever_as_long_as_it_is_packaged(
    serve, sqlite_db, artefacts, model_directory, model
):
    service = serve(sqlite_db)
    client = service.client(*SCOPES)
    old = predict(client)["id"]
    then = client.get(f"{BASE}/{old}").json()
    listed = ServedVersion(NAME, "1", model.artefact_digest)
    shutil.copytree(model_directory, artefacts / EARLIER / listed.artefact_digest)
    later = make_artefact(artefacts / NAME, status="silent", version="2")
    other = serve(sqlite_db, later, earlier=EarlierVersions(artefacts, [listed]))
    caller = other.caller({"Authorization": client.headers["authorization"]})
    assert caller.get(f"{BASE}/{old}").json() == then
    (found,) = caller.get(BASE).json()["entry"]
    assert found["resource"]["prediction"] == then["prediction"]


def test_the_operation_is_defined_where_the_statement_says(ehr):
    """FHIR-14."""
    risk_assessments, *_ = ehr.get("/fhir/metadata").json()["rest"][0]["resource"]
    assert [one["name"] for one in risk_assessments["operation"]] == ["predict", "withdraw"]
    for one in risk_assessments["operation"]:
        response = ehr.get(f"/fhir/OperationDefinition/{one['name']}")
        OperationDefinition.model_validate_json(response.content)
        defined = response.json()
        assert (one["definition"], one["name"]) == (defined["url"], defined["code"])
        assert defined["instance"] is (one["name"] == "withdraw")
        assert defined["type"] is not defined["instance"]
    assert {one["code"] for one in risk_assessments["interaction"]} == {"read", "search-type"}


@pytest.mark.parametrize("public", ["https://risk.example.org/auscult", None])
def test_the_statement_names_the_address_at_which_its_operations_are_defined(
    serve, sqlite_db, public
):
    """FHIR-14: by AUSCULT_PUBLIC_URL, and without it as the caller has the service's address."""
    service = serve(sqlite_db.model_copy(update={"public_url": public}))
    client = service.client(*SCOPES)
    statement = client.get("/fhir/metadata").json()
    base = f"{public or service.address}/fhir"
    assert statement["implementation"]["url"] == base
    resources = statement["rest"][0]["resource"]
    named = [one["definition"] for each in resources for one in each.get("operation", ())]
    assert len(named) == 3
    for address in named:
        defined = client.get(f"/fhir{address.removeprefix(base)}")
        OperationDefinition.model_validate_json(defined.content)
        assert defined.json()["url"] == address
