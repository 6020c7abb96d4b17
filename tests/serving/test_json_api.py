"""The JSON protocol, over real HTTP."""

import copy
import math
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx
import jsonschema_rs
import pytest

from records.clients import SCOPES
from serving.contract import Contract
from tests.factories import DEFINITION, NAME, NOW, VALUES, make_artefact
from tests.serving.conftest import read_predictions


def with_values(**values: Any) -> dict[str, Any]:
    return {"values": {**VALUES, **values}}


def without(name: str) -> dict[str, Any]:
    return {"values": {key: value for key, value in VALUES.items() if key != name}}


def test_contributions_add_up_to_the_risk_that_was_answered(service, ehr):
    answer = service.predict(ehr, {"values": VALUES}).json()
    total = answer["base"] + sum(one["contribution"] for one in answer["contributions"])
    assert total == pytest.approx(math.log(answer["risk"] / (1 - answer["risk"])), abs=1e-6)


def test_an_answer_is_in_clinical_words_and_says_what_it_is_not_for(service, ehr, model):
    answer = service.predict(ehr, {"values": VALUES}).json()
    assert answer["model"]["notice"] == "not for clinical use"
    assert answer["model"]["artefact_digest"] == model.artefact_digest
    assert answer["model"]["definition_digest"] == model.definition_digest
    assert answer["band"] == {
        "name": "high",
        "title": "Higher risk",
        "action": "Look at the patient",
    }
    words = {one["feature"]: one["words"] for one in answer["contributions"]}
    assert words["age"].startswith("Age 71 years contributed ")
    assert words["lactate"].startswith("Lactate in blood 3.1 mmol/L contributed ")
    assert words["sex"].startswith("Sex: Female contributed ")


@pytest.mark.parametrize("path", ["/v1/outcomes", f"/v1/models/{NAME}/predict", "/fhir/$x"])
def test_a_nul_is_refused_before_a_database_meets_it(service, ehr, path):
    path = path.replace("/fhir/$x", f"/fhir/RiskAssessment/$predict?model={NAME}")
    body = {"patient": {"system": "urn:oid:1.2", "value": "a\0b"}, "values": VALUES}
    answer = ehr.post(path, json=body)
    assert answer.status_code == 422
    assert "u0000" in answer.text


def test_the_largest_contribution_comes_first(service, ehr):
    answer = service.predict(ehr, {"values": VALUES}).json()
    sizes = [abs(one["contribution"]) for one in answer["contributions"]]
    assert sizes == sorted(sizes, reverse=True)
    assert {one["feature"] for one in answer["contributions"]} == set(VALUES)


def test_a_missing_lactate_is_named(service, ehr):
    answer = service.predict(ehr, without("lactate")).json()
    assert answer["missing"] == ["lactate"]
    lactate = next(one for one in answer["contributions"] if one["feature"] == "lactate")
    assert lactate["value"] is None
    assert lactate["words"].startswith("Lactate in blood (no value) contributed ")


def test_a_null_is_a_missing_value(service, ehr):
    assert service.predict(ehr, with_values(lactate=None)).json()["missing"] == ["lactate"]


def test_a_value_in_another_unit_is_converted(service, ehr):
    plain = service.predict(ehr, with_values(creatinine=1.4)).json()
    molar = with_values(creatinine={"value": 1.4 * 88.42, "unit": "umol/L"})
    assert service.predict(ehr, molar).json()["risk"] == pytest.approx(plain["risk"], rel=1e-9)


def test_of_several_values_the_one_that_the_definition_names_counts(service, ehr):
    values = [
        {"value": 9.0, "unit": "mmol/L", "time": "2026-03-02T06:00:00Z"},
        VALUES["lactate"],
    ]
    one = service.predict(ehr, {"values": VALUES}).json()
    assert service.predict(ehr, with_values(lactate=values)).json()["risk"] == one["risk"]


