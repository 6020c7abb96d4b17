"""The FHIR R4 protocol: a Bundle in, a RiskAssessment out."""

from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from models.errors import InputError, MalformedInput
from models.fhir import read_bundle
from models.fhir_labels import findings_of
from models.fhir_names import uuid_in
from models.fhir_resources import Meta
from models.misfit import misfit
from models.ward import check_ward
from serving.contract import Aware, Site, read_json
from serving.fhir_capability import capability
from serving.fhir_form import fhir_answer, wanted_form
from serving.fhir_records import (
    amend,
    check_replaceable,
    first_not_replaced,
    tell_without_score,
)
from serving.message import Answer
from serving.operation import Call, Operation
from serving.past import find_prediction
from serving.prediction import NO_SCORE, Ask, predict, prediction_time
from serving.risk_assessment import Issue
from serving.subject import check_bound, identifier_of

PROTOCOL = "fhir"
# in which fields of a parameter its value is looked for
_TAKEN = {
    "model": ("value_code", "value_string"),
    "bundle": ("resource",),
    "predictedAt": ("value_date_time", "value_instant"),
    "site": ("value_string",),
    "ward": ("value_string",),
    "replaces": ("value_uuid",),
}
_IN_FHIR = {
    "value_code": "valueCode",
    "resource": "resource",
    "value_date_time": "valueDateTime",
    "value_string": "valueString",
    "value_uuid": "valueUuid",
}


class Resource(msgspec.Struct, frozen=True, rename="camel"):
    """The type of a resource, whatever else it holds."""

    resource_type: str


class Parameter(msgspec.Struct, frozen=True, rename="camel"):
    """One parameter of the operation."""

    name: str
    value_string: str | None = None
    value_code: str | None = None
    value_date_time: Aware | None = None
    value_instant: Aware | None = None
    value_uuid: str | None = None
    resource: msgspec.Raw = msgspec.Raw(b"")
    modifier_extension: tuple[Any, ...] = ()


class Parameters(msgspec.Struct, frozen=True, rename="camel"):
    """The operation's parameters."""

    parameter: tuple[Parameter, ...]
    implicit_rules: str | None = None
    meta: Meta | None = None

    @property
    def modified(self) -> bool:
        """Whether something in them may change what the rest means (FHIR-8)."""
        return self.implicit_rules is not None or any(
            one.modifier_extension for one in self.parameter
        )


class Wanted(msgspec.Struct, frozen=True):
    """What a call asks beside the model: Bundle, prediction time, place, what it replaces."""

    bundle: bytes
    predicted_at: datetime | None = None
    site: str = ""
    ward: str = ""
    replaces: UUID | None = None
    meta: Meta | None = None  # that of the Parameters


async def predict_bundle(call: Call) -> Answer:
    """Predict the risk of the patient in a Bundle; recorded before it is answered."""
    body = await call.body()
    form = wanted_form(call)
    served = call.premises.served(_model_of(call, body))
    wanted = _wanted(body, call.query("predicted_at"))
    replaced = (
        None if wanted.replaces is None else await find_prediction(wanted.replaces, call.caller)
    )
    issue = Issue(explained="explain" in call.caller.scopes)
    if replaced is not None:
        # asked before anything is recorded, so that nothing can fail once it is
        issue = replace(issue, status="amended", identifier=await first_not_replaced(replaced))
    subject, superseded = "", False

    def read() -> Ask:
        nonlocal subject, superseded
        predicted_at = prediction_time(call, wanted.predicted_at)
        bundle = read_bundle(wanted.bundle, served.model.definition, predicted_at)
        labelled = findings_of(wanted.meta, "Bundle", "Parameters")
        subject = bundle.patient.reference
        check_bound(call.scope, subject)
        identifier = identifier_of(bundle.patient)
        if replaced is not None:
            check_replaceable(call, replaced, served.model, identifier)
            superseded = True
        return Ask(
            bundle.readings,
            predicted_at,
            patient=identifier,
            site=wanted.site,
            ward=wanted.ward or bundle.ward,
            findings=tuple(dict.fromkeys((*labelled, *bundle.findings))),
            subject=subject,
        )

    try:
        with call.premises.limits.explaining(call.caller, call.now, wanted=issue.explained):
            prediction = await predict(call, served.model, PROTOCOL, read)
    except NO_SCORE as error:
        if replaced is not None:
            told = superseded and isinstance(error, InputError)
            await tell_without_score(call, replaced, error, superseded=told)
        raise
    if replaced is not None:
        await amend(call, replaced, prediction)
    if subject:
        issue = replace(issue, subject={"reference": subject})
    return fhir_answer(form(prediction, issue))


