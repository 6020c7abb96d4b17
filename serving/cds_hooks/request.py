"""A CDS Hooks request: the hook, whom it is about, what was fetched before, and where to read."""

import re
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import msgspec

from models.errors import MalformedInput
from models.fhir_names import is_id
from serving.cds_hooks.discovery import Template
from serving.cds_hooks.drafts import ORDERS, SIGNING
from serving.cds_hooks.prefetch import Supplied, read_supplied, read_values
from serving.cds_hooks.searched import Results
from serving.contract import read_json
from serving.outbound import read_url
from serving.problems import BadHookRequest, NotJson

_SERVER = re.compile(r"(https?)://[^/?#@\s]+(?:/[^?#\s]*)?", re.IGNORECASE)
_TOKEN = re.compile(r"[\x21-\x7e]+")
_USERS = ("Practitioner", "PractitionerRole")
_VIEWERS = (*_USERS, "Patient", "RelatedPerson")
_FROM_NEEDED = {
    "patient-view": ("userId", "patientId"),
    "encounter-discharge": ("userId", "patientId", "encounterId"),
    SIGNING: ("userId", "patientId", ORDERS),
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


class HookForm:
    """Reads the requests of one service, and what came under each key of its prefetch."""

    def __init__(self, hooks: tuple[str, ...], asked: Sequence[Template]) -> None:
        self._hooks = hooks
        self._asked = asked
        self._usual = msgspec.json.Decoder(_usual_request(asked))

    def read(self, body: bytes) -> tuple[HookRequest, list[Supplied | None]]:
        """Read a request of one of the hooks, and what was supplied of every key, None if nothing.

        Raises BadHookRequest that names the member.
        """
        read = self._read_at_once(body) or self._read_closely(body)
        request, _ = read
        if request.hook not in self._hooks:
            words = f"this service is called at {', '.join(self._hooks)}"
            raise _bad(words, "hook", "wrong_hook")
        _check_context(request)
        _check_authorization(request)
        return read

    def _read_at_once(self, body: bytes) -> tuple[HookRequest, list[Supplied | None]] | None:
        """Read a request whose results are all as most are; None is for any other."""
        try:
            request: Any = self._usual.decode(body)
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
            return None
        if request.prefetch is None:
            return request, [None] * len(self._asked)
        return request, read_values(msgspec.structs.astuple(request.prefetch), self._asked)

    def _read_closely(self, body: bytes) -> tuple[HookRequest, list[Supplied | None]]:
        try:
            request = read_json(body, HookRequest)
        except NotJson:
            raise
        except MalformedInput as error:
            raise BadHookRequest(str(error), field=error.field, reason=error.reason) from error
        found = request.prefetch or {}
        return request, [
            read_supplied(bytes(found[one.key]), one) if one.key in found else None
            for one in self._asked
        ]


def _usual_request(asked: Sequence[Template]) -> Any:
    """Return the type of a request whose searches found Observations or nothing."""
    # attributes get names of our own, since a key may be any text
    keys = {f"f{i}": template.key for i, template in enumerate(asked)}
    fields = [
        (name, msgspec.Raw, msgspec.Raw())
        if template.feature is None
        else (name, Results | None | msgspec.UnsetType, msgspec.UNSET)
        for name, template in zip(keys, asked, strict=True)
    ]
    prefetch = msgspec.defstruct("Prefetch", fields, frozen=True, rename=keys)
    return msgspec.defstruct(
        "UsualRequest",
        [("prefetch", prefetch | None, None)],
        bases=(HookRequest,),
        frozen=True,
        rename="camel",
    )


def _check_context(request: HookRequest) -> None:
    context = request.context
    for name in _FROM_NEEDED[request.hook]:
        if context.get(name) in (None, ""):
            raise _bad(f"context.{name} is missing", f"context.{name}", "missing_field")
    patient = context["patientId"]
    # FHIR's rule for ids allows for the two that are steps in an address
    if not isinstance(patient, str) or not is_id(patient) or patient in (".", ".."):
        raise _bad("context.patientId is no FHIR id", "context.patientId", "wrong_type")
    kind, _, user = str(context["userId"]).partition("/")
    allowed = _VIEWERS if request.hook == "patient-view" else _USERS
    if kind not in allowed or not is_id(user):
        words = f"context.userId must be {', '.join(f'{one}/id' for one in allowed)}"
        raise _bad(words, "context.userId", "wrong_type")
    encounter = context.get("encounterId")
    if encounter is not None and not (isinstance(encounter, str) and is_id(encounter)):
        raise _bad("context.encounterId is no FHIR id", "context.encounterId", "wrong_type")


def _check_authorization(request: HookRequest) -> None:
    given = request.fhir_authorization
    if given is None:
        return
    if request.fhir_server is None:
        raise _bad("fhirAuthorization needs fhirServer", "fhirServer", "missing_field")
    if given.token_type != "Bearer":  # noqa: S105 - the name of a type, no secret
        raise _bad("token_type must be Bearer", "fhirAuthorization.token_type", "wrong_type")
    if _TOKEN.fullmatch(given.access_token) is None:
        words = "access_token must be the visible ASCII characters of a token (RFC 6749)"
        raise _bad(words, "fhirAuthorization.access_token", "wrong_type")
    if given.patient is not None and given.patient != request.patient_id:
        words = "fhirAuthorization.patient is another patient than context.patientId"
        raise _bad(words, "fhirAuthorization.patient", "foreign_subject")


def check_server(request: HookRequest, *, plain_http: bool) -> None:
    """Raise BadHookRequest for a FHIR server that isn't read over HTTPS (CDS-3)."""
    if request.fhir_server is None:
        return
    server = _SERVER.fullmatch(request.fhir_server)
    is_plain = server is not None and server[1].lower() == "http"
    if server is None or (is_plain and not plain_http) or read_url(request.fhir_server) is None:
        raise _bad("fhirServer must be an https address", "fhirServer", "wrong_type")


def _bad(words: str, field: str, reason: str) -> BadHookRequest:
    return BadHookRequest(words, field=field, reason=reason)
