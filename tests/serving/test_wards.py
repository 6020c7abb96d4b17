"""The ward, and the codes of values, are recorded in whatever protocol a request comes."""

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from models.risk_model import RiskModel
from records.clients import SCOPES
from records.settings import Settings
from tests.factories import BUNDLE, DEFINITION, NAME, VALUES, make_artefact
from tests.serving.conftest import read_predictions
from tests.serving.hooks import PATH as HOOK
from tests.serving.hooks import card_of, hook_request, searchset

FHIR = "/fhir/RiskAssessment/$predict"
LACTATE, CREATININE = (entry["resource"] for entry in BUNDLE["entry"][1:])
CANARY = "Jane Doe"


@pytest.fixture(scope="module")
def placed_model(tmp_path_factory: pytest.TempPathFactory) -> RiskModel:
    """The made-up model, whose creatinine has several codes and whose hook asks for the stay."""
    text = DEFINITION.replace('["2160-0"]', '["2160-0", "14682-9"]').replace(
        'card_from = "high"', 'card_from = "high"\nprefetch_encounter = true'
    )
    directory: Path = tmp_path_factory.mktemp("artefact") / NAME
    return make_artefact(directory, definition_text=text)


@pytest.fixture
def placed(serve: Callable[..., Any], sqlite_db: Settings, placed_model: RiskModel) -> httpx.Client:
    """A client of that model that may do everything."""
    client: httpx.Client = serve(sqlite_db, placed_model).client(*SCOPES)
    return client


def encounter(name: str, **more: Any) -> dict[str, Any]:
    return {
        "resourceType": "Encounter",
        "id": "e1",
        "status": "in-progress",
        "subject": {"reference": "Patient/p1"},
        "location": [{"location": {"display": name}}],
        **more,
    }


def with_encounter(stay: Any) -> dict[str, Any]:
    bundle = copy.deepcopy(BUNDLE)
    bundle["entry"].append({"fullUrl": "https://ehr.example.org/fhir/Encounter/e1"})
    bundle["entry"][-1]["resource"] = stay
    return bundle


def parameters(bundle: dict[str, Any], **more: str) -> dict[str, Any]:
    given = [{"name": "model", "valueCode": NAME}, {"name": "bundle", "resource": bundle}]
    given += [{"name": name, "valueString": text} for name, text in more.items()]
    return {"resourceType": "Parameters", "parameter": given}


def hook(stay: Any, creatinine: str = "2160-0") -> dict[str, Any]:
    request = hook_request()
    request["context"]["encounterId"] = "e1"
    result = copy.deepcopy(CREATININE)
    result["code"]["coding"][0]["code"] = creatinine
    request["prefetch"] |= {f"creatinine_{code}": searchset() for code in ("2160-0", "14682-9")}
    request["prefetch"][f"creatinine_{creatinine}"] = searchset(result)
    if stay is not ...:
        request["prefetch"]["encounter"] = stay
    return request


def kept() -> tuple[str, dict[str, str]]:
    (row,) = read_predictions()
    return row.ward, row.codes


def test_a_json_request_names_its_ward(ehr, recorded):
    body = {"values": VALUES, "site": "north", "ward": "Säuglinge: 2"}
    assert ehr.post(f"/v1/models/{NAME}/predict", json=body).status_code == 200
    (row,) = recorded()
    assert (row.site, row.ward, row.codes) == ("north", "Säuglinge: 2", {})


def test_a_json_request_need_not_name_one(ehr, recorded):
    assert ehr.post(f"/v1/models/{NAME}/predict", json={"values": VALUES}).status_code == 200
    assert recorded()[0].ward == ""


@pytest.mark.parametrize(
    ("ward", "said"),
    [
        ("", "has 0 characters; write 1 to 64"),
        ("x" * 65, "has 65 characters; write 1 to 64"),
        (" ", "a space at an end"),
        (f"{CANARY}7B\n", "a character that isn't printable"),
        ("7\u202eB", "a character that isn't printable"),
        ("\ufeff7B", "a character that isn't printable"),
    ],
)
def test_a_ward_that_is_none_is_refused_by_name_and_not_repeated(ehr, recorded, ward, said):
    alone = ehr.post(f"/v1/models/{NAME}/predict", json={"values": VALUES, "ward": ward})
    assert alone.status_code == 422
    problem = alone.json()
    assert (problem["field"], problem["reason"]) == ("ward", "bad_ward")
    assert said in problem["detail"]
    batch = {"requests": [{"values": VALUES, "ward": ward}]}
    answers = ehr.post(f"/v1/models/{NAME}/predict-batch", json=batch)
    (one,) = answers.json()["answers"]
    assert (one["refused"]["field"], one["refused"]["reason"]) == ("ward", "bad_ward")
    assert CANARY not in alone.text + answers.text
    assert not recorded()


