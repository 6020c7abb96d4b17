"""The ward, and the codes of values, are recorded in whatever protocol a request comes."""

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from models.readings import Finding, Reading
from models.risk_model import RiskModel
from records.clients import SCOPES
from records.settings import Settings
from serving.cds_hooks.cards import CardForm
from serving.prediction import Prediction
from tests.factories import BUNDLE, DEFINITION, NAME, NOW, VALUES, make_artefact
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


@pytest.mark.parametrize("site", ["", "a b", "north\n", "\nnorth", "nörd", "x" * 65])
def test_a_site_that_is_none_is_refused_in_every_protocol(placed, site):
    by_json = placed.post(f"/v1/models/{NAME}/predict", json={"values": VALUES, "site": site})
    assert (by_json.status_code, by_json.json()["field"]) == (422, "site")
    by_fhir = placed.post(FHIR, json=parameters(BUNDLE, site=site))
    assert by_fhir.status_code == 422
    assert by_fhir.json()["issue"][0]["diagnostics"].startswith("site: ")
    assert not read_predictions()


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


def unread(card: dict[str, Any]) -> str:
    """What card and record say of an Encounter that wasn't read; both say the same."""
    (row,) = read_predictions()
    assert row.ward == ""
    found = [one for one in row.findings if one["reason"] == "encounter_unread"]
    (words,) = [one["words"] for one in found] or [""]
    assert words in card["detail"]
    assert bool(words) == ("isn't recorded" in card["detail"])
    return words


def test_the_ward_of_another_encounter_than_the_one_in_view_is_not_taken_and_that_is_said(placed):
    card = card_of(placed.post(HOOK, json=hook({**encounter("7B"), "id": "e2"})))
    assert "as encounter is another than context.encounterId" in unread(card)


def test_an_encounter_with_all_that_real_ones_have_names_the_ward(placed):
    coded = [{"coding": [{"system": "http://snomed.info/sct", "code": "32485007"}]}]
    link = {"hospitalization": {"dischargeDisposition": coded[0]}, "total": 1}
    stay = encounter("7B", type=coded, priority=coded[0], **{"class": {"code": "IMP"}}, **link)
    card_of(placed.post(HOOK, json=hook(stay)))
    assert kept()[0] == "7B"


LOCATION = {"resourceType": "Location", "id": "l1", "name": "ICU"}


