"""The FHIR R4 protocol: a Bundle in, a RiskAssessment out."""

from datetime import datetime
from typing import Any

import msgspec

from models.errors import MalformedInput
from models.fhir import PatientContext, read_bundle
from serving.contract import Aware, Site, read_json
from serving.message import Answer
from serving.operation import Call, Operation
from serving.prediction import Ask, predict, prediction_time
from serving.risk_assessment import URL, risk_assessment

PROTOCOL = "fhir"
FHIR_JSON = b"application/fhir+json"


class Resource(msgspec.Struct, frozen=True, rename="camel"):
    """The type of a resource, whatever else it holds."""

    resource_type: str


class Parameter(msgspec.Struct, frozen=True, rename="camel"):
    """One parameter of the operation."""

    name: str
    value_string: str | None = None
    value_code: str | None = None
    value_date_time: Aware | None = None
    resource: msgspec.Raw = msgspec.Raw(b"")


class Parameters(msgspec.Struct, frozen=True):
    """The operation's parameters."""

    parameter: tuple[Parameter, ...]


class Wanted(msgspec.Struct, frozen=True):
    """What a call of the operation asks: model, Bundle, prediction time, site."""

    model: str
    bundle: bytes
    predicted_at: datetime | None = None
    site: str = ""


async def predict_bundle(call: Call) -> Answer:
    """Predict the risk of the patient in a Bundle; recorded before it is answered."""
    wanted = _wanted(call, await call.body())
    served = call.premises.served(wanted.model)
    subject = ""

    def read() -> Ask:
        nonlocal subject
        predicted_at = prediction_time(call, wanted.predicted_at)
        bundle = read_bundle(wanted.bundle, served.model.definition, predicted_at)
        subject = bundle.patient.reference
        return Ask(
            bundle.readings,
            predicted_at,
            patient=_identifier(bundle.patient),
            site=wanted.site,
            findings=tuple(bundle.findings),
        )

    prediction = await predict(call, served.model, PROTOCOL, read)
    explained = "explain" in call.caller.scopes
    resource = risk_assessment(prediction, subject=subject, explained=explained)
    return _fhir(resource)


async def describe_capability(call: Call) -> Answer:
    """Return the CapabilityStatement."""
    return _fhir(_capability(call))


def _wanted(call: Call, body: bytes) -> Wanted:
    kind = read_json(body, Resource).resource_type
    if kind == "Bundle":
        return Wanted(_named(call.query("model")), body, _time(call.query("predicted_at")))
    if kind != "Parameters":
        raise MalformedInput(
            "send a Bundle, or Parameters with model and bundle",
            field="resourceType",
            reason="wrong_resource",
        )
    given = {one.name: one for one in read_json(body, Parameters).parameter}
    if "bundle" not in given:
        raise MalformedInput(
            "Parameters: bundle is missing", field="bundle", reason="missing_field"
        )
    model, time, site = given.get("model"), given.get("predictedAt"), given.get("site")
    return Wanted(
        _named((model.value_code or model.value_string) if model else call.query("model")),
        bytes(given["bundle"].resource),
        time.value_date_time if time else None,
        msgspec.convert(site.value_string, Site) if site and site.value_string else "",
    )


def _time(text: str | None) -> datetime | None:
    try:
        return None if text is None else msgspec.convert(text, Aware)
    except msgspec.ValidationError as error:
        raise MalformedInput(
            "predicted_at must be a date and time with its offset, as 2026-01-05T10:15:00Z",
            field="predicted_at",
            reason="bad_time",
        ) from error


def _named(model: str | None) -> str:
    if not model:
        raise MalformedInput(
            "name the model: ?model=NAME, or the parameter model",
            field="model",
            reason="missing_field",
        )
    return model


def _identifier(patient: PatientContext) -> tuple[str, str]:
    """Return the identifier that the pseudonym is made from: the first that names its system."""
    return next((one for one in patient.identifiers if all(one)), ("", patient.reference))


def _capability(call: Call) -> dict[str, Any]:
    return {
        "resourceType": "CapabilityStatement",
        "status": "active",
        "date": call.now.date().isoformat(),
        "kind": "instance",
        "implementation": {"description": "Clinical risks, explained and recorded", "url": URL},
        "fhirVersion": "4.0.1",
        "format": ["application/fhir+json"],
        "rest": [
            {
                "mode": "server",
                "security": {"description": "API key: Authorization: Bearer auk_..."},
                "resource": [
                    {
                        "type": "RiskAssessment",
                        "documentation": "probabilityDecimal is a percentage of two decimals",
                        "operation": [
                            {"name": "predict", "definition": f"{URL}/OperationDefinition/predict"}
                        ],
                    }
                ],
            }
        ],
    }


def _fhir(resource: dict[str, Any]) -> Answer:
    return Answer(msgspec.json.encode(resource), media_type=FHIR_JSON)


def operations() -> list[Operation]:
    """Return the operations of the FHIR protocol."""
    return [
        Operation(
            "POST",
            "/fhir/RiskAssessment/$predict",
            predict_bundle,
            scopes=("predict",),
            summary="Predict the risk of the patient in a Bundle",
            wants_score=True,
        ),
        Operation(
            "GET",
            "/fhir/metadata",
            describe_capability,
            scopes=("predict", "read"),
            summary="The CapabilityStatement",
        ),
    ]
