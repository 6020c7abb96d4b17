"""Recorded predictions as FHIR: read, replaced and withdrawn."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any
from uuid import UUID

import numpy as np
from anyio import to_thread

from models.errors import AuscultError, RecordError, UnusableValue
from models.features import FeatureSet
from models.fhir_risk import pseudonym
from models.readings import Finding
from models.risk_model import ExplainedRisk, RiskModel
from models.scoring.scorer import Explanation
from records.rows import AmendmentRow
from serving.earlier import definer_of
from serving.fhir_capability import operation_definition, withdrawal_definition
from serving.fhir_form import fhir_answer, wanted_form
from serving.message import Answer
from serving.no_body import NoParameters, check_no_body
from serving.operation import Call, Operation
from serving.past import REPLACING, WITHDRAWN, Standing, find_own, find_standing
from serving.prediction import Prediction, record
from serving.premises import Premises
from serving.problems import AlreadyReplaced, NotServedHere
from serving.risk_assessment import Issue

if TYPE_CHECKING:
    from records.models import Prediction as Record


async def read_risk_assessment(call: Call) -> Answer:
    """Read a past prediction of this client as a RiskAssessment."""
    form = wanted_form(call)
    found = await find_own(call)
    issue = issue_of(call, found, await find_standing(found))
    answer = form(await restored(found, call.premises), issue)
    if issue.explained and issue.shown:
        call.premises.limits.take_explanations(call.caller, call.now)
    return fhir_answer(answer)


async def withdraw(call: Call) -> Answer:
    """Mark a prediction of this client as entered in error; it stays in the records.

    So it can be whatever is served now: one that can't be shown as a RiskAssessment any more is
    answered with an OperationOutcome that says what was done.
    """
    form = wanted_form(call)
    await check_no_body(call, NoParameters)
    found = await find_own(call)
    standing = await find_standing(found)
    await record(call.premises, _amendment(call, found.id, WITHDRAWN, None))
    issue = replace(issue_of(call, found, standing), status=WITHDRAWN, shown=False)
    try:
        prediction = await restored(found, call.premises)
    except NotServedHere as error:
        return fhir_answer(_withdrawn(found, error))
    return fhir_answer(form(prediction, issue))


def _withdrawn(found: Record, error: NotServedHere) -> dict[str, Any]:
    """Return that a prediction was withdrawn, and why it isn't shown."""
    words = f"the prediction {found.id} was withdrawn and reads {WITHDRAWN} from now on; {error}"
    issue = {"severity": "information", "code": "informational", "details": {"text": words}}
    return {"resourceType": "OperationOutcome", "issue": [issue]}


async def describe_withdraw(call: Call) -> Answer:
    """Return the OperationDefinition of $withdraw."""
    return fhir_answer(withdrawal_definition(call.fhir_base))


async def describe_predict(call: Call) -> Answer:
    """Return the OperationDefinition of $predict."""
    return fhir_answer(operation_definition(call.fhir_base))


async def amend(call: Call, replaced: Record, by: Prediction) -> None:
    """Record that a prediction replaces another one.

    Raises AlreadyReplaced, and withdraws the new one, where another came first.
    """
    amended = _amendment(call, replaced.id, REPLACING, by.id)
    withdrawn = _amendment(call, by.id, WITHDRAWN, None)
    before = await to_thread.run_sync(_replace, amended, withdrawn)
    if before is not None:
        raise _already_replaced(before)


async def tell_without_score(
    call: Call, replaced: Record, error: AuscultError, *, superseded: bool
) -> None:
    """Add to the error what becomes of the prediction that was to be replaced.

    Where the new data of the same patient give no score, the old ones are `superseded`: the
    prediction is withdrawn. Else it stands, which must not go unnoticed.
    """
    if superseded:
        await record(call.premises, _amendment(call, replaced.id, WITHDRAWN, None))
        words = f"the prediction {replaced.id} was withdrawn, since its data were to be replaced"
    else:
        words = (
            f"the prediction {replaced.id} still stands; if its data aren't right, withdraw it by "
            f"POST /fhir/RiskAssessment/{replaced.id}/$withdraw"
        )
    error.args = (f"{error}; {words}",)


async def first_not_replaced(replaced: Record) -> UUID:
    """Return the first of those that a prediction replaced, itself if it did none (FHIR-1).

    Raises AlreadyReplaced where another one replaced it.
    """
    standing = await find_standing(replaced)
    if standing.replaced_by is not None:
        raise _already_replaced(standing.replaced_by)
    return standing.first


def _replace(amended: AmendmentRow, withdrawn: AmendmentRow) -> UUID | None:
    # here, since Django's models can only be imported once Django is set up
    from django.db import DatabaseError, close_old_connections

    from records.amendments import replace as replace_recorded

    close_old_connections()
    try:
        return replace_recorded(amended, withdrawn, amended.recorded_at)
    except DatabaseError as error:
        raise RecordError("the replacement can't be recorded for now") from error
    finally:
        # replacements are rare, and a thread's connection would stay open until its next one
        close_old_connections()


def _already_replaced(by: UUID) -> AlreadyReplaced:
    return AlreadyReplaced(f"the prediction was replaced already, by {by}; replace that one")


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


async def restored(found: Record, premises: Premises) -> Prediction:
    """Return a recorded prediction as it was; raise NotServedHere where its definition is gone."""
    definer = await definer_of(found, premises)
    if definer is None:
        raise NotServedHere(
            f"the definition by which {found.model} version {found.version} predicted isn't in the "
            "package that answers here; read it by /v1/predictions"
        )
    model = replace(definer, version=found.version, artefact_digest=found.artefact_digest)
    findings = tuple(Finding(**one) for one in found.findings)
    features = FeatureSet(
        found.features,
        np.frombuffer(found.vector, "<f8"),
        findings,
        tuple(found.sources),
        found.codes,
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


def issue_of(call: Call, found: Record, standing: Standing) -> Issue:
    """Return how a record is issued: withdrawn, replacing another, or final."""
    return Issue(
        subject=pseudonym(found.patient) if found.patient else {},
        status=standing.status,
        identifier=standing.first,
        explained="explain" in call.caller.scopes,
        shown=found.shown and standing.holds,
    )


def _amendment(call: Call, prediction: UUID, status: str, replacement: UUID | None) -> AmendmentRow:
    return AmendmentRow(
        prediction=prediction,
        status=status,
        replacement=replacement,
        source="",
        recorded_at=call.now,
        client=call.caller.key_id,
        is_test=call.caller.is_test,
    )


def operations() -> list[Operation]:
    """Return the operations on recorded predictions."""
    base = "/fhir/RiskAssessment"
    return [
        Operation(
            "POST",
            f"{base}/{{id}}/$withdraw",
            withdraw,
            scopes=("predict",),
            summary="Mark a RiskAssessment as entered in error",
            query=("_profile",),
        ),
        Operation(
            "GET",
            f"{base}/{{id}}",
            read_risk_assessment,
            scopes=("read",),
            summary="Read one",
            query=("_profile",),
        ),
        Operation(
            "GET",
            "/fhir/OperationDefinition/predict",
            describe_predict,
            scopes=("predict", "read"),
            summary="What $predict takes",
        ),
        Operation(
            "GET",
            "/fhir/OperationDefinition/withdraw",
            describe_withdraw,
            scopes=("predict", "read"),
            summary="What $withdraw does",
        ),
    ]
