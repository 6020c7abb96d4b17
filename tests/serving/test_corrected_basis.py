"""Corrections of what predictions rest on, over real HTTP: FHIR, CDS Hooks and JSON."""

import copy
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from models.risk_model import RiskModel
from monitoring.corrections import Listed, list_affected
from records.clients import SCOPES
from tests.factories import BUNDLE, DEFINITION, NAME, NOW, VALUES, make_artefact
from tests.serving.conftest import read_predictions
from tests.serving.hooks import PATH as HOOK
from tests.serving.hooks import hook_request
from tests.serving.test_corrections import FHIR, PATH, body, bundle
from tests.serving.test_fhir_records import predict

Json = dict[str, Any]
LACTATE: Json = {
    **BUNDLE["entry"][1]["resource"],
    "id": "k1",
    "status": "corrected",
}
CREATININE_CODE = {"coding": [{"system": "http://loinc.org", "code": "2160-0"}]}
SERVER = "https://ehr.example.org/fhir"


@pytest.fixture(scope="module")
def mean(tmp_path_factory: pytest.TempPathFactory) -> RiskModel:
    """The made-up model with the mean of lactates, which does without one that can't be used."""
    changed = 'name = "lactate"\nreduce = "mean"\nif_unusable = "score_without"'
    text = DEFINITION.replace('name = "lactate"', changed)
    directory: Path = tmp_path_factory.mktemp("mean") / NAME
    return make_artefact(directory, definition_text=text)


@pytest.fixture
def any_service(serve, records_db, mean):
    """The model of means, served from a database of each kind."""
    return serve(records_db, mean)


def lactate(name: str, value: float, unit: str = "mmol/L", **changes: Any) -> Json:
    found = copy.deepcopy(LACTATE) | {"id": name, "status": "final"}
    found["valueQuantity"] |= {"value": value, "code": unit}
    found.pop("meta", None)
    return found | changes


def of_patient(*results: Json) -> Json:
    return bundle(BUNDLE["entry"][0]["resource"], *results)


def listed(model: RiskModel) -> tuple[Listed, list[Any]]:
    from records.models import AffectedPrediction

    return list_affected(model, NOW), list(AffectedPrediction.objects.order_by("pk"))


def risk_of(client: Any, *results: Json) -> float:
    """The recorded risk of a new prediction."""
    made = predict(client, of_patient(*results))["id"]
    return next(one.risk for one in read_predictions() if str(one.id) == made)


def is_withdrawn(made: Json) -> bool:
    from records.models import Amendment

    found = Amendment.objects.filter(prediction=made["id"], status="entered-in-error")
    return found.exists()


def report(client: Any, *results: Json) -> Json:
    answer = client.post(FHIR, json=bundle(*results))
    assert answer.status_code == 201, answer.text
    return {
        one["name"]: one.get("valueInteger", one.get("valueString"))
        for one in answer.json()["parameter"]
    }


def test_a_mean_is_made_again_of_the_right_values(any_service, mean):
    client = any_service.client(*SCOPES)
    made = predict(client, of_patient(lactate("a", 1), lactate("b", 2)))
    assert report(client, lactate("b", 9, status="corrected"))["predictions"] == 1
    found, (row,) = listed(mean)
    assert found == Listed(1, 1, int(row.band_changed))
    assert row.corrected_risk == risk_of(client, lactate("a", 1), lactate("b", 9))
    assert is_withdrawn(made)


@pytest.mark.parametrize(
    "changes",
    [
        {"subject": {"reference": "Patient/another"}},
        {"effectiveDateTime": "2021-03-02T08:00:00Z"},
    ],
)
def test_a_result_of_another_patient_or_time_counts_no_more(any_service, mean, changes):
    client = any_service.client(*SCOPES)
    made = predict(client, of_patient(lactate("a", 4)))
    report(client, lactate("a", 4, status="corrected", **changes))
    _, (row,) = listed(mean)
    assert row.corrected_risk == risk_of(client)
    assert is_withdrawn(made)


