"""Corrected sources reported over real HTTP, as JSON and as FHIR."""

import copy
from datetime import timedelta
from typing import Any

import pytest
from fhir.resources.R4B.operationdefinition import OperationDefinition
from fhir.resources.R4B.parameters import Parameters

from models.corrections import Correction
from monitoring.corrections import list_affected
from records.clients import SCOPES
from tests.factories import BUNDLE, NAME, NOW
from tests.serving.test_fhir_records import BASE, predict

PATH = "/v1/corrections"
FHIR = "/fhir/Observation/$report-corrected"
LACTATE_4 = {"value": 4.0, "unit": "mmol/L"}
LACTATE_5 = {"value": 5.0, "unit": "mmol/L"}
LACTATE = BUNDLE["entry"][1]["resource"]


def body(*corrections: dict[str, Any], model: str = NAME) -> dict[str, Any]:
    return {"model": model, "corrections": list(corrections)}


def reported() -> list[Correction]:
    from records.models import SourceCorrection

    fields = ("source", "status", "feature", "value")
    rows = SourceCorrection.objects.order_by("pk").values(*fields)
    return [Correction(**row) for row in rows]


def bundle(*resources: dict[str, Any]) -> dict[str, Any]:
    entries = [{"resource": one} for one in resources]
    return {"resourceType": "Bundle", "type": "collection", "entry": entries}


def observation(**changes: Any) -> dict[str, Any]:
    changed = {**copy.deepcopy(LACTATE), "status": "corrected", **changes}
    return {name: value for name, value in changed.items() if value is not None}


def versioned(version: str, value: float, status: str = "final") -> dict[str, Any]:
    """The prediction's Bundle with a lactate of this version and value."""
    found = copy.deepcopy(BUNDLE)
    found["entry"][1]["resource"] |= {"meta": {"versionId": version}, "status": status}
    found["entry"][1]["resource"]["valueQuantity"]["value"] = value
    return found


@pytest.fixture
def any_service(serve, records_db):
    """The made-up model served from a database of each kind."""
    return serve(records_db)


def test_a_report_is_recorded_once_and_noted_in_the_chain(any_service):
    from records.agreement import disagreements
    from records.models import AuditEvent

    client = any_service.client("correct")
    first = {
        "source": "Observation/1",
        "status": "corrected",
        "feature": "lactate",
        "value": LACTATE_4,
    }
    second = {"source": "Observation/2", "status": "entered-in-error"}
    answer = client.post(PATH, json=body(first, second))
    assert answer.status_code == 201
    assert answer.json() == {
        "model": NAME,
        "recorded": 2,
        "known": 0,
        "sources": [
            {"source": "Observation/1", "predictions": 0, "by_id_only": 0},
            {"source": "Observation/2", "predictions": 0, "by_id_only": 0},
        ],
    }
    assert client.post(PATH, json=body(first, second)).json()["known"] == 2
    assert reported() == [
        Correction("Observation/1", "corrected", "lactate", 4.0),
        Correction("Observation/2", "entered-in-error"),
    ]
    (event,) = AuditEvent.objects.filter(action="sources.corrected")
    assert client.headers["authorization"].startswith(f"Bearer auk_{event.by}_")
    by_key = [one for one in disagreements() if one.table != "records_client"]
    assert by_key == []


@pytest.mark.parametrize(
    ("changes", "status", "field"),
    [
        ({"source": ""}, 422, "corrections[0].source"),
        ({"source": "   "}, 422, "corrections[0].source"),
        ({"source": "x" * 161}, 422, "corrections[0].source"),
        ({"status": "final"}, 422, "corrections[0].status"),
        ({"feature": "potassium"}, 422, "corrections[0].feature"),
        ({"value": None}, 422, "corrections[0].value"),
        ({"value": "much"}, 422, "corrections[0].value"),
        ({"feature": "sex", "value": "unknowable"}, 422, "corrections[0].value"),
        ({"status": "entered-in-error"}, 422, "corrections[0].value"),
        ({"patient": "Ann"}, 422, "corrections[0].patient"),
        ({"value": {"unit": "mmol/L"}}, 422, "corrections[0].value.value"),
        ({"value": LACTATE_4 | {"comparator": "<"}}, 422, "corrections[0].value.comparator"),
        ({"feature": "sex", "value": {"value": "x"}}, 422, "corrections[0].value"),
        ({"feature": "sex", "value": {"value": "male", "unit": "1"}}, 422, "corrections[0].value"),
        ({"status": "entered-in-error", "value": LACTATE_4}, 422, "corrections[0].value"),
    ],
)
def test_what_can_not_be_understood_is_refused_whole(service, changes, status, field):
    good = {
        "source": "Observation/1",
        "status": "corrected",
        "feature": "lactate",
        "value": LACTATE_4,
    }
    answer = service.client("correct").post(PATH, json=body({**good, **changes}, good))
    assert (answer.status_code, answer.json()["field"]) == (status, field)
    assert reported() == []


