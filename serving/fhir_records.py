"""Recorded predictions as FHIR: read, searched, replaced and withdrawn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

import msgspec
import numpy as np
from anyio import to_thread

from models.errors import MalformedInput, UnusableValue
from models.features import FeatureSet
from models.fhir_risk import pseudonym
from models.readings import Finding
from models.risk_model import ExplainedRisk, RiskModel
from models.scoring.scorer import Explanation
from records.rows import AmendmentRow
from serving.fhir_capability import operation_definition
from serving.fhir_form import fhir_answer, in_profile
from serving.message import Answer
from serving.operation import Call, Operation
from serving.past import WITHDRAWN, Standing, find_own, find_standing, standing_of
from serving.prediction import Prediction, record
from serving.premises import Premises
from serving.problems import MethodNotAllowed, NotServedHere
from serving.risk_assessment import Issue, risk_assessment

if TYPE_CHECKING:
    from django.db.models import QuerySet

    from records.models import Client
    from records.models import Prediction as Record

DEFAULT_COUNT, MAX_COUNT = 50, 500
_PREFIXES = ("eq", "ge", "gt", "le", "lt")
_BY_PATIENT = ("subject", "patient")


async def read_risk_assessment(call: Call) -> Answer:
    """Read a past prediction of this client as a RiskAssessment."""
    found = await find_own(call)
    standing = await find_standing(found)
    return fhir_answer(
        in_profile(call, restored(found, call.premises), _issue(call, found, standing))
    )


async def search(call: Call) -> Answer:
    """Search this client's predictions by date and method; by subject use POST _search."""
    given = parse_qsl(call.scope["query_string"].decode("latin-1"), keep_blank_values=True)
    if any(name.partition(":")[0].partition(".")[0] in _BY_PATIENT for name, _ in given):
        # an address ends up in logs and histories (PHI-5)
        raise MethodNotAllowed("search by subject with POST to _search", allow="POST")
    return await _search(call, given)


async def search_by_post(call: Call) -> Answer:
    """Search this client's predictions, by subject too: its identifier as system|value."""
    body = (await call.body()).decode("utf-8", "replace")
    return await _search(call, parse_qsl(body, keep_blank_values=True))


async def withdraw(call: Call) -> Answer:
    """Mark a prediction of this client as entered in error; it stays in the records."""
    found = await find_own(call)
    standing = await find_standing(found)
    await record(call.premises, _amendment(call, found, WITHDRAWN, None))
    issue = replace(_issue(call, found, standing), status=WITHDRAWN, shown=False)
    return fhir_answer(in_profile(call, restored(found, call.premises), issue))


async def describe_predict(_: Call) -> Answer:
    """Return the OperationDefinition of $predict."""
    return fhir_answer(operation_definition())


async def amend(call: Call, replaced: Record, by: Prediction) -> None:
    """Record that a prediction replaces another one."""
    await record(call.premises, _amendment(call, replaced, "amended", by))


def check_replaceable(
    call: Call, replaced: Record, model: RiskModel, identifier: tuple[str, str] | None
) -> None:
    """Raise UnusableValue unless the replaced prediction is of this patient and model."""
    patient = call.premises.pseudonymiser.pseudonym(*identifier) if identifier else ""
    if replaced.patient != patient or replaced.model != model.definition.name:
        raise UnusableValue(
            "the prediction to be replaced is of another patient or model",
            field="replaces",
            reason="foreign_subject",
        )


def restored(found: Record, premises: Premises) -> Prediction:
    """Return a recorded prediction as it was; raise NotServedHere for another definition."""
    served = premises.models.get(found.model)
    if served is None or served.model.definition_digest != found.definition_digest:
        raise NotServedHere(
            f"{found.model} version {found.version} was of another definition than is served "
            "here; read it by /v1/predictions"
        )
    model = replace(served.model, version=found.version, artefact_digest=found.artefact_digest)
    findings = tuple(Finding(**one) for one in found.findings)
    features = FeatureSet(
        found.features, np.frombuffer(found.vector, "<f8"), findings, tuple(found.sources)
    )
    amounts = np.frombuffer(found.contributions, "<f8")
    explanation = Explanation(found.risk, found.margin, found.base, amounts)
    band = next(one for one in model.definition.bands if one.name == found.band)
    return Prediction(
        id=found.id,
        model=model,
        risk=ExplainedRisk(features, explanation, band),
        findings=findings,
        predicted_at=found.predicted_at,
        recorded_at=found.recorded_at,
    )


