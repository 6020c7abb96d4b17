"""The search for recorded predictions as FHIR: by date, method and subject."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import UUID

from anyio import to_thread

from models.errors import MalformedInput
from serving.fhir_criteria import (
    BY_IDENTIFIER,
    BY_PATIENT,
    Criteria,
    SearchForm,
    is_of_patient,
    read_criteria,
)
from serving.fhir_form import fhir_answer
from serving.fhir_paging import PAGE, Page, links, read_page, unknown_page
from serving.fhir_records import issue_of, restored
from serving.message import Answer
from serving.operation import Call, Operation
from serving.past import Standing, connected, standing_of
from serving.problems import MethodNotAllowed, NotServedHere
from serving.query import read_query
from serving.risk_assessment import risk_assessment

if TYPE_CHECKING:
    from django.db.models import QuerySet

    from records.models import Client
    from records.models import Prediction as Record

_FIRST_ONLY = (
    "No prediction of this client was made for this identifier. A prediction is known by the first "
    "identifier that its Patient had, with system and value, or by the reference where it had none."
)
_WITHOUT_IDENTIFIER = (
    "There may be more predictions of this patient: by reference only those are found whose "
    "Patient had no identifier. Search by subject:identifier as system|value for the others."
)
_OTHER_DEFINITION = (
    "Of the predictions found, {count} can't be shown here, since the definition that made "
    "them isn't in the package that answers here; read them by /v1/predictions."
)


class Found(NamedTuple):
    """The matches of one page, how many there are in all, and where the next page begins."""

    matches: list[tuple[Record, Standing]]
    total: int
    following: Page | None


async def search(call: Call) -> Answer:
    """Search this client's predictions by date and method; by subject use POST _search."""
    return await _search(call, _in_address(call))


async def search_by_post(call: Call) -> Answer:
    """Search this client's predictions, by subject too: its identifier as system|value.

    By reference (`Patient/ID`) only those are found whose Patient had no identifier. What the
    address asks beside the body counts as well (R4, http.html#search), but for the subject.
    """
    given = _in_address(call)
    return await _search(call, [*given, *read_query(await call.body())])


def _in_address(call: Call) -> list[tuple[str, str]]:
    """Return what the address asks; raise MethodNotAllowed where it names a patient (PHI-5)."""
    given = call.asked()
    if any(is_of_patient(name) for name, _ in given):
        # an address ends up in logs and histories
        raise MethodNotAllowed(
            "search by subject with POST to _search, the subject in the body and not in the "
            "address",
            allow="POST",
        )
    return given


async def _search(call: Call, given: Sequence[tuple[str, str]]) -> Answer:
    criteria = read_criteria(call, given)
    page = read_page(criteria.page) if criteria.page else None
    found, total, following = await to_thread.run_sync(_find, call.caller, criteria, page)
    names = {name for name, _ in given}
    if not total and names & {*BY_PATIENT}:
        raise _not_by_reference()
    entries: list[dict[str, Any]] = []
    hidden = explained = 0
    for one, standing in found:
        issue = issue_of(call, one, standing)
        try:
            resource = risk_assessment(await restored(one, call.premises), issue)
        except NotServedHere:
            hidden += 1
            continue
        explained += issue.explained and issue.shown
        address = f"{call.fhir_base}/RiskAssessment/{one.id}"
        match = {"fullUrl": address, "resource": resource, "search": {"mode": "match"}}
        entries.append(match)
    if explained:
        call.premises.limits.take_explanations(call.caller, call.now, explained)
    if hidden:
        entries.append(_warning(_OTHER_DEFINITION.format(count=hidden)))
    if names & {*BY_PATIENT}:
        entries.append(_warning(_WITHOUT_IDENTIFIER))
    if not total and names & {*BY_IDENTIFIER}:
        entries.append(_warning(_FIRST_ONLY))
    bundle = {"resourceType": "Bundle", "type": "searchset", "total": total}
    bundle["link"] = links(call, given, following)
    return fhir_answer({**bundle, "entry": entries} if entries else bundle)


def _not_by_reference() -> MalformedInput:
    return MalformedInput(
        "No prediction of this client was recorded under this reference, which doesn't mean that "
        "there is none of the patient: where the Patient had an identifier, predictions are known "
        "by that alone. Search by subject:identifier as system|value.",
        field="subject",
        reason="not_by_reference",
    )


def _warning(words: str) -> dict[str, Any]:
    """Return what is to be known of a search, as an entry of its Bundle."""
    issue = {"severity": "warning", "code": "incomplete", "details": {"text": words}}
    outcome = {"resourceType": "OperationOutcome", "issue": [issue]}
    return {"resource": outcome, "search": {"mode": "outcome"}}


def _find(client: Client, criteria: Criteria, page: Page | None) -> Found:
    # here, since Django's models can only be imported once Django is set up
    from django.db.models import Q

    from records.clients import keys_of
    from records.models import Prediction as Record

    with connected():
        rows: QuerySet[Record] = Record.objects.filter(client__in=keys_of(client))
        owners = () if page is None else page.owners
        for patients in (criteria.patients, _patients_of(rows, owners)):
            if patients:
                rows = rows.filter(patient__in=patients)
        for one in criteria.filters:
            rows = rows.filter(**one)
        total, later = rows.count(), rows.order_by("-predicted_at", "id")
        if page is not None:
            behind = Q(predicted_at=page.at, id__gt=page.id)
            later = later.filter(behind | Q(predicted_at__lt=page.at))
        newest = list(later[: criteria.count + 1])
        shown = newest[: criteria.count]
        following = None
        if shown and len(newest) > len(shown):
            firsts = (rows.filter(patient=one).order_by("id").first() for one in criteria.patients)
            owners = owners or tuple(one.id for one in firsts if one is not None)
            following = Page(shown[-1].predicted_at, shown[-1].id, owners)
        return Found([(one, standing_of(one)) for one in shown], total, following)


def _patients_of(rows: QuerySet[Record], owners: Sequence[UUID]) -> frozenset[str]:
    """Return whose these predictions are; raise MalformedInput for one that isn't the client's."""
    found = dict(rows.filter(id__in=owners).values_list("id", "patient")) if owners else {}
    if len(found) < len(owners):
        raise unknown_page()
    return frozenset(found.values())


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
            request=[SearchForm],
            form=True,
            sees_to_query=True,
        ),
        Operation(
            "GET",
            base,
            search,
            scopes=("read",),
            summary="Search RiskAssessments",
            query=("date", "method", "_count", PAGE),
            sees_to_query=True,
        ),
    ]
