"""A definition says of which system its categories are codes, and no other system's are taken."""

import copy
from pathlib import Path
from typing import Any

import httpx
import pytest

from records.clients import SCOPES
from tests.factories import DEFINITION, NAME, VALUES
from tests.serving.faults.requests import as_hook, good_bundle
from tests.serving.hooks import PATH
from tests.serving.shipped import fit_definition

OURS = "https://hospital.example.org/wards"
OTHER = "https://another.example.org/wards"
ROUTINE = {"system": "urn:ours", "code": "ward"}
WARD = f'''name = "ward"
codes = [{{ system = "{ROUTINE["system"]}", code = "{ROUTINE["code"]}" }}]
category_systems = ["{OURS}", "urn:oid:1.2.3"]'''


@pytest.fixture
def ehr(serve, sqlite_db, tmp_path: Path) -> httpx.Client:
    source = tmp_path / "source" / "model.toml"
    source.parent.mkdir()
    text = DEFINITION.replace("STATUS", "demonstration").replace('name = "ward"', WARD, 1)
    source.write_text(text)
    source.with_name("card.md").write_text("# Made up\n\nFor tests only.\n")
    model = fit_definition(source, tmp_path / "fitted")
    return serve(sqlite_db, model).client(*SCOPES)


def on_ward(*codings: dict[str, str], **more: Any) -> dict[str, Any]:
    """The good Bundle with an Observation of the ward in it."""
    bundle = good_bundle()
    ward = copy.deepcopy(bundle["entry"][1])
    del ward["resource"]["valueQuantity"]
    ward["resource"] |= {
        "id": "ward-1",
        "code": {"coding": [ROUTINE]},
        "valueCodeableConcept": {"coding": list(codings), **more},
    }
    ward.pop("fullUrl", None)
    bundle["entry"].append(ward)
    return bundle


def of_fhir(ehr: httpx.Client, bundle: dict[str, Any]) -> httpx.Response:
    return ehr.post(f"/fhir/RiskAssessment/$predict?model={NAME}", json=bundle)


def of_hooks(ehr: httpx.Client, bundle: dict[str, Any]) -> httpx.Response:
    request = as_hook({**bundle, "entry": bundle["entry"][:-1]})
    prefetch = {"resourceType": "Bundle", "type": "searchset", "entry": bundle["entry"][-1:]}
    (service,) = ehr.get("/cds-services").json()["services"][:1]
    (key,) = (one for one in service["prefetch"] if one.startswith("ward"))
    request["prefetch"][key] = prefetch
    return ehr.post(PATH, json=request)


TAKEN = [
    ({"system": OURS, "code": "surgery"},),
    ({"system": "urn:oid:1.2.3", "code": "surgery"},),
    ({"system": OTHER, "code": "geriatrics"}, {"system": OURS, "code": "surgery"}),
    (
        {"system": "http://snomed.info/sct", "code": "225747005"},
        {"system": OURS, "code": "surgery"},
    ),
]
FOREIGN = [
    ({"system": OTHER, "code": "surgery"},),
    ({"code": "surgery"},),
    ({"system": OURS + "/", "code": "surgery"},),
    ({"system": OTHER, "code": "surgery"}, {"system": "urn:x", "code": "surgery"}),
]


@pytest.mark.parametrize("codings", TAKEN)
def test_a_code_of_a_named_system_is_taken_beside_its_translations(ehr, codings):
    from records.models import Prediction

    assert of_fhir(ehr, on_ward(*codings)).status_code == 200
    assert of_hooks(ehr, on_ward(*codings)).json()["cards"] is not None
    assert [row.features["ward"] for row in Prediction.objects.all()] == ["surgery"] * 2


@pytest.mark.parametrize("codings", FOREIGN)
def test_the_same_code_of_another_system_is_refused_by_name(ehr, codings):
    from records.models import Prediction, Refusal

    refused = of_fhir(ehr, on_ward(*codings, text="surgery"))
    assert refused.status_code == 422
    (issue,) = refused.json()["issue"]
    assert issue["diagnostics"] == "ward: category_system"
    said = "Ward: the category isn't coded in a system in which it has a code"
    assert f"{said}; give a code of {OURS} or" in issue["details"]["text"]
    (card,) = of_hooks(ehr, on_ward(*codings)).json()["cards"]
    assert "Risk not calculated" in card["detail"]
    assert Prediction.objects.count() == 0
    assert [one.reason for one in Refusal.objects.all()] == ["category_system"] * 2


@pytest.mark.parametrize(
    "value",
    [
        {"valueCodeableConcept": {"text": "surgery"}},
        {"valueCodeableConcept": {"coding": [{"system": OURS}], "text": "surgery"}},
        {"valueString": "surgery"},
    ],
)
def test_a_text_is_no_code_even_where_it_is_spelt_as_one(ehr, value):
    from records.models import Prediction, Refusal

    sent = on_ward()
    del sent["entry"][-1]["resource"]["valueCodeableConcept"]
    sent["entry"][-1]["resource"] |= value
    refused = of_fhir(ehr, sent)
    assert refused.status_code == 422
    assert refused.json()["issue"][0]["diagnostics"] == "ward: category_system"
    (card,) = of_hooks(ehr, sent).json()["cards"]
    assert "isn't coded in a system in which it has a code" in card["detail"]
    assert Prediction.objects.count() == 0
    assert [one.reason for one in Refusal.objects.all()] == ["category_system"] * 2


def test_a_corrected_category_of_another_system_is_refused_too(ehr):
    from records.models import SourceCorrection

    sent = on_ward({"system": OTHER, "code": "surgery"})
    ward = {"resource": {**sent["entry"][-1]["resource"], "status": "corrected"}}
    bundle = {"resourceType": "Bundle", "type": "collection", "entry": [ward]}
    refused = ehr.post("/fhir/Observation/$report-corrected", json=bundle)
    assert refused.status_code == 422
    assert refused.json()["issue"][0]["diagnostics"].endswith("category_system")
    assert SourceCorrection.objects.count() == 0


def test_json_takes_the_key_and_its_schema_says_whose_code_that_is(ehr):
    answer = ehr.post(f"/v1/models/{NAME}/predict", json={"values": VALUES})
    assert answer.status_code == 200, answer.text
    described = ehr.get(f"/v1/models/{NAME}").json()["input"]["$defs"]
    values = described[f"{NAME}_values"]["properties"]
    assert f"a code of {OURS} or urn:oid:1.2.3" in values["ward"]["description"]
    assert "a code of" not in values["sex"]["description"]
