"""A CDS Hooks request: the hook, whom it is about, what was fetched before, and where to read."""

import re
from collections.abc import Mapping
from typing import Any
from uuid import UUID

import msgspec

from models.errors import MalformedInput
from serving.contract import read_json
from serving.problems import BadHookRequest, NotJson

_ID = re.compile(r"[A-Za-z0-9.-]{1,64}")
_USERS = ("Practitioner", "PractitionerRole")
_VIEWERS = (*_USERS, "Patient", "RelatedPerson")
_FROM_NEEDED = {
    "patient-view": ("userId", "patientId"),
    "encounter-discharge": ("userId", "patientId", "encounterId"),
    "order-sign": ("userId", "patientId", "draftOrders"),
}


class Authorization(msgspec.Struct, frozen=True):
    """The token with which to read back; it is used for this request and kept nowhere (CDS-9)."""

    access_token: str
    token_type: str
    scope: str
    subject: str
    expires_in: int
    patient: str | None = None

    def __repr__(self) -> str:
        return "Authorization(...)"


class HookRequest(msgspec.Struct, frozen=True, rename="camel"):
    """What an EHR sends when a hook fires; members that aren't known are ignored (CDS-4)."""

    hook: str
    hook_instance: UUID
    context: dict[str, Any]
    fhir_server: str | None = None
    fhir_authorization: Authorization | None = None
    prefetch: dict[str, msgspec.Raw] | None = None
    extension: dict[str, Any] | None = None

    @property
    def patient_id(self) -> str:
        """The patient's FHIR id."""
        return str(self.context["patientId"])

    @property
    def prefetched(self) -> Mapping[str, msgspec.Raw]:
        """What the EHR fetched, by key."""
        return self.prefetch or {}


def read_request(body: bytes, hooks: tuple[str, ...]) -> HookRequest:
    """Read a request of one of these hooks; raise BadHookRequest that names the member."""
    try:
        request = read_json(body, HookRequest)
    except NotJson:
        raise
    except MalformedInput as error:
        raise BadHookRequest(str(error), field=error.field, reason=error.reason) from error
    if request.hook not in hooks:
        raise _bad(f"this service is called at {', '.join(hooks)}", "hook", "wrong_hook")
    _check_context(request)
    _check_authorization(request)
    return request


def _check_context(request: HookRequest) -> None:
    context = request.context
    for name in _FROM_NEEDED[request.hook]:
        if not context.get(name):
            raise _bad(f"context.{name} is missing", f"context.{name}", "missing_field")
    if not isinstance(context["patientId"], str) or not _ID.fullmatch(context["patientId"]):
        raise _bad("context.patientId is no FHIR id", "context.patientId", "wrong_type")
    kind, _, user = str(context["userId"]).partition("/")
    allowed = _VIEWERS if request.hook == "patient-view" else _USERS
    if kind not in allowed or not _ID.fullmatch(user):
        words = f"context.userId must be {', '.join(f'{one}/id' for one in allowed)}"
        raise _bad(words, "context.userId", "wrong_type")
    orders = context.get("draftOrders", {})
    if request.hook == "order-sign" and (
        not isinstance(orders, dict) or orders.get("resourceType") != "Bundle"
    ):
        raise _bad("context.draftOrders must be a Bundle", "context.draftOrders", "wrong_type")


def _check_authorization(request: HookRequest) -> None:
    given = request.fhir_authorization
    if given is None:
        return
    if request.fhir_server is None:
        raise _bad("fhirAuthorization needs fhirServer", "fhirServer", "missing_field")
    if given.token_type != "Bearer":  # noqa: S105 - the name of a type, no secret
        raise _bad("token_type must be Bearer", "fhirAuthorization.token_type", "wrong_type")
    if given.patient is not None and given.patient != request.patient_id:
        words = "fhirAuthorization.patient is another patient than context.patientId"
        raise _bad(words, "fhirAuthorization.patient", "foreign_subject")


def _bad(words: str, field: str, reason: str) -> BadHookRequest:
    return BadHookRequest(words, field=field, reason=reason)
