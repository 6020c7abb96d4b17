"""The FHIR protocol, over real HTTP; what is sent out is checked by fhir.resources."""

import copy
import math
from datetime import UTC, datetime
from typing import Any

import httpx
import msgspec
import pytest
from fhir.resources.R4B.capabilitystatement import CapabilityStatement
from fhir.resources.R4B.operationoutcome import OperationOutcome
from fhir.resources.R4B.riskassessment import RiskAssessment

from records.clients import SCOPES
from tests.factories import BUNDLE, NAME, NOW, VALUES, make_artefact

PATH = "/fhir/RiskAssessment/$predict"


def send(client: httpx.Client, body: Any, **query: str) -> httpx.Response:
    return client.post(
        PATH,
        params={"model": NAME, **query},
        content=msgspec.json.encode(body),
        headers={"Content-Type": "application/fhir+json"},
    )


def changed(index: int, **fields: Any) -> dict[str, Any]:
    bundle = copy.deepcopy(BUNDLE)
    bundle["entry"][index]["resource"] |= fields
    return bundle


def moment(text: Any) -> datetime:
    return datetime.fromisoformat(str(text)).astimezone(UTC)


def test_a_bundle_gives_a_valid_risk_assessment(service, ehr, recorded, model):
    """FHIR-12."""
    response = send(ehr, BUNDLE)
    assert response.headers["content-type"] == "application/fhir+json"
    RiskAssessment.model_validate_json(response.content)
    resource = response.json()
    (row,) = recorded()
    (prediction,) = resource["prediction"]
    # FHIR-1, FHIR-2, FHIR-3
    assert (resource["status"], resource["subject"]) == ("final", {"reference": "Patient/p1"})
    assert resource["id"] == str(row.id)
    assert prediction["probabilityDecimal"] == pytest.approx(100 * row.risk, abs=0.005)
    assert f"p={row.risk!r}" in prediction["rationale"]
    assert prediction["qualitativeRisk"]["coding"][0]["code"] == "high"
    assert prediction["outcome"]["coding"][0]["code"] == "91302008"
    assert moment(prediction["whenPeriod"]["start"]) == NOW
    device, _ = resource["contained"]
    assert resource["performer"] == {"reference": f"#{device['id']}"}
    assert device["version"] == [{"value": "1"}]
    assert resource["method"]["coding"][0]["code"] == NAME
    assert device["identifier"][0]["value"] == model.artefact_digest
    assert {one["reference"] for one in resource["basis"]} == {
        "https://ehr.example.org/fhir/Observation/o1/_history/2",
        "https://ehr.example.org/fhir/Observation/o2",
    }
    assert resource["note"][0]["text"] == "Not for clinical use"


def test_what_has_neither_id_nor_address_is_named_by_its_place_and_not_as_a_reference(ehr):
    bundle = copy.deepcopy(BUNDLE)
    del bundle["entry"][1]["resource"]["id"], bundle["entry"][1]["fullUrl"]
    response = send(ehr, bundle)
    RiskAssessment.model_validate_json(response.content)
    assert {"display": "Bundle.entry[1].resource"} in response.json()["basis"]
    assert {"reference": "https://ehr.example.org/fhir/Observation/o2"} in response.json()["basis"]


def test_an_id_that_is_none_is_refused_and_not_repeated(ehr, recorded):
    response = send(ehr, changed(1, id="<script>"))
    OperationOutcome.model_validate_json(response.content)
    assert response.status_code == 422
    assert "Bundle.entry[1].resource.id" in response.text
    assert "script" not in response.text
    assert not recorded()


def parameters(*more: dict[str, Any]) -> dict[str, Any]:
    given = [{"name": "model", "valueCode": NAME}, {"name": "bundle", "resource": BUNDLE}, *more]
    return {"resourceType": "Parameters", "parameter": given}


PAST = "2026-03-02T09:00:00Z"


