"""The search for recorded predictions as FHIR: by date, method and subject."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

import msgspec
from anyio import to_thread

from models.errors import MalformedInput
from models.fhir_names import is_id, is_reference
from models.fhir_risk import MODEL_SYSTEM
from serving.fhir_form import fhir_answer
from serving.fhir_records import issue_of, restored
from serving.media_type import check_format
from serving.message import Answer
from serving.operation import Call, Operation
from serving.past import Standing, standing_of
from serving.problems import MethodNotAllowed, NotServedHere
from serving.risk_assessment import risk_assessment

if TYPE_CHECKING:
    from django.db.models import QuerySet

    from records.models import Client
    from records.models import Prediction as Record

DEFAULT_COUNT, MAX_COUNT = 50, 500
_COUNT = re.compile(r"[0-9]{1,3}")
_PREFIXES = ("eq", "ge", "gt", "le", "lt")
_BY_PATIENT = ("subject", "patient")
_BY_IDENTIFIER = ("subject:identifier", "patient:identifier")
_FIRST_ONLY = (
    "No prediction of this client was made for this identifier. A prediction is known by the first "
    "identifier that its Patient had, with system and value, or by the reference where it had none."
)
_WITHOUT_IDENTIFIER = (
    "There may be more predictions of this patient: by reference only those are found whose "
    "Patient had no identifier. Search by subject:identifier as system|value for the others."
)
_OTHER_DEFINITION = (
    "Of the predictions found, {count} can't be shown here, since another definition is served "
    "now; read them by /v1/predictions."
)


async def search(call: Call) -> Answer:
    """Search this client's predictions by date and method; by subject use POST _search."""
    given = parse_qsl(call.scope["query_string"].decode("latin-1"), keep_blank_values=True)
    if any(name.partition(":")[0].partition(".")[0] in _BY_PATIENT for name, _ in given):
        # an address ends up in logs and histories (PHI-5)
        raise MethodNotAllowed("search by subject with POST to _search", allow="POST")
    return await _search(call, given)


async def search_by_post(call: Call) -> Answer:
    """Search this client's predictions, by subject too: its identifier as system|value.

    By reference (`Patient/ID`) only those are found whose Patient had no identifier.
    """
    body = (await call.body()).decode("utf-8", "replace")
    return await _search(call, parse_qsl(body, keep_blank_values=True))


async def _search(call: Call, given: Sequence[tuple[str, str]]) -> Answer:
    filters, count = _filters(call, given)
    found, total = await to_thread.run_sync(_find, call.caller, filters, count)
    names = {name for name, _ in given}
    if not total and names & {*_BY_PATIENT}:
        raise _not_by_reference()
    entries: list[dict[str, Any]] = []
    hidden = 0
    for one, standing in found:
        try:
            resource = risk_assessment(restored(one, call.premises), issue_of(call, one, standing))
        except NotServedHere:
            hidden += 1
            continue
        entries.append({"resource": resource, "search": {"mode": "match"}})
    if hidden:
        entries.append(_warning(_OTHER_DEFINITION.format(count=hidden)))
    if names & {*_BY_PATIENT}:
        entries.append(_warning(_WITHOUT_IDENTIFIER))
    if not total and names & {*_BY_IDENTIFIER}:
        entries.append(_warning(_FIRST_ONLY))
    bundle: dict[str, Any] = {"resourceType": "Bundle", "type": "searchset", "total": total}
    return fhir_answer({**bundle, "entry": entries} if entries else bundle)


def _warning(words: str) -> dict[str, Any]:
    """Return what is to be known of a search, as an entry of its Bundle."""
    issue = {"severity": "warning", "code": "incomplete", "details": {"text": words}}
    outcome = {"resourceType": "OperationOutcome", "issue": [issue]}
    return {"resource": outcome, "search": {"mode": "outcome"}}


def _find(
    client: Client, filters: Mapping[str, Any], count: int
) -> tuple[list[tuple[Record, Standing]], int]:
    # here, since Django's models can only be imported once Django is set up
    from django.db import close_old_connections

    from records.clients import keys_of
    from records.models import Prediction as Record

    close_old_connections()
    rows: QuerySet[Record] = Record.objects.filter(client__in=keys_of(client), **filters)
    newest = rows.order_by("-predicted_at", "id")[:count]
    return [(one, standing_of(one)) for one in newest], rows.count()


