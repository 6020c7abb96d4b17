"""Example requests made from the definitions, so that what the documentation shows can be sent."""

import math
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from models.definition import Definition
from models.feature import Feature
from models.fhir_resources import UCUM
from serving.cds_hooks.discovery import PATIENT_KEY, templates
from serving.premises import Served

PATIENT = {"system": "urn:oid:1.2.3.4", "value": "12345"}
NO_ID = "00000000-0000-4000-8000-000000000000"


def json_request(definition: Definition) -> dict[str, Any]:
    """Return a JSON request that has every feature."""
    values: dict[str, Any] = {}
    for feature in definition.features:
        if feature.derived is None:
            value = _value(definition, feature)
            with_unit = {"value": value, "unit": feature.unit}
            values[feature.name] = with_unit if feature.unit_mandatory else value
    return {"values": values, "patient": PATIENT, "site": "north", "ward": "7B"}


def fhir_bundle(definition: Definition, at: datetime) -> dict[str, Any]:
    """Return a Bundle with every feature that has a code, all of it true at `at`."""
    resources = [_patient(definition, at)]
    resources += [_observation(definition, one, at) for one in _coded(definition)]
    entries = [{"resource": resource} for resource in resources]
    return {"resourceType": "Bundle", "type": "collection", "entry": entries}


def hook_request(definition: Definition, at: datetime) -> dict[str, Any]:
    """Return a CDS Hooks request whose prefetch is complete."""
    prefetch: dict[str, Any] = {PATIENT_KEY: _patient(definition, at)}
    for template in templates(definition):
        feature = template.feature
        if feature is None:
            continue
        # of several codes the first has the result
        found = template.key.endswith(f"_{feature.codings[0][1]}")
        entries = [{"resource": _observation(definition, feature, at)}] if found else []
        prefetch[template.key] = {"resourceType": "Bundle", "type": "searchset", "entry": entries}
    hooks = definition.cds_hooks.hooks if definition.cds_hooks else ("patient-view",)
    return {
        "hook": hooks[0],
        "hookInstance": "d1577c69-dfbe-44ad-ba6d-3e05e953b2ea",
        "context": {
            "userId": "Practitioner/p9",
            "patientId": "p1",
            "encounterId": "e1",
            "draftOrders": {"resourceType": "Bundle", "type": "collection", "entry": []},
        },
        "prefetch": prefetch,
    }


def with_examples(
    schema: dict[str, Any], models: Mapping[str, Served], now: datetime
) -> dict[str, Any]:
    """Return an OpenAPI description in which every body has an example."""
    found = _examples(models, now)
    paths: dict[str, Any] = {}
    for path, methods in schema["paths"].items():
        paths[path] = {
            method: _with_example(operation, found.get(operation["operationId"]))
            for method, operation in methods.items()
        }
    return {**schema, "paths": paths}


def _examples(models: Mapping[str, Served], now: datetime) -> dict[str, Any]:
    definition = next(iter(models.values())).model.definition
    hooked = [m.model.definition for m in models.values() if m.model.definition.cds_hooks]
    at = now.isoformat()
    request = json_request(definition)
    done = {"card": NO_ID, "outcome": "overridden", "outcomeTimestamp": at}
    outcome = {"model": definition.name, "patient": PATIENT, "happened": False, "known_at": at}
    parameters = [
        {"name": "model", "valueCode": definition.name},
        {"name": "bundle", "resource": fhir_bundle(definition, now)},
    ]
    return {
        "json_api.predict_one": request,
        "json_api.report_outcome": outcome,
        "json_records.predict_batch": {"requests": [request, request]},
        "json_records.report_feedback": {"prediction_id": NO_ID, "outcome": "accepted"},
        "fhir_api.predict_bundle": {"resourceType": "Parameters", "parameter": parameters},
        "corrections.report_corrections": _corrections(definition, at),
        "fhir_corrections.report_corrected": _corrected(definition, now),
        "fhir_search.search_by_post": {
            "subject:identifier": "|".join(PATIENT.values()),
            "date": f"le{at}",
            "method": definition.name,
            "_count": 10,
        },
        "services.answer": hook_request((hooked or [definition])[0], now),
        "services.report": {"feedback": [done]},
    }


def _corrections(definition: Definition, at: str) -> dict[str, Any]:
    feature = next(one for one in definition.features if one.derived is None)
    reading = {"value": _value(definition, feature), "time": at}
    if feature.unit is not None:
        reading["unit"] = feature.unit
    right = {"status": "corrected", "feature": feature.name, "value": reading}
    given = [
        {"source": "Observation/1", **right},
        {"source": "Observation/2", "status": "entered-in-error"},
    ]
    return {"model": definition.name, "corrections": given}


def _corrected(definition: Definition, at: datetime) -> dict[str, Any]:
    resource: dict[str, Any] = {"resourceType": "Observation", "id": "1"}
    for feature in _coded(definition)[:1]:
        resource = _observation(definition, feature, at)
    entry = {"resource": {**resource, "status": "corrected"}}
    return {"resourceType": "Bundle", "type": "collection", "entry": [entry]}


def _with_example(operation: dict[str, Any], example: Any) -> dict[str, Any]:
    if "requestBody" not in operation:
        return operation
    body = operation["requestBody"]
    content = {name: {**one, "example": example} for name, one in body["content"].items()}
    return {**operation, "requestBody": {**body, "content": content}}


def _coded(definition: Definition) -> list[Feature]:
    return [feature for feature in definition.features if feature.codings]


def _value(definition: Definition, feature: Feature) -> float | str:
    rules = [rule for rule in definition.inclusion if rule.feature == feature.name]
    if feature.kind == "categorical":
        allowed = [rule.one_of[0] for rule in rules if rule.one_of]
        return (allowed or list(feature.categories))[0]
    low, high = feature.plausible or (0.0, 1.0)
    low = max([low, *(rule.at_least for rule in rules if rule.at_least is not None)])
    high = min([high, *(rule.at_most for rule in rules if rule.at_most is not None)])
    middle = math.sqrt(low * high) if low > 0 else (low + high) / 2
    rounded = round(middle, feature.decimals)
    return rounded if low <= rounded <= high else middle


def _patient(definition: Definition, at: datetime) -> dict[str, Any]:
    patient: dict[str, Any] = {"resourceType": "Patient", "id": "p1", "identifier": [PATIENT]}
    for feature in definition.features:
        value = _value(definition, feature)
        if feature.source == "birth_date" and not isinstance(value, str):
            patient["birthDate"] = f"{at.year - int(value) - 1}-01-01"
        elif feature.source == "gender":
            patient["gender"] = value
    return patient


def _observation(definition: Definition, feature: Feature, at: datetime) -> dict[str, Any]:
    value, (system, code) = _value(definition, feature), feature.codings[0]
    shown: dict[str, Any] = {"valueString": value}
    if not isinstance(value, str):
        shown = {"valueQuantity": {"value": value, "system": UCUM, "code": feature.unit}}
    return {
        "resourceType": "Observation",
        "id": feature.name.replace("_", "-"),
        "status": "final",
        "code": {"coding": [{"system": system, "code": code}]},
        "subject": {"reference": "Patient/p1"},
        "effectiveDateTime": at.isoformat(),
        **shown,
    }