@pytest.mark.parametrize(
    ("reading", "reason"),
    [
        ({"unit": None}, "no_unit"),
        ({"unit": "bushel"}, "unknown_unit"),
        ({"unit": "mL"}, "unit_not_convertible"),
        ({"value": 4000}, "implausible"),
        ({"value": "4"}, "text_value"),
        ({"time": "2026-03-02T08:00:00"}, "no_timezone"),
        ({"time": "2026-03-02"}, "wrong_type"),
        ({"time": "2026-03-02T10:15:01Z"}, "in_the_future"),
        ({"time": "1066-03-02T10:15:01Z"}, "bad_time"),
    ],
)
def test_a_reading_that_no_prediction_would_take_is_refused_by_its_reason(service, reading, reason):
    value = LACTATE_4 | {"time": "2026-03-02T08:00:00Z"} | reading
    one = {"source": "Observation/o1", "status": "corrected", "feature": "lactate", "value": value}
    problem = service.client("correct").post(PATH, json=body(one)).json()
    assert (problem["status"], problem["reason"]) == (422, reason)
    assert problem["field"].startswith("corrections[0].value")
    assert reported() == []


def test_a_reading_is_known_again_by_its_time_too(any_service):
    from records.agreement import disagreements
    from records.models import SourceCorrection

    client = any_service.client("correct")
    recorded = []
    for time in ("08:00:00Z", "09:00:00+01:00", "09:00:00Z", None):
        value = LACTATE_4 | ({} if time is None else {"time": f"2026-03-02T{time}"})
        one = {"source": "Observation/o1", "status": "corrected"}
        one |= {"feature": "lactate", "value": value}
        any_service.now += timedelta(minutes=1)
        recorded.append(client.post(PATH, json=body(one)).json()["recorded"])
    assert recorded == [1, 0, 1, 1]
    assert [one for one in disagreements() if one.table != "records_client"] == []
    SourceCorrection.objects.filter(taken_at=None).update(taken_at=NOW)
    (found, *_) = [one for one in disagreements() if one.table != "records_client"]
    assert found.table == "records_sourcecorrection"


@pytest.mark.parametrize(
    ("second", "field"),
    [
        ({"status": "entered-in-error"}, "corrections[1].status"),
        ({"status": "corrected", "feature": "lactate", "value": LACTATE_5}, "corrections[1].value"),
        (
            {
                "status": "corrected",
                "feature": "lactate",
                "value": LACTATE_4 | {"time": "2026-03-02T08:00:00Z"},
            },
            "corrections[1].value",
        ),
    ],
)
def test_reports_that_contradict_each_other_are_refused_whole(service, second, field):
    first = {"status": "corrected", "feature": "lactate", "value": LACTATE_4}
    client = service.client("correct")
    source = {"source": "Observation/o1"}
    refused = client.post(PATH, json=body(source | first, source | second))
    assert refused.status_code == 422
    assert (refused.json()["field"], refused.json()["reason"]) == (field, "contradictory")
    assert reported() == []
    assert client.post(PATH, json=body(source | first, source | first)).status_code == 201


def test_another_model_too_many_and_a_test_client_are_refused(service):
    client, one = service.client("correct"), {"source": "O/1", "status": "entered-in-error"}
    assert client.post(PATH, json=body(one, model="unknown")).status_code == 404
    empty = client.post(PATH, json=body())
    assert (empty.status_code, empty.json()["field"]) == (422, "corrections")
    assert client.post(PATH, json=body(*[one] * 1001)).status_code == 413
    test = service.client("correct", is_test=True)
    assert test.post(PATH, json=body(one)).status_code == 403
    assert test.post(FHIR, json=bundle(observation())).status_code == 403
    assert reported() == []