@pytest.mark.parametrize(
    ("body", "field", "reason"),
    [
        (with_values(lactat=3.1), "values.lactat", "unknown_field"),
        ({"values": VALUES, "hospital": "x"}, "hospital", "unknown_field"),
        (with_values(age="71"), "values.age", "wrong_type"),
        (with_values(age=True), "values.age", "wrong_type"),
        (with_values(age=80.7), "age", "not_whole"),
        (with_values(**{"Jane Doe": 1}), "values", "unknown_field"),
        (with_values(lactate={"value": "3.1"}), "values.lactate.value", "wrong_type"),
        ({}, "values", "missing_field"),
        ([], "body", "wrong_type"),
        (
            with_values(lactate={"value": 3, "unit": "mmol/L", "time": "2026-03-02T08:00:00"}),
            "values.lactate.time",
            "no_timezone",
        ),
        ({"values": VALUES, "site": "a b"}, "site", "wrong_type"),
        ({"values": VALUES, "patient": {"system": "", "value": "1"}}, "patient.system", None),
    ],
)
def test_a_malformed_request_names_the_field(service, ehr, body, field, reason):
    """API-3."""
    response = service.predict(ehr, body)
    problem = response.json()
    assert response.status_code == 422
    assert response.headers["content-type"] == "application/problem+json"
    assert problem["field"] == field
    assert reason is None or problem["reason"] == reason
    assert problem["notice"] == "No risk was calculated. This does not mean low risk."
    assert "risk" not in problem


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_a_number_that_is_not_finite_is_named(service, ehr, number):
    body = f'{{"values": {{"age": {number}, "sex": "male"}}}}'
    response = ehr.post(
        f"/v1/models/{NAME}/predict", content=body, headers={"Content-Type": "application/json"}
    )
    assert response.status_code == 422
    assert response.json()["field"] == "values.age"
    assert response.json()["reason"] == "not_finite"


@pytest.mark.parametrize("body", ["", "{", "risk?", '{"values": {}} x', "[" * 100_000])
def test_what_is_no_json_is_a_bad_request(service, ehr, body):
    response = ehr.post(
        f"/v1/models/{NAME}/predict", content=body, headers={"Content-Type": "application/json"}
    )
    assert response.status_code == (413 if len(body) > 1000 else 400)
    assert "No risk was calculated" in response.json()["notice"]


@pytest.mark.parametrize(
    ("values", "status", "kind", "says"),
    [
        (with_values(creatinine=88), 422, "unusable-value", "88"),
        (with_values(creatinine={"value": 1.4, "unit": "furlong"}), 422, "unusable-value", "furl"),
        (with_values(lactate=3.1), 422, "unusable-value", "mmol/L"),
        (with_values(ward="moon"), 422, "unusable-value", "ward"),
        (with_values(age=17), 422, "out-of-scope", "18"),
        (without("age"), 422, "too-little-data", "Age"),
    ],
)
def test_what_cannot_be_scored_is_refused_by_name(service, ehr, values, status, kind, says):
    response = service.predict(ehr, values)
    assert response.status_code == status
    assert response.json()["type"].endswith(kind)
    assert says.lower() in response.json()["detail"].lower()


def test_a_value_from_the_future_is_refused(service, ehr):
    later = (NOW + timedelta(hours=1)).isoformat()
    lactate = {"value": 3.1, "unit": "mmol/L", "time": later}
    response = service.predict(ehr, with_values(lactate=lactate))
    assert response.status_code == 422
    assert "lactate" in response.json()["field"]


FUTURE = "another value was left out: the value was taken after the prediction time"


@pytest.mark.parametrize("at", [None, "2026-03-02T09:00:00Z"])
def test_a_value_from_the_future_is_named_beside_one_that_is_used(service, ehr, at):
    """FHIR-4: one only later than a past prediction time couldn't be known, which is no fault."""
    client = ehr if at is None else service.client("predict", "replay", "bulk")
    asked = {} if at is None else {"predicted_at": at}

    def lactates(*times):
        given = [{"value": 3.1, "unit": "mmol/L", "time": "2026-03-02T08:00:00Z"}]
        given += [{"value": 9.9, "unit": "mmol/L", "time": time} for time in times]
        return with_values(lactate=given) | asked

    plain = service.predict(client, lactates()).json()
    named = service.predict(client, lactates("2026-03-02T10:15:01Z")).json()
    assert plain["findings"] == []
    assert [(one["kind"], one["words"]) for one in named["findings"]] == [
        ("excluded", f"Lactate in blood: {FUTURE}")
    ]
    assert named["risk"] == plain["risk"]
    batch = {"requests": [lactates("2026-03-02T10:15:01Z")]}
    (item,) = client.post(f"/v1/models/{NAME}/predict-batch", json=batch).json()["answers"]
    assert item["prediction"]["findings"] == named["findings"]
    if at is not None:
        later = service.predict(client, lactates("2026-03-02T10:14:59Z")).json()
        assert (later["findings"], later["risk"]) == ([], plain["risk"])