def test_a_subject_with_an_identifier_beside_its_reference_is_flagged_and_trusted_in_nothing(
    any_service, mean
):
    client = any_service.client(*SCOPES)
    made = predict(client, of_patient(lactate("a", 4)))
    subject = {"reference": "Patient/p1", "identifier": {"system": "urn:oid:1.2.3", "value": "z"}}
    told = report(client, lactate("a", 4, status="corrected", subject=subject))
    assert "whose it is can't be told" in told["flagged"]
    _, (row,) = listed(mean)
    assert row.corrected_risk is None
    assert is_withdrawn(made)


ELSEWHERE = "https://lab.example.org/fhir"
NOT_TOLD = "it can't be told whether the corrected result is the same patient's"


def reported_at(address: str, result: Json) -> Json:
    """A Bundle of one result, with its address there; an empty one states none."""
    sent = bundle(result)
    if address:
        sent["entry"][0]["fullUrl"] = f"{address}/Observation/{result['id']}"
    return sent


def predicted_at(address: str, *results: Json) -> Json:
    """A Bundle of the patient's results, all of them there; an empty address states none."""
    sent = of_patient(*results)
    for one in sent["entry"] if address else ():
        resource = one["resource"]
        one["fullUrl"] = f"{address}/{resource['resourceType']}/{resource['id']}"
    return sent


@pytest.mark.parametrize("address", ["", SERVER])
def test_a_subject_on_another_server_than_the_result_is_flagged_and_trusted_in_nothing(
    any_service, mean, address
):
    client = any_service.client(*SCOPES)
    made = predict(client, predicted_at(address, lactate("a", 4)))
    subject = {"reference": f"{ELSEWHERE}/Patient/p1"}
    sent = reported_at(address, lactate("a", 9, status="corrected", subject=subject))
    answer = client.post(FHIR, json=sent)
    flagged = [one for one in answer.json()["parameter"] if one["name"] == "flagged"]
    assert "on the server that the entry's fullUrl states" in flagged[0]["valueString"]
    found, (row,) = listed(mean)
    assert found.unscored == 1
    assert row.corrected_risk is None
    assert row.no_score.startswith(NOT_TOLD)
    assert is_withdrawn(made)


@pytest.mark.parametrize("reference", [f"{ELSEWHERE}/Patient/p1", "Patient/p1"])
def test_a_result_of_a_server_is_not_taken_for_one_of_none_with_the_same_ids(
    any_service, mean, reference
):
    client = any_service.client(*SCOPES)
    made = predict(client, predicted_at("", lactate("a", 4)))
    right = lactate("a", 9, status="corrected", subject={"reference": reference})
    assert client.post(FHIR, json=reported_at(ELSEWHERE, right)).status_code == 201
    _, (row,) = listed(mean)
    assert row.corrected_risk is None
    said = f"{NOT_TOLD}: the report states its server, and the prediction none"
    assert row.no_score.startswith(said)
    assert is_withdrawn(made)


@pytest.mark.parametrize(
    ("address", "reference"),
    [(SERVER, f"{SERVER.replace('ehr', 'EHR')}/Patient/p1"), ("", "Patient/p1")],
)
def test_a_subject_on_the_server_of_the_result_is_the_patient(
    any_service, mean, address, reference
):
    client = any_service.client(*SCOPES)
    made = predict(client, predicted_at(SERVER, lactate("a", 4)))
    right = lactate("a", 9, status="corrected", subject={"reference": reference})
    answer = client.post(FHIR, json=reported_at(address, right))
    assert "flagged" not in answer.text
    _, (row,) = listed(mean)
    assert row.corrected_risk == risk_of(client, lactate("a", 9))
    assert is_withdrawn(made)


def test_a_result_of_another_code_counts_as_that(any_service, mean):
    client = any_service.client(*SCOPES)
    made = predict(client, of_patient(lactate("a", 4)))
    right = lactate("a", 4, "mg/dL", status="corrected", code=CREATININE_CODE)
    report(client, right)
    _, (row,) = listed(mean)
    assert row.corrected_risk == risk_of(client, right)
    assert is_withdrawn(made)


def test_a_result_that_was_left_out_is_found_and_counts(any_service, mean):
    client = any_service.client(*SCOPES)
    made = predict(client, of_patient(lactate("a", 4, "bushel")))
    said = report(client, lactate("a", 12, status="corrected"))
    assert said["predictions"] == 1
    assert "unused" not in said
    _, (row,) = listed(mean)
    assert row.corrected_risk == risk_of(client, lactate("a", 12))
    assert is_withdrawn(made)