@pytest.mark.parametrize(
    ("more", "field"),
    [
        ({"name": "predictedat", "valueDateTime": PAST}, "parameter.name"),
        ({"name": "predictedAt", "valueString": "2026"}, "predictedAt"),
        ({"name": "predictedAt", "valueDateTime": PAST, "valueInstant": PAST}, "predictedAt"),
        ({"name": "predictedAt", "valueDateTime": "0001-01-01T00:00:00+14:00"}, "predicted_at"),
        ({"name": "predictedAt", "valueDateTime": "0001-01-01T00:00:00Z"}, "predicted_at"),
        ({"name": "replaces", "valueString": "x"}, "replaces"),
        ({"name": "site", "valueInteger": 7}, "site"),
        ({"name": "model", "valueCode": NAME}, "parameter.name"),
        ({"name": "site", "valueString": "a", "modifierExtension": [{"url": "x"}]}, "Parameters"),
    ],
)
def test_a_parameter_that_would_not_be_heeded_is_refused(ehr, recorded, more, field):
    response = ehr.post(PATH, json=parameters(more))
    assert response.status_code == 422, response.text
    assert response.json()["issue"][0]["diagnostics"].startswith(field)
    assert not recorded()


def test_parameters_with_rules_that_are_not_known_are_refused(ehr, recorded):
    """FHIR-8."""
    response = ehr.post(PATH, json={**parameters(), "implicitRules": "https://example.org/rules"})
    assert response.status_code == 422
    assert "unknown_modifier" in response.text
    assert not recorded()


def test_labels_of_the_parameters_hold_for_what_they_carry(ehr, recorded):
    """FHIR-16."""
    withheld = {**parameters(), "meta": {"security": [{"code": "MASKED"}]}}
    response = ehr.post(PATH, json=withheld)
    assert response.status_code == 422
    assert "Parameters is labelled as withheld for privacy" in response.text
    assert not recorded()
    test = {"meta": {"tag": [{"code": "HTEST"}]}}
    given = [{"name": "bundle", "resource": {**BUNDLE, **test}}]
    body = {"resourceType": "Parameters", "parameter": given, **test}
    response = ehr.post(PATH, params={"model": NAME}, json=body)
    assert response.status_code == 200, response.text
    assert response.text.count("The data are labelled as test data") == 1


@pytest.mark.parametrize(
    ("query", "body"),
    [
        ({"model": NAME, "predictedAt": PAST}, BUNDLE),
        ({"model": [NAME, NAME]}, BUNDLE),
        ({"model": "other"}, parameters()),
        ({"predicted_at": PAST}, parameters({"name": "predictedAt", "valueDateTime": PAST})),
        ({"model": NAME, "site": "a"}, BUNDLE),
    ],
)
def test_a_query_that_would_not_be_heeded_is_refused(ehr, recorded, query, body):
    response = ehr.post(PATH, params=query, json=body)
    assert response.status_code == 422, response.text
    assert not recorded()


def test_the_prediction_time_may_be_an_instant_and_formats_are_passed_over(ehr, recorded):
    at = {"name": "predictedAt", "valueInstant": PAST}
    query = {"model": NAME, "_format": "json", "_pretty": "true"}
    assert ehr.post(PATH, params=query, json=parameters(at)).status_code == 200
    (row,) = recorded()
    assert row.predicted_at == moment(PAST)


def test_what_was_missing_and_converted_stands_in_the_notes(ehr):
    bundle = copy.deepcopy(BUNDLE)
    del bundle["entry"][1]
    texts = " ".join(note["text"] for note in send(ehr, bundle).json()["note"])
    assert "Lactate in blood" in texts
    assert "Missing" in texts


def test_the_explanation_in_the_extensions_adds_up(ehr, recorded):
    extensions = send(ehr, BUNDLE).json()["extension"]
    total = 0.0
    for extension in extensions:
        if "valueDecimal" in extension:
            total += extension["valueDecimal"]
        else:
            parts = {part["url"]: part for part in extension["extension"]}
            total += parts["contribution"]["valueDecimal"]
            assert "contributed" in parts["words"]["valueString"]
    (row,) = recorded()
    assert total == pytest.approx(math.log(row.risk / (1 - row.risk)), abs=1e-6)


def test_without_the_scope_explain_there_is_no_explanation(service):
    resource = send(service.client("predict"), BUNDLE).json()
    assert "extension" not in resource
    assert "contributed" not in resource["prediction"][0]["rationale"]


def test_one_patient_has_the_same_features_in_json_and_fhir_bit_for_bit(service, ehr, recorded):
    values = {
        "age": 71,
        "sex": "female",
        "lactate": VALUES["lactate"],
        "creatinine": {"value": 123.8, "unit": "umol/L", "time": "2026-03-01T08:00:00Z"},
    }
    patient = {"system": "urn:oid:1.2.3.4", "value": "12345"}
    send(ehr, BUNDLE)
    service.predict(ehr, {"values": values, "patient": patient})
    first, second = recorded()
    assert {first.protocol, second.protocol} == {"json", "fhir"}
    assert bytes(first.vector) == bytes(second.vector)
    assert bytes(first.contributions) == bytes(second.contributions)
    assert first.features == second.features
    assert first.risk == second.risk
    assert first.patient == second.patient != ""