def test_observations_are_reported_by_feature_in_the_definitions_unit(service):
    client = service.client("correct")
    milligrams = {"value": 18.016, "system": "http://unitsofmeasure.org", "code": "mg/dL"}
    sent = bundle(
        observation(id="a"),
        observation(id="b", status="amended", valueQuantity=milligrams),
        observation(id="c", status="entered-in-error", valueQuantity=None),
        observation(id="d", subject={"reference": "Patient/another"}),
        observation(id="e", code={"coding": [{"system": "http://loinc.org", "code": "0-0"}]}),
        observation(id="f", valueQuantity=None),
    )
    answer = client.post(FHIR, json=sent)
    assert answer.status_code == 201, answer.text
    Parameters.model_validate_json(answer.content)
    given = answer.json()["parameter"]
    counts = {one["name"]: one["valueInteger"] for one in given if "valueInteger" in one}
    assert counts == {
        "observations": 6,
        "recorded": 6,
        "known": 0,
        "predictions": 0,
        "byIdOnly": 0,
    }
    unused = [one["valueString"] for one in given if one["name"] == "unused"]
    assert sorted(unused) == [f"Observation/{name}" for name in "abcdef"]
    value = LACTATE["valueQuantity"]["value"]
    found = {one.source.removeprefix("Observation/"): one for one in reported()}
    assert found["a"] == Correction("Observation/a", "corrected", "lactate", value)
    assert found["b"].value == pytest.approx(2.0, rel=1e-3)
    assert found["c"] == Correction("Observation/c", "entered-in-error", "lactate")
    assert found["d"].feature == "lactate"
    for alone in "ef":
        assert found[alone] == Correction(f"Observation/{alone}", "corrected")
    again = client.post(FHIR, json=sent).json()["parameter"]
    assert [one["valueInteger"] for one in again[:3]] == [6, 0, 6]


@pytest.mark.parametrize(
    ("sent", "reason"),
    [
        (bundle(), "missing_field"),
        (bundle(observation(status="final")), "unknown_status"),
        (bundle(observation(), observation(id="x", status=None)), "unknown_status"),
        (bundle(observation(id=None)), "missing_field"),
        (bundle(observation(id="x" * 161)), "missing_field"),
        (bundle(observation(), observation(status="entered-in-error")), "undecided_version"),
        (bundle(observation(valueQuantity=None, valueInteger=2 * 10**400)), "not_finite"),
        (LACTATE, "bundle_type"),
    ],
)
def test_a_bundle_of_anything_else_is_refused_whole(service, sent, reason):
    answer = service.client("correct").post(FHIR, json=sent)
    assert answer.status_code == 422
    (issue,) = answer.json()["issue"]
    assert issue["diagnostics"].endswith(reason)
    assert "No risk was calculated" not in answer.text
    assert reported() == []


def quantity(**changes: Any) -> dict[str, Any]:
    changed = {**LACTATE["valueQuantity"], **changes}
    return {name: value for name, value in changed.items() if value is not None}


LOINC = "http://loinc.org"
OF_TWO = {"coding": [{"system": LOINC, "code": code} for code in ("2524-7", "2160-0")]}
PART = {"code": LACTATE["code"], "valueQuantity": quantity()}


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"focus": [{"reference": "Patient/donor"}]}, "other_focus"),
        ({"code": OF_TWO}, "contradictory_code"),
        ({"valueQuantity": quantity(comparator="<")}, "censored"),
        ({"valueQuantity": quantity(unit=None, code=None)}, "no_unit"),
        ({"valueQuantity": quantity(code="bushel")}, "unknown_unit"),
        ({"valueQuantity": quantity(code="mL")}, "unit_not_convertible"),
        ({"valueQuantity": quantity(system="urn:oid:1.2.3")}, "unit_system"),
        ({"valueQuantity": quantity(value=3e9)}, "implausible"),
        ({"valueQuantity": None, "valueString": "high"}, "text_value"),
        ({"modifierExtension": [{"url": "urn:x"}]}, "unknown_modifier"),
        ({"effectiveDateTime": None}, "undated"),
        ({"effectiveDateTime": "2026-03-02"}, "partial_time"),
        ({"effectiveDateTime": "2026-03-02T10:15:01Z"}, "in_the_future"),
        (
            {"component": [PART, {**PART, "valueQuantity": quantity(value=9.0)}]},
            "contradictory_value",
        ),
        (
            {
                "valueQuantity": None,
                "component": [PART, {**PART, "valueQuantity": quantity(value=9.0)}],
            },
            "contradictory",
        ),
    ],
)
def test_an_observation_that_no_prediction_would_take_is_refused_alike(service, changes, reason):
    client = service.client(*SCOPES)
    answer = client.post(FHIR, json=bundle(observation(id="good"), observation(**changes)))
    assert answer.status_code == 422, answer.text
    (issue,) = answer.json()["issue"]
    (place, said) = issue["diagnostics"].split(": ")
    assert (place.removesuffix(".value"), said) == ("Bundle.entry[1].resource", reason)
    assert "Bundle.entry[1].resource" in issue["details"]["text"]
    assert reported() == []
    if reason not in ("contradictory", "contradictory_value"):
        alone = copy.deepcopy(BUNDLE)
        alone["entry"][1]["resource"] = observation(**changes)
        refused = client.post(f"{BASE}/$predict?model={NAME}", json=alone)
        assert refused.json()["issue"][0]["diagnostics"].endswith(reason), refused.text