def test_another_prediction_time_needs_the_scope_replay(service):
    body = {"values": copy.deepcopy(VALUES), "predicted_at": "2026-03-02T09:00:00Z"}
    plain, replaying = service.client("predict"), service.client("predict", "replay")
    assert service.predict(plain, body).status_code == 403
    answer = service.predict(replaying, body).json()
    assert answer["predicted_at"] == "2026-03-02T09:00:00Z"
    assert answer["recorded_at"] == "2026-03-02T10:15:00Z"


@pytest.mark.parametrize("offset", ["+14:01", "-15:00"])
def test_a_prediction_time_has_an_offset_of_this_earth(service, offset):
    body = {"values": VALUES, "predicted_at": f"2026-03-01T09:00:00{offset}"}
    answer = service.predict(service.client("predict", "replay"), body)
    assert (answer.status_code, answer.json()["field"]) == (422, "predicted_at")
    assert answer.json()["reason"] == "bad_offset"


def test_nobody_predicts_in_the_future(service, ehr):
    body = {"values": VALUES, "predicted_at": "2026-03-02T10:15:01Z"}
    response = service.predict(ehr, body)
    assert response.status_code == 422
    assert response.json()["field"] == "predicted_at"


def test_without_the_scope_explain_there_are_no_contributions(service):
    answer = service.predict(service.client("predict"), {"values": VALUES}).json()
    assert 0 < answer["risk"] < 1
    assert "contributions" not in answer
    assert "base" not in answer


def test_a_silent_model_records_and_shows_no_risk(serve, sqlite_db, artefacts):
    service = serve(sqlite_db, make_artefact(artefacts / NAME, status="silent"))
    client = service.client(*SCOPES)
    answer = service.predict(client, {"values": VALUES}).json()
    assert answer["model"]["notice"].startswith("silent evaluation")
    assert not {"risk", "band", "base", "contributions"} & answer.keys()
    (row,) = read_predictions()
    assert row.risk > 0
    assert not row.shown
    past = client.get(f"/v1/predictions/{answer['prediction_id']}").json()
    assert not {"risk", "band", "base", "contributions"} & past.keys()


def test_the_models_are_listed_with_the_form_of_their_requests(service, ehr):
    (listed,) = ehr.get("/v1/models").json()["models"]
    assert listed["name"] == NAME
    described = ehr.get(f"/v1/models/{NAME}").json()
    requests = jsonschema_rs.validator_for(described["input"])
    assert requests.is_valid({"values": VALUES})
    assert not requests.is_valid({"values": {**VALUES, "lactat": 3}})
    assert not requests.is_valid({"values": {**VALUES, "ward": "moon"}})


def test_an_unknown_model_is_not_found(ehr):
    assert ehr.get("/v1/models/unknown").status_code == 404
    response = ehr.post("/v1/models/unknown/predict", json={"values": {}})
    assert response.status_code == 404
    assert NAME in response.json()["detail"]


def test_a_past_prediction_is_read_by_the_client_that_made_it_only(service, ehr):
    answer = service.predict(ehr, {"values": VALUES}).json()
    path = f"/v1/predictions/{answer['prediction_id']}"
    past = ehr.get(path).json()
    assert past["risk"] == answer["risk"]
    assert past["features"]["lactate"] == 3.1
    named = {one["feature"]: one["contribution"] for one in answer["contributions"]}
    assert past["contributions"] == named
    assert service.client(*SCOPES).get(path).status_code == 404
    assert ehr.get(f"/v1/predictions/{uuid4()}").status_code == 404
    assert ehr.get("/v1/predictions/17").status_code == 404


def report(client: httpx.Client, **body: Any) -> httpx.Response:
    known = {"happened": True, "known_at": NOW.isoformat()}
    return client.post("/v1/outcomes", json={**known, **body})


