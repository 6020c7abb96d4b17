"""How every error is answered: one table, as problem+json (RFC 9457) or FHIR OperationOutcome."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import msgspec

from models.errors import (
    AuscultError,
    ExplanationMismatch,
    InputError,
    MalformedInput,
    ModelSuspended,
    OutOfScope,
    RecordError,
    TooLittleData,
    TooMuchData,
    UnusableValue,
    WriterBusy,
    WriterStopped,
)
from serving.message import Answer, Headers

PROBLEMS_URL = "https://auscult.example.org/problems/"
NO_SCORE = "No risk was calculated. This does not mean low risk."
Form = Literal["problem", "fhir"]


class CallError(AuscultError):
    """A call that is refused before any model is asked."""

    headers: Headers = ()


class NotAuthenticated(CallError):
    """No key, or one that isn't valid (any more)."""

    def __init__(self, message: str = "not authenticated", *, challenge: bytes = b"Bearer") -> None:
        super().__init__(message)
        self.headers = ((b"www-authenticate", challenge),)


class NotAllowed(CallError):
    """The key is valid and lacks the scope."""

    headers = ((b"www-authenticate", b'Bearer error="insufficient_scope"'),)


class NotFound(CallError):
    """There is nothing of that name for this client."""


class MethodNotAllowed(CallError):
    """The path exists, the method does not."""

    def __init__(self, message: str, *, allow: str) -> None:
        super().__init__(message)
        self.headers = ((b"allow", allow.encode("ascii")),)


class MediaTypeNotSupported(CallError):
    """The body is of a type that isn't read."""


class NotAcceptable(CallError):
    """The answer is asked for in a form that isn't written."""


class TooLarge(CallError):
    """The body is longer than is read."""


class TooMany(CallError):
    """The client asks more than it may for now."""

    def __init__(self, message: str, *, seconds: float) -> None:
        super().__init__(message)
        self.headers = ((b"retry-after", str(max(1, math.ceil(seconds))).encode("ascii")),)


class NotServedHere(CallError):
    """The version that made a prediction isn't the one that is served."""


class AlreadyReplaced(CallError):
    """Another prediction replaced the one that is to be replaced."""


class BatchTooLarge(CallError):
    """A batch has more requests than are taken at once, or none."""


class CallerGone(CallError):
    """The caller went away before the whole body was read."""


class BodyLate(CallError):
    """The body wasn't there in time; what may still come of it is not waited for."""

    headers: Headers = ((b"connection", b"close"),)


class NotJson(MalformedInput):
    """The body isn't JSON at all."""

    def __init__(self, message: str) -> None:
        super().__init__(message, field="body", reason="not_json")


class BadHookRequest(MalformedInput):
    """The request isn't one of CDS Hooks, or not of this service's hooks."""


class PrefetchNeeded(InputError):
    """What the model needs was neither prefetched nor can be read back."""


class ReadBackLate(InputError):
    """The EHR's FHIR server didn't tell in time."""


class NotReadable(AuscultError):
    """The database doesn't give what it holds."""


class DeadlinePassed(AuscultError):
    """The answer wasn't ready in time."""


@dataclass(frozen=True, slots=True)
class Kind:
    """How one class of error is answered; `issue` is FHIR's IssueType code.

    Where there are `words`, callers are told these: the error's own are the operator's (API-8).
    """

    status: int
    slug: str
    title: str
    issue: str
    headers: Headers = ()
    words: str = ""


_INSIDE = "Something went wrong inside"
_RETRY: Headers = ((b"retry-after", b"1"),)