@pytest.mark.parametrize(
    "changes",
    [
        {"focus": [{"reference": "Patient/donor"}]},
        {"code": OF_TWO},
        {"valueQuantity": quantity(comparator="<")},
        {"effectiveDateTime": None},
    ],
)
def test_what_was_entered_in_error_needs_no_usable_value(service, changes):
    sent = bundle(observation(**changes, status="entered-in-error"))
    assert service.client("correct").post(FHIR, json=sent).status_code == 201
    assert {one.status for one in reported()} == {"entered-in-error"}


def test_a_corrected_value_may_be_of_before_the_look_back(service):
    sent = bundle(observation(effectiveDateTime="2024-03-02T10:15:00Z"))
    assert service.client("correct").post(FHIR, json=sent).status_code == 201
    assert reported()[0].value == LACTATE["valueQuantity"]["value"]


def test_a_corrected_value_that_is_taken_but_doubtful_is_said(service):
    sent = bundle(observation(valueQuantity=quantity(unit="mg/dL")), observation(id="b"))
    answer = service.client("correct").post(FHIR, json=sent)
    assert answer.status_code == 201, answer.text
    Parameters.model_validate_json(answer.content)
    given = answer.json()["parameter"]
    (words,) = [one["valueString"] for one in given if one["name"] == "flagged"]
    assert words.startswith(f"Observation/{LACTATE['id']}: Lactate in blood: ")
    assert "mg/dL" in words
    assert len(reported()) == 2


def test_what_used_another_version_of_the_result_is_withdrawn_and_the_right_one_stays(
    any_service, model
):
    from records.models import Amendment

    client = any_service.client(*SCOPES)
    wrong = predict(client, versioned("1", 2.1))
    right = predict(client, versioned("2", 3.3, "corrected"))
    other = copy.deepcopy(BUNDLE)
    other["entry"][1]["resource"]["id"] += "0"
    other["entry"][1]["fullUrl"] += "0"
    unrelated = predict(client, other)
    report = bundle(versioned("2", 3.3, "corrected")["entry"][1]["resource"])
    assert client.post(FHIR, json=report).status_code == 201
    assert list_affected(model, NOW).predictions == 1
    (withdrawn,) = Amendment.objects.all()
    assert (str(withdrawn.prediction_id), withdrawn.status) == (wrong["id"], "entered-in-error")
    assert str(withdrawn.prediction_id) not in (right["id"], unrelated["id"])


def test_what_was_withdrawn_reads_so(service, ehr, model):
    answered = predict(ehr)
    ehr.post(FHIR, json=bundle(observation(status="entered-in-error")))
    list_affected(model, NOW)
    read = ehr.get(f"{BASE}/{answered['id']}").json()
    assert read["status"] == "entered-in-error"
    assert "probabilityDecimal" not in str(read)


def on_server(address: str, name: str = "o1") -> dict[str, Any]:
    """The prediction's Bundle with a lactate of this server; an empty one states none."""
    found = copy.deepcopy(BUNDLE)
    found["entry"][1]["resource"]["id"] = name
    del found["entry"][1]["fullUrl"]
    if address:
        found["entry"][1]["fullUrl"] = f"{address}/Observation/{name}"
        # the patient is of the server that the Patient's own address states
        found["entry"][1]["resource"]["subject"] = {"reference": found["entry"][0]["fullUrl"]}
    return found


def wrong(source: str) -> dict[str, Any]:
    return body({"source": source, "status": "entered-in-error"})


A, B = "https://a.example.org/fhir", "https://b.example.org/fhir"


def test_the_same_id_on_another_server_is_another_result(any_service, model):
    from records.models import Amendment

    client = any_service.client(*SCOPES)
    ours = predict(client, on_server(A))
    predict(client, on_server(B))
    told = client.post(PATH, json=wrong(f"{A}/Observation/o1")).json()["sources"]
    assert told == [{"source": f"{A}/Observation/o1", "predictions": 1, "by_id_only": 0}]
    assert list_affected(model, NOW).predictions == 1
    (withdrawn,) = Amendment.objects.all()
    assert str(withdrawn.prediction_id) == ours["id"]