def test_the_same_result_once_more_leaves_the_prediction_final(any_service, mean):
    client = any_service.client(*SCOPES)
    made = predict(client, of_patient(lactate("a", 4)))
    assert report(client, lactate("a", 4, status="corrected"))["recorded"] == 1
    assert listed(mean) == (Listed(1, 0, 0), [])
    assert not is_withdrawn(made)


def by_value(client: Any, name: str, value: float, unit: str, time: str) -> None:
    """Report by JSON what a result should have said."""
    right = {"value": value, "unit": unit, "time": time}
    said = {"source": f"Observation/{name}", "status": "corrected", "feature": "lactate"}
    assert client.post(PATH, json=body(said | {"value": right})).status_code == 201


@pytest.mark.parametrize(
    ("value", "unit", "time"),
    [
        (9.0, "mmol/L", "2026-03-02T08:00:00Z"),
        (81.0, "mg/dL", "2026-03-02T10:00:00+02:00"),
        (4.0, "mmol/L", "2021-03-02T08:00:00Z"),
        (9.0, "mmol/L", "2026-03-01T11:15:00+01:00"),
    ],
)
def test_a_reading_by_json_gives_what_the_same_one_by_fhir_does(
    any_service, mean, value, unit, time
):
    client = any_service.client(*SCOPES)
    before = [lactate("a", 4), lactate("b", 2)]
    by_json = predict(client, of_patient(*before))
    renamed = [lactate("c", 4), lactate("d", 2)]
    by_fhir = predict(client, of_patient(*renamed))
    by_value(client, "a", value, unit, time)
    report(client, lactate("c", value, unit, status="corrected", effectiveDateTime=time))
    found, rows = listed(mean)
    assert found.predictions == 2
    one, other = (
        next(r for r in rows if str(r.prediction_id) == m["id"]) for m in (by_json, by_fhir)
    )
    right = lactate("a", value, unit, effectiveDateTime=time)
    assert one.corrected_risk == other.corrected_risk == risk_of(client, right, lactate("b", 2))
    assert is_withdrawn(by_json)
    assert is_withdrawn(by_fhir)


def test_a_reading_by_json_whose_time_was_wrong_only_counts_at_the_right_one(any_service, mean):
    client = any_service.client(*SCOPES)
    made = predict(client, of_patient(lactate("a", 4), lactate("b", 2)))
    by_value(client, "a", 4, "mmol/L", "2021-03-02T08:00:00Z")
    _, (row,) = listed(mean)
    assert row.corrected_risk == risk_of(client, lactate("b", 2))
    assert is_withdrawn(made)


def test_the_time_of_a_result_that_had_none_lets_it_count(any_service, mean):
    client = any_service.client(*SCOPES)
    undated = lactate("a", 12)
    del undated["effectiveDateTime"]
    made = predict(client, of_patient(undated, lactate("b", 2)))
    by_value(client, "a", 12, "mmol/L", "2026-03-02T08:00:00Z")
    _, (row,) = listed(mean)
    assert row.corrected_risk == risk_of(client, lactate("a", 12), lactate("b", 2))
    assert is_withdrawn(made)


def test_what_was_withdrawn_by_json_is_left_out_as_by_fhir(any_service, mean):
    client = any_service.client(*SCOPES)
    for name in ("a", "c"):
        predict(client, of_patient(lactate(name, 4), lactate(f"{name}2", 2)))
    withdrawn = {"source": "Observation/a", "status": "entered-in-error"}
    assert client.post(PATH, json=body(withdrawn)).status_code == 201
    report(client, lactate("c", 4, status="entered-in-error"))
    _, rows = listed(mean)
    assert [row.corrected_risk for row in rows] == [risk_of(client, lactate("a2", 2))] * 2


def test_a_value_of_a_feature_that_it_never_was_gets_no_risk(any_service, mean):
    client = any_service.client(*SCOPES)
    made = predict(client, of_patient(lactate("a", 4)))
    wrong = {
        "source": "Observation/a",
        "status": "corrected",
        "feature": "creatinine",
        "value": {"value": 4.0, "unit": "mg/dL"},
    }
    assert client.post(PATH, json=body(wrong)).status_code == 201
    found, (row,) = listed(mean)
    assert found.unscored == 1
    assert (row.corrected_risk, row.corrected_band) == (None, "")
    assert row.no_score.startswith("the result never was one of: Creatinine")
    assert is_withdrawn(made)