def _filters(call: Call, given: Sequence[tuple[str, str]]) -> tuple[dict[str, Any], int]:
    filters: dict[str, Any] = {}
    count = DEFAULT_COUNT
    _check_patients(given)
    for name, value in given:
        if name == "date":
            filters |= _date_filter(value)
        elif name == "method":
            filters |= _method_filter(value, filters)
        elif name in (*_BY_IDENTIFIER, *_BY_PATIENT):
            filters["patient__in"] = _pseudonyms(call, name, value)
        elif name == "_count" and _COUNT.fullmatch(value) and 0 < int(value) <= MAX_COUNT:
            count = int(value)
        elif name == "_format":
            check_format(value)
        else:
            raise MalformedInput(
                "search by date, method, subject, subject:identifier and _count "
                f"(at most {MAX_COUNT})",
                field=name if name == "_count" else "query",
                reason="unknown_parameter",
            )
    return filters, count


def _check_patients(given: Sequence[tuple[str, str]]) -> None:
    """Raise MalformedInput where several patients are named: all or any of them isn't searched."""
    patients = [value for name, value in given if name in (*_BY_IDENTIFIER, *_BY_PATIENT)]
    if len(patients) > 1 or any("," in value for value in patients):
        raise MalformedInput(
            "search for one patient at a time, by one of subject and subject:identifier",
            field="subject",
            reason="several_patients",
        )


def _pseudonyms(call: Call, name: str, value: str) -> list[str]:
    """Return the pseudonyms that a patient may have by what is searched for."""
    pseudonym = call.premises.pseudonymiser.pseudonym
    if name in _BY_IDENTIFIER:
        system, _, number = value.rpartition("|")
        if not system or not number:
            raise MalformedInput(
                f"{name}: give system|value; an identifier without its system is nobody's",
                field=name,
                reason="bad_identifier",
            )
        return [pseudonym(system, number)]
    last = value.rpartition("/")[2]
    if not is_id(value) and not is_reference(value):
        raise MalformedInput(
            f"{name}: give Patient/ID, or better {name}:identifier as system|value",
            field=name,
            reason="bad_reference",
        )
    return [pseudonym("", one) for one in {value, f"Patient/{last}"}]


def _not_by_reference() -> MalformedInput:
    return MalformedInput(
        "No prediction of this client was recorded under this reference, which doesn't mean that "
        "there is none of the patient: where the Patient had an identifier, predictions are known "
        "by that alone. Search by subject:identifier as system|value.",
        field="subject",
        reason="not_by_reference",
    )


def _method_filter(text: str, others: Mapping[str, Any]) -> dict[str, list[str]]:
    """Return the filter for a method as code or system|code, or for one of several with commas.

    Where it's given more than once, all have to hold.
    """
    parts = [one.rpartition("|") for one in text.split(",")]
    names = [code for system, bar, code in parts if not bar or system == MODEL_SYSTEM]
    return {"model__in": [one for one in names if one in others.get("model__in", names)]}


def _date_filter(text: str) -> dict[str, datetime]:
    prefix, rest = (text[:2], text[2:]) if text[:2].isalpha() else ("eq", text)
    whole_day = len(rest) == len("2026-01-05")
    try:
        at = msgspec.convert(f"{rest}T00:00:00Z" if whole_day else rest, datetime)
        after = at + (timedelta(days=1) if whole_day else timedelta(microseconds=1))
        at, after = _in_utc(at), _in_utc(after)
        if prefix not in _PREFIXES:
            raise ValueError(prefix)
    except (msgspec.ValidationError, OverflowError, ValueError) as error:
        raise MalformedInput(
            "date is eq, ge, gt, le or lt and a day, or a time with its offset",
            field="date",
            reason="bad_time",
        ) from error
    limits = {
        "eq": {"predicted_at__gte": at, "predicted_at__lt": after},
        "ge": {"predicted_at__gte": at},
        "gt": {"predicted_at__gte": after},
        "le": {"predicted_at__lt": after},
        "lt": {"predicted_at__lt": at},
    }
    return limits[prefix]


def _in_utc(time: datetime) -> datetime:
    if time.tzinfo is None:
        raise ValueError("no offset")
    return time.astimezone(UTC)


def operations() -> list[Operation]:
    """Return the operations that search."""
    base = "/fhir/RiskAssessment"
    return [
        Operation(
            "POST",
            f"{base}/_search",
            search_by_post,
            scopes=("read",),
            summary="Search RiskAssessments, by subject too",
            form=True,
        ),
        Operation("GET", base, search, scopes=("read",), summary="Search RiskAssessments"),
    ]