def test_an_outcome_is_recorded_for_a_prediction(service, ehr):
    from records.models import Outcome

    patient = {"system": "urn:oid:1.2.3.4", "value": "12345"}
    answer = service.predict(ehr, {"values": VALUES, "patient": patient}).json()
    assert report(ehr, prediction_id=answer["prediction_id"]).status_code == 201
    outcome = Outcome.objects.get()
    assert str(outcome.prediction_id) == answer["prediction_id"]
    assert outcome.patient == outcome.prediction.patient != ""
    assert outcome.happened


def test_an_outcome_of_a_model_that_is_not_served_any_more_is_recorded(serve, sqlite_db, artefacts):
    from records.models import Outcome, Prediction

    patient = {"system": "urn:oid:1.2.3.4", "value": "12345"}
    before = serve(sqlite_db)
    client = before.client(*SCOPES)
    before.predict(client, {"values": VALUES, "patient": patient})
    text = DEFINITION.replace(f'name = "{NAME}"', 'name = "another"')
    another = make_artefact(artefacts / "another", definition_text=text)
    now = serve(sqlite_db, another).caller({"Authorization": client.headers["authorization"]})
    answer = report(now, model=NAME, patient=patient)
    assert answer.status_code == 201, answer.text
    assert answer.json()["own_predictions"] == 1
    outcome = Outcome.objects.get()
    assert (outcome.model, outcome.patient) == (NAME, Prediction.objects.get().patient)
    unknown = report(now, model="made_up_sepsi", patient=patient)
    assert unknown.status_code == 404
    assert "another" in unknown.json()["detail"]
    assert Outcome.objects.count() == 1


def test_an_outcome_is_recorded_for_a_patient_by_pseudonym(service, ehr):
    from records.models import Outcome, Prediction

    patient = {"system": "urn:oid:1.2.3.4", "value": "12345"}
    service.predict(ehr, {"values": VALUES, "patient": patient})
    assert report(ehr, model=NAME, patient=patient, happened=False).status_code == 201
    outcome = Outcome.objects.get()
    assert outcome.patient == Prediction.objects.get().patient
    assert "12345" not in outcome.patient
    assert outcome.prediction is None


def test_an_outcome_says_whether_any_prediction_of_its_own_client_is_of_the_patient(
    serve, records_db
):
    """API-1: what other clients predicted isn't told."""
    from records.models import Outcome

    service = serve(records_db)
    patient = {"system": "urn:oid:1.2.3.4", "value": "12345"}
    ehr = service.client(*SCOPES, name="ward")
    for _ in range(2):
        service.predict(ehr, {"values": VALUES, "patient": patient})
    told = [
        report(client, **{"model": NAME, "patient": patient, **more}).json()
        for client, more in (
            (ehr, {}),
            (ehr, {"patient": {**patient, "value": " 12345 "}}),
            (ehr, {"patient": {**patient, "value": "12346"}}),
            (ehr, {"known_at": (NOW - timedelta(days=1)).isoformat(), "happened": False}),
            (service.client(*SCOPES), {}),
            (service.client(*SCOPES, name="ward", is_test=True), {}),
        )
    ]
    assert [one["own_predictions"] for one in told] == [2, 2, 0, 0, 0, 0]
    said = [one.get("notice", "") for one in told]
    assert said[:2] == ["", ""]
    assert all("this client has no prediction of this patient" in one for one in said[2:])
    assert "12346" not in str(told)
    assert Outcome.objects.count() == len(told)
    made = service.predict(ehr, {"values": VALUES}).json()["prediction_id"]
    assert report(ehr, prediction_id=made).json()["own_predictions"] == 1


def test_an_outcome_must_be_of_one_subject_and_not_of_the_future(service, ehr):
    answer = service.predict(ehr, {"values": VALUES}).json()["prediction_id"]
    later = (NOW + timedelta(days=1)).isoformat()
    earlier = (NOW - timedelta(days=1)).isoformat()
    assert report(ehr, prediction_id=answer, known_at=later).json()["field"] == "known_at"
    assert report(ehr, prediction_id=answer, known_at=earlier).json()["field"] == "known_at"
    assert report(ehr).json()["reason"] == "ambiguous_subject"
    assert report(ehr, prediction_id=answer, model=NAME).json()["reason"] == "ambiguous_subject"
    assert report(ehr, prediction_id=str(uuid4())).status_code == 404
    assert report(service.client("outcome"), prediction_id=answer).status_code == 404