@pytest.mark.parametrize("ward", [7, ["7B"], {"ward": "7B"}])
def test_a_ward_that_is_no_text_is_of_the_wrong_type(ehr, recorded, ward):
    problem = ehr.post(f"/v1/models/{NAME}/predict", json={"values": VALUES, "ward": ward}).json()
    assert (problem["status"], problem["field"], problem["reason"]) == (422, "ward", "wrong_type")
    assert not recorded()


def test_each_request_of_a_batch_has_its_ward(ehr, recorded):
    requests = [{"values": VALUES, "ward": ward} for ward in ("7B", "ICU", "7\tB")]
    answers = ehr.post(f"/v1/models/{NAME}/predict-batch", json={"requests": requests}).json()
    assert answers["answers"][2]["refused"]["reason"] == "bad_ward"
    assert sorted(row.ward for row in recorded()) == ["7B", "ICU"]


def test_the_ward_is_in_the_contract(ehr):
    schema = ehr.get(f"/v1/models/{NAME}").json()["input"]
    about = schema["$defs"][f"{NAME}_request"]["properties"]["ward"]["anyOf"][0]
    assert (about["minLength"], about["maxLength"]) == (1, 64)
    assert "printable" in about["description"]


def test_a_bundle_names_the_ward_and_the_codes(placed):
    bundle = with_encounter(encounter("7B"))
    assert placed.post(f"{FHIR}?model={NAME}", json=bundle).status_code == 200
    assert kept() == ("7B", {"creatinine": "2160-0"})


def test_the_parameter_comes_before_the_encounter(placed):
    body = parameters(with_encounter(encounter("7B")), ward="ICU 2", site="north")
    assert placed.post(FHIR, json=body).status_code == 200
    assert kept()[0] == "ICU 2"


@pytest.mark.parametrize(("more", "field"), [({"ward": "7\nB"}, "ward"), ({"site": "a b"}, "site")])
def test_a_parameter_that_names_no_place_is_refused(placed, more, field):
    response = placed.post(FHIR, json=parameters(BUNDLE, **more))
    assert response.status_code == 422
    assert response.json()["issue"][0]["diagnostics"].startswith(field)
    assert not read_predictions()


def test_an_encounter_whose_place_has_no_name_to_record_hinders_no_score(placed):
    response = placed.post(f"{FHIR}?model={NAME}", json=with_encounter(encounter(f"{CANARY}\n")))
    assert response.status_code == 200
    assert kept()[0] == ""


def test_malformed_parts_of_an_encounter_hinder_no_score_but_somebody_elses_is_refused(placed):
    address = f"{FHIR}?model={NAME}"
    for location in ("7B", [None], [{"location": {"display": {"a": 1}}}]):
        stay = {**encounter("7B"), "location": location}
        assert placed.post(address, json=with_encounter(stay)).status_code == 200
        foreign = {**stay, "subject": {"reference": "Patient/p2"}}
        refused = placed.post(address, json=with_encounter(foreign))
        assert (refused.status_code, "another" in refused.text) == (422, True)
    unreadable = {**encounter("7B"), "subject": "Patient/p1"}
    assert placed.post(address, json=with_encounter(unreadable)).status_code == 200
    assert [row.ward for row in read_predictions()] == [""] * 4


def test_the_ward_of_another_encounter_than_the_one_in_view_is_not_taken(placed):
    card_of(placed.post(HOOK, json=hook({**encounter("7B"), "id": "e2"})))
    assert kept()[0] == ""


def test_a_hook_with_the_encounter_names_the_ward_and_the_codes(placed):
    services = placed.get("/cds-services").json()["services"]
    assert services[0]["prefetch"]["encounter"] == "Encounter/{{context.encounterId}}"
    card_of(placed.post(HOOK, json=hook(encounter("7B"), "14682-9")))
    assert kept() == ("7B", {"creatinine": "14682-9"})


@pytest.mark.parametrize(
    "stay", [..., None, {"resourceType": "OperationOutcome", "issue": []}, {"resourceType": "X"}]
)
def test_a_hook_does_without_the_encounter_and_reads_nothing_for_it(placed, stay):
    card_of(placed.post(HOOK, json=hook(stay)))
    assert kept() == ("", {"creatinine": "2160-0"})


def test_a_hook_that_asks_for_no_encounter_reads_none(ehr, recorded):
    assert "encounter" not in ehr.get("/cds-services").json()["services"][0]["prefetch"]
    request = hook_request()
    request["prefetch"]["encounter"] = encounter("7B")
    card_of(ehr.post(HOOK, json=request))
    assert recorded()[0].ward == ""


def test_a_hook_with_an_encounter_of_somebody_else_gets_no_score(placed):
    stay = encounter("7B", subject={"reference": "Patient/p2"})
    card = card_of(placed.post(HOOK, json=hook(stay)))
    assert card["summary"].startswith("Risk not calculated")
    assert not read_predictions()