async def describe_capability(call: Call) -> Answer:
    """Return the CapabilityStatement."""
    return fhir_answer(capability(call.now.date(), call.fhir_base))


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
    given, meta = _parameters(body)
    if "bundle" not in given:
        raise MalformedInput(
            "Parameters: the parameter bundle is missing", field="bundle", reason="missing_field"
        )
    if "predictedAt" in given and predicted_at is not None:
        raise MalformedInput(
            "give the prediction time once: predictedAt, or ?predicted_at= beside a Bundle",
            field="predictedAt",
            reason="contradictory_value",
        )
    return Wanted(
        bytes(given["bundle"]),
        given.get("predictedAt") or _time(predicted_at),
        *_place(given),
        uuid_in(given.get("replaces"), "replaces.valueUuid"),
        meta,
    )


def _place(given: dict[str, Any]) -> tuple[str, str]:
    """Return the site and the ward; raise MalformedInput for what can't name one."""
    try:
        site = msgspec.convert(given.get("site"), Site | None) or ""
    except msgspec.ValidationError as error:
        raise misfit(f"{error} - at `$.site`") from error
    ward = given.get("ward", "")
    if ward:
        check_ward(ward, "ward")
    return site, ward


def _parameters(body: bytes) -> tuple[dict[str, Any], Meta | None]:
    """Return what each parameter says, and all their meta.

    Raises MalformedInput for one that wouldn't be heeded.
    """
    given: dict[str, Any] = {}
    parameters = read_json(body, Parameters)
    if parameters.modified:
        raise MalformedInput(
            "Parameters carry implicitRules or a modifierExtension that isn't known here",
            field="Parameters",
            reason="unknown_modifier",
        )
    for one in parameters.parameter:
        fields = _TAKEN.get(one.name)
        if fields is None or one.name in given:
            known = ", ".join(_TAKEN)
            raise MalformedInput(
                f"Parameters: each of {known} may be given once, and nothing else",
                field="parameter.name",
                reason="unknown_parameter",
            )
        values = [value for value in (getattr(one, field) for field in fields) if value]
        if len(values) != 1:
            raise MalformedInput(
                f"Parameters: {one.name} must have its value as {_IN_FHIR[fields[0]]}",
                field=one.name,
                reason="wrong_type",
            )
        given[one.name] = values[0]
    return given, parameters.meta


def _model_of(call: Call, body: bytes) -> str:
    """Return the model that the address or Parameters name; raise MalformedInput unless one."""
    model = call.query("model")
    if read_json(body, Resource).resource_type == "Parameters":
        named = _parameters(body)[0].get("model")
        if model and named and model != named:
            raise MalformedInput(
                "the address and the parameter model name two models",
                field="model",
                reason="contradictory_value",
            )
        model = model or named
    if not model:
        raise MalformedInput(
            "name the model: ?model=NAME, or the parameter model",
            field="model",
            reason="missing_field",
        )
    return model


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
            query=("model", "predicted_at", "_profile"),
            request=[Resource],
        ),
        Operation(
            "GET",
            "/fhir/metadata",
            describe_capability,
            scopes=("predict", "read"),
            summary="The CapabilityStatement",
            query=("mode",),
        ),
    ]