def test_an_event_counts_when_it_happened_and_a_late_one_is_said_to_count_as_none(
    serve, records_db
):
    from records.models import Outcome

    service = serve(records_db)
    ehr = service.client(*SCOPES, "replay", name="ward")
    patient = {"system": "urn:oid:1.2.3.4", "value": "12345"}
    long_ago = NOW - timedelta(days=4)
    values = {**VALUES, "lactate": {"value": 3.1, "unit": "mmol/L"}}
    asked = {"values": values, "patient": patient, "predicted_at": long_ago.isoformat()}
    made = service.predict(ehr, asked).json()["prediction_id"]
    at = (long_ago + timedelta(hours=23)).isoformat()
    for subject in ({"prediction_id": made}, {"model": NAME, "patient": patient}):
        late = report(ehr, **subject).json()
        assert "counts as none within it" in late["notice"]
        assert "report it again with happened_at" in late["notice"]
        assert "notice" not in report(ehr, **subject, happened=False).json()
        dated = report(ehr, **subject, happened_at=at).json()
        assert "notice" not in dated
        assert datetime.fromisoformat(dated["happened_at"]) == datetime.fromisoformat(at)
        assert Outcome.objects.latest("pk").known_at == datetime.fromisoformat(at)


@pytest.mark.parametrize(
    ("days", "happened", "reason"),
    [(0, False, "no_event"), (1, True, "in_the_future"), (-1, True, "before_prediction")],
)
def test_a_time_of_an_event_must_fit_the_report(service, ehr, days, happened, reason):
    made = service.predict(ehr, {"values": VALUES}).json()["prediction_id"]
    at = (NOW + timedelta(days=days)).isoformat()
    refused = report(ehr, prediction_id=made, happened=happened, happened_at=at)
    assert (refused.status_code, refused.json()["reason"]) == (422, reason)
    assert refused.json()["field"] == "happened_at"


def test_an_event_is_not_known_before_it_happens(service, ehr):
    made = service.predict(ehr, {"values": VALUES}).json()["prediction_id"]
    known, at = ((NOW - timedelta(hours=hours)).isoformat() for hours in (2, 1))
    refused = report(ehr, prediction_id=made, known_at=known, happened_at=at)
    assert (refused.status_code, refused.json()["reason"]) == (422, "known_before")


def test_a_feature_may_be_called_as_a_keyword_of_python(model):
    features = [feature.model_dump() for feature in model.definition.features]
    features[4]["name"] = "lambda"
    changed = {**model.definition.model_dump(), "features": features}
    contract = Contract(type(model.definition).model_validate(changed))
    assert contract.read(b'{"values": {"lambda": 2}}').values["lambda"] == 2


LONG_AGO = ("0001-01-01T00:00:00+14:00", "0001-01-01T00:00:00Z", "1899-12-31T23:59:59Z")


@pytest.mark.parametrize("at", LONG_AGO)
def test_a_time_before_any_patient_of_now_is_refused(service, ehr, at):
    made = service.predict(ehr, {"values": VALUES}).json()["prediction_id"]
    patient = {"system": "urn:oid:1.2.3.4", "value": "12345"}
    outcome = {"model": NAME, "patient": patient, "happened": True, "known_at": at}
    feedback = {"prediction_id": made, "outcome": "accepted", "happened_at": at}
    for answer in (
        service.predict(ehr, {"values": VALUES, "predicted_at": at}),
        ehr.post("/v1/outcomes", json=outcome),
        ehr.post("/v1/feedback", json=feedback),
    ):
        assert answer.status_code == 422
        assert answer.json()["reason"] == "bad_time"


def test_a_query_that_would_not_be_heeded_is_refused(service, ehr):
    path = f"/v1/models/{NAME}/predict?predicted_at=2026-01-05T10:15:00Z"
    answer = ehr.post(path, json={"values": VALUES})
    assert answer.status_code == 422
    assert answer.json()["field"] == "query"
