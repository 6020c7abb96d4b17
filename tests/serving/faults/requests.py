"""One good request in three protocols, and how a fault is put into it."""

import copy
import json
from collections.abc import Callable
from typing import Any

from tests.factories import BUNDLE, NAME, VALUES
from tests.serving.hooks import CREATININE, LACTATE, PATH

Change = Callable[[Any], Any]
CODES = {"2524-7": LACTATE, "2160-0": CREATININE}
ADDRESSES = {
    "json": f"/v1/models/{NAME}/predict",
    "fhir": f"/fhir/RiskAssessment/$predict?model={NAME}",
    "cds-hooks": PATH,
}
UCUM = "http://unitsofmeasure.org"


def good_json() -> dict[str, Any]:
    """The good request in JSON; a ward has no code in FHIR, so it is missing everywhere."""
    creatinine = {"value": 1.4, "unit": "mg/dL", "time": "2026-03-01T08:00:00Z"}
    values = {name: VALUES[name] for name in ("age", "sex", "lactate")}
    return copy.deepcopy({"values": {**values, "creatinine": creatinine}})


def good_bundle() -> dict[str, Any]:
    """The good request as a FHIR Bundle: the patient, a lactate and a creatinine."""
    bundle = copy.deepcopy(BUNDLE)
    quantity = {"value": 1.4, "system": UCUM, "code": "mg/dL"}
    bundle["entry"][2]["resource"]["valueQuantity"] = quantity
    return bundle


def as_hook(bundle: dict[str, Any]) -> dict[str, Any]:
    """The same data as an EHR's prefetch would have them."""
    prefetch: dict[str, Any] = {"patient": None}
    for key in CODES.values():
        prefetch[key] = {"resourceType": "Bundle", "type": "searchset", "entry": []}
    for entry in bundle["entry"]:
        resource = entry["resource"]
        if resource["resourceType"] == "Patient":
            prefetch["patient"] = resource
            continue
        codings = resource.get("code", {}).get("coding", [{}])
        key = CODES.get(codings[0].get("code", ""), LACTATE)
        prefetch[key]["entry"].append(entry)
    return {
        "hook": "patient-view",
        "hookInstance": "d1577c69-dfbe-44ad-ba6d-3e05e953b2ea",
        "fhirServer": "https://ehr.example.org/fhir",
        "context": {"userId": "Practitioner/example", "patientId": "p1"},
        "prefetch": prefetch,
    }


GOOD: dict[str, Callable[[], Any]] = {
    "json": good_json,
    "fhir": good_bundle,
    "cds-hooks": lambda: as_hook(good_bundle()),
}


def body_of(protocol: str, change: Change | None) -> bytes:
    """The good request's bytes with one fault; a change may return text in the place of JSON.

    A FHIR fault is one for CDS Hooks too, whose prefetch holds the same resources.
    """
    request = GOOD["fhir" if protocol == "fhir" else protocol]()
    if change is not None:
        changed = change(request)
        request = request if changed is None else changed
    return request.encode() if isinstance(request, str) else json.dumps(request).encode()


def through_bundle(change: Change) -> Change:
    """A change of a Bundle as one of the CDS Hooks request that is made from it."""

    def changed(_: Any) -> Any:
        bundle = good_bundle()
        change(bundle)
        return as_hook(bundle)

    return changed
