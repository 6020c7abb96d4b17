"""The FHIR R4 protocol: a Bundle in, a RiskAssessment out."""

import re
from dataclasses import replace
from datetime import datetime
from uuid import UUID

import msgspec
from anyio import to_thread

from models.errors import MalformedInput
from models.fhir import read_bundle
from serving.contract import Aware, Site, read_json
from serving.fhir_capability import capability
from serving.fhir_form import fhir_answer, in_profile
from serving.fhir_records import amend, check_replaceable
from serving.message import Answer
from serving.operation import Call, Operation
from serving.past import find_prediction, first_of
from serving.prediction import Ask, predict, prediction_time
from serving.risk_assessment import Issue
from serving.subject import check_bound, identifier_of

PROTOCOL = "fhir"
_UUID = re.compile(r"(?:urn:uuid:)?([0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12})")


class Resource(msgspec.Struct, frozen=True, rename="camel"):
    """The type of a resource, whatever else it holds."""

    resource_type: str


class Parameter(msgspec.Struct, frozen=True, rename="camel"):
    """One parameter of the operation."""

    name: str
    value_string: Site | None = None
    value_code: str | None = None
    value_date_time: Aware | None = None
    value_uuid: str | None = None
    resource: msgspec.Raw = msgspec.Raw(b"")


class Parameters(msgspec.Struct, frozen=True):
    """The operation's parameters."""

    parameter: tuple[Parameter, ...]


class Wanted(msgspec.Struct, frozen=True):
    """What a call asks beside the model: Bundle, prediction time, site, what it replaces."""

    bundle: bytes
    predicted_at: datetime | None = None
    site: str = ""
    replaces: UUID | None = None


async def predict_bundle(call: Call) -> Answer:
    """Predict the risk of the patient in a Bundle; recorded before it is answered."""
    body = await call.body()
    served = call.premises.served(call.query("model") or _model_in(body))
    wanted = _wanted(body, call.query("predicted_at"))
    replaced = (
        None if wanted.replaces is None else await find_prediction(wanted.replaces, call.caller)
    )
    subject = ""

    def read() -> Ask:
        nonlocal subject
        predicted_at = prediction_time(call, wanted.predicted_at)
        bundle = read_bundle(wanted.bundle, served.model.definition, predicted_at)
        subject = bundle.patient.reference
        check_bound(call.scope, subject)
        identifier = identifier_of(bundle.patient)
        if replaced is not None:
            check_replaceable(call, replaced, served.model, identifier)
        return Ask(
            bundle.readings,
            predicted_at,
            patient=identifier,
            site=wanted.site,
            findings=bundle.findings,
        )

    explained = "explain" in call.caller.scopes
    if explained:
        call.premises.limits.check_explanations(call.caller.key_id, call.now)
    prediction = await predict(call, served.model, PROTOCOL, read)
    issue = Issue({"reference": subject} if subject else {}, explained=explained)
    if replaced is not None:
        await amend(call, replaced, prediction)
        first = await to_thread.run_sync(first_of, replaced.id)
        issue = replace(issue, status="amended", identifier=first)
    return fhir_answer(in_profile(call, prediction, issue))


async def describe_capability(call: Call) -> Answer:
    """Return the CapabilityStatement."""
    return fhir_answer(capability(call.now.date()))


def _wanted(body: bytes, predicted_at: str | None) -> Wanted:
    kind = read_json(body, Resource).resource_type
    if kind == "Bundle":
        return Wanted(body, _time(predicted_at))
    if kind != "Parameters":
        raise MalformedInput(
            "send a Bundle, or Parameters with model and bundle",
            field="resourceType",
            reason="wrong_resource",
        )
    given = _parameters(body)
    if "bundle" not in given:
        raise MalformedInput(
            "Parameters: the parameter bundle is missing", field="bundle", reason="missing_field"
        )
    time, site, replaces = (given.get(name) for name in ("predictedAt", "site", "replaces"))
    return Wanted(
        bytes(given["bundle"].resource),
        time.value_date_time if time else _time(predicted_at),
        (site.value_string if site else None) or "",
        _uuid(replaces.value_uuid) if replaces else None,
    )


def _uuid(text: str | None) -> UUID | None:
    """Return a UUID as FHIR writes it, urn:uuid:..., or bare as was taken from the beginning."""
    if text is None:
        return None
    found = _UUID.fullmatch(text)
    if found is None:
        raise MalformedInput(
            "replaces: valueUuid must be urn:uuid: and a UUID",
            field="replaces.valueUuid",
            reason="wrong_type",
        )
    return UUID(found[1])


def _parameters(body: bytes) -> dict[str, Parameter]:
    return {one.name: one for one in read_json(body, Parameters).parameter}


def _model_in(body: bytes) -> str:
    """Return the model that Parameters name; raise MalformedInput where none is named."""
    model = None
    if read_json(body, Resource).resource_type == "Parameters":
        model = _parameters(body).get("model")
    name = (model.value_code or model.value_string) if model else None
    if not name:
        raise MalformedInput(
            "name the model: ?model=NAME, or the parameter model",
            field="model",
            reason="missing_field",
        )
    return name


def _time(text: str | None) -> datetime | None:
    try:
        return None if text is None else msgspec.convert(text, Aware)
    except msgspec.ValidationError as error:
        raise MalformedInput(
            "predicted_at must be a date and time with its offset, as 2026-01-05T10:15:00Z",
            field="predicted_at",
            reason="bad_time",
        ) from error


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
            for_one_patient=True,
            request=[Resource],
        ),
        Operation(
            "GET",
            "/fhir/metadata",
            describe_capability,
            scopes=("predict", "read"),
            summary="The CapabilityStatement",
        ),
    ]
