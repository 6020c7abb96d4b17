"""FHIR answers: as RiskAssessment, as Observation, or as the transaction that stores the former."""

from collections.abc import Callable
from typing import Any

import msgspec

from models.definition import Status
from models.errors import MalformedInput
from models.fhir_risk import MODEL_REFERENCE, PERCENT_DECIMALS, URL, device
from serving.message import Answer
from serving.operation import Call
from serving.prediction import Prediction
from serving.risk_assessment import Issue, risk_assessment

Form = Callable[[Prediction, Issue], dict[str, Any]]
FHIR_JSON = b"application/fhir+json"
DEFINITIONS = "http://hl7.org/fhir/StructureDefinition/"
_DATA_ABSENT = "http://terminology.hl7.org/CodeSystem/data-absent-reason"


def fhir_answer(resource: dict[str, Any], status: int = 200) -> Answer:
    """Answer with a resource."""
    return Answer(msgspec.json.encode(resource), status, FHIR_JSON)


def wanted_form(call: Call) -> Form:
    """Return how `_profile` asks for a prediction; raise MalformedInput for what isn't written.

    Ask this before anything is recorded: a call that is refused must have done nothing.
    """
    wanted = (call.query("_profile") or "RiskAssessment").removeprefix(DEFINITIONS)
    if wanted not in _FORMS:
        named = [f"{DEFINITIONS}{name}" for name in _FORMS]
        raise MalformedInput(
            f"_profile is {', '.join(named[:-1])} or {named[-1]}",
            field="_profile",
            reason="unknown_profile",
        )
    return _FORMS[wanted]


def transaction(resource: dict[str, Any]) -> dict[str, Any]:
    """Return the transaction that stores a RiskAssessment once, however often posted (FHIR-11).

    The server that stores it gives it an id of its own. One that corrects or withdraws another
    has that one's identifier, and takes its place.
    """
    named = resource["identifier"][0]
    once = f"identifier={named['system']}|{named['value']}"
    request = {"method": "POST", "url": "RiskAssessment", "ifNoneExist": once}
    if resource["status"] != "final":
        request = {"method": "PUT", "url": f"RiskAssessment?{once}"}
    stored = {name: value for name, value in resource.items() if name != "id"}
    entry = {"fullUrl": f"urn:uuid:{resource['id']}", "resource": stored, "request": request}
    return {"resourceType": "Bundle", "type": "transaction", "entry": [entry]}


def observation(prediction: Prediction, issue: Issue) -> dict[str, Any]:
    """Return a prediction as an Observation whose value is the risk in percent."""
    whole = risk_assessment(prediction, issue)
    shown = issue.shown and prediction.model.definition.status is not Status.SILENT
    band = prediction.risk.band
    resource: dict[str, Any] = {
        "resourceType": "Observation",
        "id": whole["id"],
        "contained": [device(prediction.model)],
        "identifier": whole["identifier"],
        "status": issue.status,
        "code": {**whole["method"], "text": prediction.model.definition.title},
        "subject": whole["subject"],
        "effectiveDateTime": whole["occurrenceDateTime"],
        "issued": prediction.recorded_at.isoformat(),
        "device": MODEL_REFERENCE,
        **{name: whole[name] for name in ("extension", "note") if name in whole},
    }
    if "basis" in whole:
        resource["derivedFrom"] = whole["basis"]
    if not shown:
        masked = {"coding": [{"system": _DATA_ABSENT, "code": "masked"}]}
        return {**resource, "dataAbsentReason": masked}
    percent = round(100 * prediction.risk.explanation.risk, PERCENT_DECIMALS)
    unit = {"unit": "%", "system": "http://unitsofmeasure.org", "code": "%"}
    resource["valueQuantity"] = {"value": percent, **unit}
    resource["interpretation"] = [
        {
            "coding": [{"system": f"{URL}/CodeSystem/band", "code": band.name}],
            "text": f"{band.title}: {band.action}",
        }
    ]
    return resource


def _stored(prediction: Prediction, issue: Issue) -> dict[str, Any]:
    return transaction(risk_assessment(prediction, issue))


_FORMS: dict[str, Form] = {
    "RiskAssessment": risk_assessment,
    "Observation": observation,
    "Bundle": _stored,
}