def _issue(call: Call, found: Record, standing: Standing) -> Issue:
    """Return how a record is issued: withdrawn, replacing another, or final."""
    return Issue(
        subject=pseudonym(found.patient) if found.patient else {},
        status=standing.status,
        identifier=standing.first,
        explained="explain" in call.caller.scopes,
        shown=found.shown and standing.holds,
    )


def _amendment(
    call: Call, found: Record, status: str, replacement: Prediction | None
) -> AmendmentRow:
    return AmendmentRow(
        prediction=found.id,
        status=status,
        replacement=replacement.id if replacement else None,
        source="",
        recorded_at=call.now,
        client=call.caller.key_id,
        is_test=call.caller.is_test,
    )


async def _search(call: Call, given: Sequence[tuple[str, str]]) -> Answer:
    filters, count = _filters(call, given)
    found, total = await to_thread.run_sync(_find, call.caller, filters, count)
    entries: list[dict[str, Any]] = []
    for one, standing in found:
        resource = risk_assessment(restored(one, call.premises), _issue(call, one, standing))
        entries.append({"resource": resource, "search": {"mode": "match"}})
    bundle: dict[str, Any] = {"resourceType": "Bundle", "type": "searchset", "total": total}
    return fhir_answer({**bundle, "entry": entries} if entries else bundle)


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
    for name, value in given:
        if name == "date":
            filters |= _date_filter(value)
        elif name == "method":
            filters["model"] = value.rpartition("|")[2]
        elif name in ("subject:identifier", "patient:identifier"):
            system, _, number = value.rpartition("|")
            filters["patient"] = call.premises.pseudonymiser.pseudonym(system, number)
        elif name in _BY_PATIENT:
            reference = value if value.startswith("Patient/") else f"Patient/{value}"
            filters["patient"] = call.premises.pseudonymiser.pseudonym("", reference)
        elif name == "_count" and value.isdigit() and 0 < int(value) <= MAX_COUNT:
            count = int(value)
        else:
            raise MalformedInput(
                "search by date, method, subject, subject:identifier and _count "
                f"(at most {MAX_COUNT})",
                field=name if name in ("_count",) else "query",
                reason="unknown_parameter",
            )
    return filters, count


def _date_filter(text: str) -> dict[str, datetime]:
    prefix, rest = (text[:2], text[2:]) if text[:2].isalpha() else ("eq", text)
    whole_day = len(rest) == len("2026-01-05")
    try:
        at = msgspec.convert(f"{rest}T00:00:00Z" if whole_day else rest, datetime)
    except msgspec.ValidationError:
        at = None
    if at is None or at.tzinfo is None or prefix not in _PREFIXES:
        raise MalformedInput(
            "date is eq, ge, gt, le or lt and a day, or a time with its offset",
            field="date",
            reason="bad_time",
        )
    after = at + (timedelta(days=1) if whole_day else timedelta(microseconds=1))
    limits = {
        "eq": {"predicted_at__gte": at, "predicted_at__lt": after},
        "ge": {"predicted_at__gte": at},
        "gt": {"predicted_at__gte": after},
        "le": {"predicted_at__lt": after},
        "lt": {"predicted_at__lt": at},
    }
    return limits[prefix]


def operations() -> list[Operation]:
    """Return the operations on recorded predictions."""
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
        Operation(
            "POST",
            f"{base}/{{id}}/$withdraw",
            withdraw,
            scopes=("predict",),
            summary="Mark a RiskAssessment as entered in error",
        ),
        Operation(
            "GET", f"{base}/{{id}}", read_risk_assessment, scopes=("read",), summary="Read one"
        ),
        Operation("GET", base, search, scopes=("read",), summary="Search RiskAssessments"),
        Operation(
            "GET",
            "/fhir/OperationDefinition/predict",
            describe_predict,
            scopes=("predict", "read"),
            summary="What $predict takes",
        ),
    ]