TABLE: Mapping[type[Exception], Kind] = {
    NotJson: Kind(400, "not-json", "The body is not JSON", "structure"),
    BadHookRequest: Kind(400, "bad-hook", "Not a request of this hook", "invalid"),
    CallerGone: Kind(400, "incomplete", "The body ended too early", "structure"),
    NotAuthenticated: Kind(401, "not-authenticated", "A valid API key is needed", "login"),
    NotAllowed: Kind(403, "not-allowed", "The API key lacks the scope", "forbidden"),
    NotFound: Kind(404, "not-found", "There is no such thing", "not-found"),
    MethodNotAllowed: Kind(405, "method-not-allowed", "Not by this method", "not-supported"),
    NotAcceptable: Kind(406, "not-acceptable", "Only JSON is answered", "not-supported"),
    PrefetchNeeded: Kind(412, "prefetch", "The prefetch is incomplete", "required"),
    BodyLate: Kind(408, "body-late", "The body did not come in time", "timeout"),
    BatchTooLarge: Kind(413, "batch-size", "Not that many at once", "too-long"),
    TooLarge: Kind(413, "too-large", "The body is too long", "too-long"),
    AlreadyReplaced: Kind(409, "already-replaced", "It was replaced already", "conflict"),
    NotServedHere: Kind(409, "not-served", "That version isn't served here", "conflict"),
    TooMany: Kind(429, "too-many", "Too many requests for now", "throttled"),
    MediaTypeNotSupported: Kind(415, "media-type", "Only JSON is read", "not-supported"),
    MalformedInput: Kind(422, "malformed-input", "The request is not as agreed", "structure"),
    TooMuchData: Kind(413, "too-large", "The body is too long", "too-long"),
    UnusableValue: Kind(422, "unusable-value", "A value can't be right", "value"),
    OutOfScope: Kind(422, "out-of-scope", "The model is not for this patient", "business-rule"),
    TooLittleData: Kind(422, "too-little-data", "Too little is known", "required"),
    InputError: Kind(422, "input", "The request can't be scored", "invalid"),
    ModelSuspended: Kind(503, "suspended", "The model was taken out of use", "transient"),
    WriterBusy: Kind(503, "busy", "Too much is waiting to be recorded", "transient", _RETRY),
    WriterStopped: Kind(
        503,
        "not-recording",
        "Predictions can't be recorded",
        "transient",
        words="nothing can be recorded now, so nothing is answered",
    ),
    NotReadable: Kind(
        503,
        "not-readable",
        "The records can't be read",
        "transient",
        _RETRY,
        words="the records can't be read now",
    ),
    RecordError: Kind(503, "not-recording", "Predictions can't be recorded", "transient"),
    ReadBackLate: Kind(504, "deadline", "The data were not read in time", "timeout"),
    DeadlinePassed: Kind(504, "deadline", "The answer was not ready in time", "timeout"),
    ExplanationMismatch: Kind(
        500, "explanation-mismatch", "The explanation does not add up", "exception"
    ),
    Exception: Kind(500, "internal", _INSIDE, "exception", words=_INSIDE),
}


# what an operator must hear of, counted from the start
OURS = ("internal", "explanation-mismatch", "not-recording", "not-readable")


def kind_of(error: Exception) -> Kind:
    """Return how an error is answered: the entry of its nearest class in the table."""
    return next(TABLE[cls] for cls in type(error).__mro__ if cls in TABLE)


def told(error: Exception) -> str:
    """Return what a caller is told of an error; the text of one that isn't ours may hold anything.

    No database's words, path or address is among it.
    """
    return kind_of(error).words or str(error)


def answer_error(error: Exception, *, form: Form, wanted_score: bool) -> Answer:
    """Answer an error in the form of the protocol that was spoken.

    `wanted_score` adds that no risk was calculated.
    """
    kind, detail = kind_of(error), told(error)
    headers = (*kind.headers, *(error.headers if isinstance(error, CallError) else ()))
    if form == "fhir":
        body = _operation_outcome(error, kind, detail, wanted_score=wanted_score)
        return Answer(msgspec.json.encode(body), kind.status, b"application/fhir+json", headers)
    body = _problem(error, kind, detail, wanted_score=wanted_score)
    return Answer(msgspec.json.encode(body), kind.status, b"application/problem+json", headers)


def _problem(error: Exception, kind: Kind, detail: str, *, wanted_score: bool) -> dict[str, Any]:
    problem: dict[str, Any] = {
        "type": PROBLEMS_URL + kind.slug,
        "title": kind.title,
        "status": kind.status,
        "detail": detail,
    }
    if isinstance(error, InputError):
        problem |= {"field": error.field, "reason": error.reason}
    if isinstance(error, TooLittleData):
        problem["missing"] = list(error.missing)
    if wanted_score:
        problem["notice"] = NO_SCORE
    return problem


def _operation_outcome(
    error: Exception, kind: Kind, detail: str, *, wanted_score: bool
) -> dict[str, Any]:
    issue: dict[str, Any] = {
        "severity": "error",
        "code": kind.issue,
        "details": {"text": f"{detail}. {NO_SCORE}" if wanted_score else detail},
    }
    if isinstance(error, InputError):
        issue["diagnostics"] = f"{error.field}: {error.reason}"
    return {"resourceType": "OperationOutcome", "issue": [issue]}