def test_an_id_of_several_servers_is_not_taken_without_one(any_service):
    client = any_service.client(*SCOPES)
    for server in (A, B):
        predict(client, on_server(server))
    for path, sent in (
        (PATH, wrong("Observation/o1")),
        (FHIR, bundle(observation(id="o1", status="entered-in-error"))),
    ):
        answer = client.post(path, json=sent)
        assert answer.status_code == 422
        assert "ambiguous_source" in answer.text
        assert f"{A}, {B}" in answer.text
    assert reported() == []


@pytest.mark.parametrize(("sent", "told"), [(A, ""), ("", A), ("", "")])
def test_what_is_known_by_its_id_only_is_said_and_withdrawn(service, model, sent, told):
    client = service.client(*SCOPES)
    made = predict(client, on_server(sent))
    predict(client, on_server(sent, "o1x"))
    source = f"{told}/Observation/o1".removeprefix("/")
    (use,) = client.post(PATH, json=wrong(source)).json()["sources"]
    assert use == {"source": source, "predictions": 1, "by_id_only": 1}
    report = on_server(told)["entry"][1]
    report["resource"]["status"] = "entered-in-error"
    fhir = client.post(FHIR, json={**bundle(), "entry": [report]}).json()["parameter"]
    assert {"name": "byIdOnly", "valueInteger": 1} in fhir
    list_affected(model, NOW)
    assert client.get(f"{BASE}/{made['id']}").json()["status"] == "entered-in-error"


def test_a_source_is_counted_in_all_of_its_versions_whichever_is_named(service):
    client = service.client(*SCOPES)
    for version in "12":
        predict(client, versioned(version, 2.1))
    address = "https://ehr.example.org/fhir/Observation/o1"
    sent = body(
        {"source": address, "status": "entered-in-error"},
        {"source": f"{address}/_history/2", "status": "entered-in-error"},
        {"source": f"{address}9", "status": "entered-in-error"},
    )
    told = client.post(PATH, json=sent).json()["sources"]
    assert [(one["source"], one["predictions"]) for one in told] == [
        (address, 2),
        (f"{address}9", 0),
    ]


def test_a_version_that_corrects_a_result_is_later_than_the_one_that_was_used(service):
    client = service.client(*SCOPES)
    predict(client, versioned("1", 2.1))
    later = "https://ehr.example.org/fhir/Observation/o1/_history/2"
    told = client.post(PATH, json=body({"source": later, "status": "entered-in-error"})).json()
    assert [one["predictions"] for one in told["sources"]] == [1]


def test_what_takes_too_long_to_count_is_recorded_all_the_same(serve, sqlite_db):
    predict(serve(sqlite_db).client(*SCOPES))
    client = serve(sqlite_db.model_copy(update={"request_timeout_s": 1e-9})).client("correct")
    answer = client.post(PATH, json=wrong("Observation/1")).json()
    assert (answer["recorded"], answer["sources"]) == (1, None)
    sent = bundle(observation(id="2"))
    names = [one["name"] for one in client.post(FHIR, json=sent).json()["parameter"]]
    assert names == ["observations", "recorded", "known"]


def test_the_operation_describes_itself(ehr):
    answer = ehr.get("/fhir/OperationDefinition/report-corrected")
    OperationDefinition.model_validate_json(answer.content)
    (stated,) = [
        one
        for one in ehr.get("/fhir/metadata").json()["rest"][0]["resource"]
        if one["type"] == "Observation"
    ]
    assert stated["operation"][0]["definition"] == answer.json()["url"]


@pytest.mark.parametrize(
    ("feature", "value", "reason"),
    [
        ("lactate", 4.0, "no_unit"),
        ("lactate", {"value": 4.0}, "no_unit"),
        ("lactate", {"value": 1e300, "unit": "mmol/L"}, "implausible"),
        ("lactate", {"value": -3, "unit": "mmol/L"}, "implausible"),
        ("lactate", {"value": 4.0, "unit": "bushel"}, "unknown_unit"),
        ("age", 77.5, "not_whole"),
    ],
)
def test_a_value_that_no_prediction_would_take_is_refused_alike(service, feature, value, reason):
    report = {"source": "O/1", "status": "corrected", "feature": feature, "value": value}
    answer = service.client("correct").post(PATH, json=body(report))
    assert answer.status_code == 422
    assert (answer.json()["field"], answer.json()["reason"]) == ("corrections[0].value", reason)
    assert reported() == []


def test_a_corrected_number_is_kept_in_the_definitions_unit(service):
    milligrams = {"value": 18.016, "unit": "mg/dL"}
    report = {"source": "O/1", "status": "corrected", "feature": "lactate", "value": milligrams}
    assert service.client("correct").post(PATH, json=body(report)).status_code == 201
    (kept,) = reported()
    assert kept.value == pytest.approx(2.0, rel=1e-3)