@pytest.mark.parametrize(
    "found",
    [
        searchset(encounter("7B")),
        searchset(encounter("7B"), total=1),
        searchset(encounter("ICU", id="e2"), encounter("7B"), encounter("W9", id="e3")),
        # of the one that is asked for there may be no other on the next page
        searchset(encounter("7B"), link=[{"relation": "next", "url": "https://x.example.org/2"}]),
        searchset(LOCATION, encounter("7B")),
        {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": encounter("7B")}]},
    ],
)
def test_the_encounter_in_view_is_read_from_a_search_that_found_it(placed, found):
    card_of(placed.post(HOOK, json=hook(found)))
    assert kept()[0] == "7B"


def test_the_one_encounter_of_a_search_is_that_of_a_context_that_names_none(placed):
    request = hook(searchset(encounter("7B")))
    del request["context"]["encounterId"]
    card_of(placed.post(HOOK, json=request))
    assert kept()[0] == "7B"


@pytest.mark.parametrize("names_one", [True, False])
@pytest.mark.parametrize(
    ("found", "why"),
    [
        (searchset(encounter("7B"), encounter("7B")), "holds several Encounters"),
        ({"resourceType": "Bundle", "type": "history"}, "no Bundle of the type searchset"),
        (searchset(encounter("7B"), implicitRules="urn:x"), "carries implicitRules"),
        (searchset({"resourceType": "OperationOutcome", "issue": []}), "an OperationOutcome"),
        (searchset(searchset(encounter("7B"))), "has a Bundle as an entry"),
        (searchset(total=3), "is only the first page"),
        ({"resourceType": "OperationOutcome", "issue": []}, "is an OperationOutcome"),
        ({"resourceType": "X"}, "is no Encounter"),
        ({"resourceType": "Bundle", "type": "searchset", "entry": 7}, "can't be read"),
        ({**encounter("7B"), "id": 7}, "can't be read"),
        (7, "can't be read"),
        (encounter("7B", location="x"), "can't be read"),
        (encounter("7B", period={"start": "yesterday"}), "can't be read"),
        (encounter("7B", implicitRules="urn:x"), "isn't known here"),
        (encounter("7B", modifierExtension=[{"url": "urn:x"}]), "isn't known here"),
        (
            encounter("7B", location=[{"modifierExtension": [{"url": "urn:x"}]}]),
            "has a location that carries",
        ),
        (encounter("7B", status="entered-in-error"), "was entered in error"),
        (encounter("7B", status="bogus"), "has no status that FHIR R4 knows"),
        (encounter("7B", status=None), "has no status that FHIR R4 knows"),
        (encounter("7B", subject=None), "doesn't say whose it is"),
        (encounter("7B", subject={"display": "x"}), "doesn't say whose it is"),
        (encounter("7B", subject={"reference": "Group/p1"}), "doesn't say whose it is"),
    ],
)
def test_an_encounter_that_is_not_read_is_named_with_the_reason(placed, found, why, names_one):
    request = hook(found)
    if not names_one:
        del request["context"]["encounterId"]
    assert why in unread(card_of(placed.post(HOOK, json=request)))


def test_an_encounter_without_an_id_is_not_said_to_be_another(placed):
    nameless = encounter("7B")
    del nameless["id"]
    assert "has no id" in unread(card_of(placed.post(HOOK, json=hook(nameless))))


@pytest.mark.parametrize("status", ["planned", "in-progress", "finished", "cancelled", "unknown"])
def test_an_encounter_that_says_where_the_patient_is_not_is_read(placed, status):
    card = card_of(placed.post(HOOK, json=hook(encounter("7B", status=status))))
    assert "isn't recorded" not in card["detail"]
    assert kept()[0] == ("7B" if status == "in-progress" else "")


def test_of_several_encounters_none_is_taken_where_the_context_names_none(placed):
    for more in ({"total": 2}, {"link": [{"relation": "next", "url": "https://x.example.org/2"}]}):
        request = hook(searchset(encounter("7B"), **more))
        del request["context"]["encounterId"]
        assert placed.post(HOOK, json=request).status_code == 200
    request = hook(searchset(encounter("7B"), encounter("ICU", id="e2")))
    del request["context"]["encounterId"]
    assert placed.post(HOOK, json=request).status_code == 200
    rows = read_predictions()
    assert [row.ward for row in rows] == [""] * 3
    said = [one["words"] for row in rows for one in row.findings if one["feature"] == "encounter"]
    assert ["first page" in one for one in said] == [True, True, False]


def test_an_unread_encounter_is_no_reason_for_a_card(placed_model):
    about = placed_model.definition.cds_hooks
    assert about is not None
    calm = {
        "age": 30.0,
        "sex": (Reading("female"),),
        "ward": (Reading("surgery"),),
        "lactate": (Reading(0.8, "mmol/L"),),
        "creatinine": 0.9,
    }
    risk = placed_model.assess(calm, NOW)
    assert risk.band.name == "low"
    unread = Finding("encounter", "flagged", "encounter_unread", "not read")
    cards = CardForm(placed_model, about)

    def shown(*findings: Finding) -> list[dict[str, Any]]:
        prediction = Prediction(uuid4(), placed_model, risk, findings, NOW, NOW)
        return cards.risk_cards(prediction, None)

    assert shown(unread) == []
    (card,) = shown(unread, Finding("lactate", "flagged", "censored", "odd"))
    assert "not read" in card["detail"]


def test_a_hook_with_the_encounter_names_the_ward_and_the_codes(placed):
    services = placed.get("/cds-services").json()["services"]
    assert services[0]["prefetch"]["encounter"] == "Encounter/{{context.encounterId}}"
    card_of(placed.post(HOOK, json=hook(encounter("7B"), "14682-9")))
    assert kept() == ("7B", {"creatinine": "14682-9"})


@pytest.mark.parametrize("stay", [..., None, searchset(), searchset(total=0)])
def test_a_hook_does_without_the_encounter_and_reads_nothing_for_it(placed, stay):
    card = card_of(placed.post(HOOK, json=hook(stay)))
    assert kept() == ("", {"creatinine": "2160-0"})
    assert unread(card) == ""


def test_a_hook_that_asks_for_no_encounter_reads_none(ehr, recorded):
    assert "encounter" not in ehr.get("/cds-services").json()["services"][0]["prefetch"]
    request = hook_request()
    request["prefetch"]["encounter"] = encounter("7B")
    card_of(ehr.post(HOOK, json=request))
    assert recorded()[0].ward == ""


FOREIGN = {"subject": {"reference": "Patient/p2"}}


@pytest.mark.parametrize(
    "stay",
    [
        encounter("7B", **FOREIGN),
        encounter("7B", id="e2", **FOREIGN),
        encounter("7B", location="x", **FOREIGN),
        encounter("7B", status="bogus", **FOREIGN),
        searchset(encounter("7B"), encounter("ICU", id="e2", **FOREIGN)),
        searchset(encounter("ICU", id="e2", **FOREIGN), encounter("7B")),
        searchset(encounter("7B"), encounter("ICU", **FOREIGN)),
    ],
)
def test_a_hook_with_an_encounter_of_somebody_else_gets_no_score(placed, stay):
    """FHIR-10."""
    card = card_of(placed.post(HOOK, json=hook(stay)))
    assert card["summary"].startswith("Risk not calculated")
    assert "prefetch.encounter.subject is of another patient" in card["detail"]
    assert not read_predictions()