def test_parameters_name_model_bundle_and_time(ehr):
    parameters = {
        "resourceType": "Parameters",
        "parameter": [
            {"name": "model", "valueString": NAME},
            {"name": "bundle", "resource": BUNDLE},
            {"name": "predictedAt", "valueDateTime": "2026-03-02T09:00:00Z"},
        ],
    }
    response = ehr.post(PATH, json=parameters)
    assert response.status_code == 200
    assert moment(response.json()["occurrenceDateTime"]).hour == 9


def test_the_prediction_time_in_the_query_needs_the_scope_replay(service):
    plain, replaying = service.client("predict"), service.client("predict", "replay")
    at = "2026-03-02T09:00:00+00:00"
    assert send(plain, BUNDLE, predicted_at=at).status_code == 403
    assert send(replaying, BUNDLE, predicted_at=at).status_code == 200
    assert send(replaying, BUNDLE, predicted_at="yesterday").status_code == 422


def test_what_was_issued_after_the_prediction_time_is_not_used(service, recorded):
    replaying = service.client("predict", "replay")
    bundle = changed(1, issued="2026-03-02T09:30:00Z")
    response = send(replaying, bundle, predicted_at="2026-03-02T09:00:00Z")
    assert response.status_code == 200
    assert recorded()[0].features["lactate"] is None


@pytest.mark.parametrize(
    ("bundle", "status", "code"),
    [
        (changed(1, subject={"reference": "Patient/p2"}), 422, "value"),
        (changed(0, gender="other"), 422, "value"),
        (changed(0, birthDate="2020-01-01"), 422, "business-rule"),
        (changed(0, deceasedBoolean=True), 422, "business-rule"),
        (changed(1, effectiveDateTime="2026-03-03T08:00:00Z"), 422, "value"),
        ({"resourceType": "Patient"}, 422, "structure"),
        ({"resourceType": "Bundle", "type": "collection", "entry": []}, 422, "required"),
        ({"resourceType": "Parameters", "parameter": []}, 422, "structure"),
    ],
)
def test_what_cannot_be_scored_is_an_operation_outcome(ehr, bundle, status, code):
    """FHIR-13."""
    response = send(ehr, bundle)
    assert response.status_code == status
    OperationOutcome.model_validate_json(response.content)
    (issue,) = response.json()["issue"]
    assert issue["code"] == code
    assert "This does not mean low risk" in issue["details"]["text"]


def test_a_bundle_of_nobody_is_not_json_or_names_no_model(ehr):
    headers = {"Content-Type": "application/fhir+json"}
    broken = ehr.post(PATH, params={"model": NAME}, content="{", headers=headers)
    assert broken.status_code == 400
    assert broken.json()["issue"][0]["code"] == "structure"
    unnamed = ehr.post(PATH, json=BUNDLE)
    assert unnamed.status_code == 422
    assert "model" in unnamed.json()["issue"][0]["diagnostics"]
    assert ehr.post(PATH, params={"model": "other"}, json=BUNDLE).status_code == 404


def test_a_silent_model_answers_without_a_risk(serve, sqlite_db, artefacts):
    service = serve(sqlite_db, make_artefact(artefacts / NAME, status="silent"))
    response = send(service.client(*SCOPES), BUNDLE)
    RiskAssessment.model_validate_json(response.content)
    assert not {"prediction", "mitigation", "extension"} & response.json().keys()
    assert "silent" in response.json()["note"][0]["text"]


def test_the_capability_statement_is_valid_and_not_public(service, ehr):
    CapabilityStatement.model_validate_json(ehr.get("/fhir/metadata").content)
    with httpx.Client() as stranger:
        response = stranger.get(f"{service.address}/fhir/metadata")
    assert response.status_code == 401
    assert response.json()["issue"][0]["code"] == "login"


def test_a_bundle_of_very_many_resources_is_refused(ehr):
    """API-4."""
    bundle = {**BUNDLE, "entry": [{"resource": {"resourceType": "Device"}}] * 3_001}
    response = ehr.post("/fhir/RiskAssessment/$predict", params={"model": NAME}, json=bundle)
    assert response.status_code == 413
    (issue,) = response.json()["issue"]
    assert issue["code"] == "too-long"
    assert "3000 that are read at once" in issue["details"]["text"]