def test_a_resource_is_reported_once_more_where_it_says_something_else(any_service):
    client = any_service.client(*SCOPES)
    first = lactate("a", 4, status="corrected")
    later = first | {"effectiveDateTime": "2026-03-02T07:00:00Z"}
    coded = first | {"code": CREATININE_CODE}
    coded["valueQuantity"] = first["valueQuantity"] | {"code": "mg/dL"}
    counts = []
    for one in (first, first, later, later, coded, later):
        any_service.now += timedelta(minutes=1)
        counts.append(report(client, one)["recorded"])
    assert counts == [1, 0, 1, 0, 1, 1]


def test_what_was_reported_and_listed_agrees_with_the_chain(any_service, mean):
    from records.agreement import disagreements
    from records.models import SourceCorrection

    client = any_service.client(*SCOPES)
    predict(client, of_patient(lactate("a", 4)))
    report(client, lactate("a", 5, status="corrected"))
    listed(mean)
    assert [one for one in disagreements() if one.table != "records_client"] == []
    SourceCorrection.objects.update(subject="f" * 64)
    (found, *_) = [one for one in disagreements() if one.table != "records_client"]
    assert found.table == "records_sourcecorrection"


def hooked(server: str | None) -> Json:
    return hook_request(fhirServer=server)


@pytest.mark.parametrize("server", [SERVER, f"{SERVER}/"])
def test_a_card_rests_on_results_of_the_server_that_its_request_names(service, ehr, model, server):
    assert ehr.post(HOOK, json=hooked(server)).status_code == 200
    (row,) = read_predictions()
    assert row.sources == [f"{SERVER}/Observation/o1/_history/2", f"{SERVER}/Observation/o2"]
    client = service.client(*SCOPES)
    elsewhere = {"source": "https://lab.example.org/fhir/Observation/o1"}
    here = {"source": f"{SERVER}/Observation/o1"}
    wrong = {"status": "entered-in-error"}
    told = client.post(PATH, json=body(elsewhere | wrong, here | wrong)).json()["sources"]
    assert [(one["predictions"], one["by_id_only"]) for one in told] == [(0, 0), (1, 0)]
    assert listed(model)[0].predictions == 1


def test_a_card_of_no_server_rests_on_results_known_by_their_ids(service, ehr):
    assert ehr.post(HOOK, json=hooked(None)).status_code == 200
    (row,) = read_predictions()
    assert row.sources == ["Observation/o1/_history/2", "Observation/o2"]


def test_a_corrected_result_of_a_card_is_scored_with_its_other_results(service, ehr, model):
    ehr.post(HOOK, json=hooked(SERVER))
    sent = bundle()
    corrected = {**BUNDLE["entry"][1]["resource"], "status": "corrected"}
    corrected["valueQuantity"] = corrected["valueQuantity"] | {"value": 12}
    sent["entry"] = [{"fullUrl": f"{SERVER}/Observation/o1", "resource": corrected}]
    assert service.client(*SCOPES).post(FHIR, json=sent).status_code == 201
    _, (row,) = listed(model)
    again = copy.deepcopy(BUNDLE)
    again["entry"][1]["resource"] = corrected
    made = predict(service.client(*SCOPES), again)["id"]
    assert row.corrected_risk == next(one.risk for one in read_predictions() if str(one.id) == made)


def test_a_json_request_names_no_sources_and_keeps_no_readings(service, ehr):
    assert service.predict(ehr, {"values": VALUES}).status_code == 200
    (row,) = read_predictions()
    assert (row.basis, row.sources, row.unused) == ("", [], [])


def test_the_record_has_the_readings_and_nothing_of_whose_they_are(service, ehr):
    predict(ehr, BUNDLE)
    (row,) = read_predictions()
    assert '"Observation/o1' not in row.basis  # the address says the server too
    assert f"{SERVER}/Observation/o1/_history/2" in row.basis
    for secret in ("p1", "12345", "1954"):
        assert secret not in row.basis
