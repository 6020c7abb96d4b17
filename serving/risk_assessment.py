"""A prediction as a FHIR R4 RiskAssessment, with the model as a contained Device."""

from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from models.definition import NOT_FOR_CLINICAL_USE, Status
from models.fhir_risk import (
    MODEL_REFERENCE,
    URL,
    device,
    identifier,
    method,
    predicted,
    provenance,
    source,
)
from models.readings import Finding
from serving.answer import SILENT, Contribution, contributions
from serving.prediction import Prediction

CONTRIBUTION_URL = f"{URL}/StructureDefinition/score-contribution"
BASE_URL = f"{URL}/StructureDefinition/score-base"
_IN_WORDS = 3


@dataclass(frozen=True, slots=True)
class Issue:
    """How a prediction is issued: FHIR's status, and the identifier of the one it replaces."""

    subject: dict[str, Any] = field(default_factory=dict)
    status: str = "final"
    identifier: UUID | None = None
    explained: bool = False
    shown: bool = True


def risk_assessment(prediction: Prediction, issue: Issue) -> dict[str, Any]:
    """Return the RiskAssessment; a silent model's has no risk in it."""
    model = prediction.model
    definition = model.definition
    shown = issue.shown and definition.status is not Status.SILENT
    about = contributions(definition, prediction.risk) if issue.explained and shown else []
    resource: dict[str, Any] = {
        "resourceType": "RiskAssessment",
        "id": str(prediction.id),
        "contained": [device(model), _provenance(prediction)],
        "identifier": [identifier(issue.identifier or prediction.id)],
        "status": issue.status,
        "method": method(model),
        "subject": issue.subject or {"display": "the Bundle's subject"},
        "occurrenceDateTime": prediction.predicted_at.isoformat(),
        "performer": MODEL_REFERENCE,
    }
    if about:
        resource["extension"] = _extensions(prediction, about)
    if prediction.risk.features.sources:
        resource["basis"] = [source(name) for name in prediction.risk.features.sources]
    if shown:
        resource["prediction"] = [_prediction(prediction, about)]
        resource["mitigation"] = prediction.risk.band.action
    notes = _notes(prediction)
    if notes:
        resource["note"] = [{"text": text} for text in notes]
    return resource


def _provenance(prediction: Prediction) -> dict[str, Any]:
    """Return what the prediction was made by and from (FHIR-15)."""
    digest = {"system": f"{URL}/artefact-digest", "value": prediction.model.artefact_digest}
    sources: list[dict[str, Any]] = [{"identifier": digest}]
    sources += [source(name) for name in prediction.risk.features.sources]
    entities = [{"role": "source", "what": one} for one in sources]
    return provenance(prediction.recorded_at, entities)


def _prediction(prediction: Prediction, about: list[Contribution]) -> dict[str, Any]:
    words = "; ".join(one.words for one in about[:_IN_WORDS])
    risk = prediction.risk
    return predicted(
        prediction.model.definition,
        risk.explanation.risk,
        risk.band,
        prediction.predicted_at,
        words,
    )


def _extensions(prediction: Prediction, about: list[Contribution]) -> list[dict[str, Any]]:
    base: dict[str, Any] = {"url": BASE_URL, "valueDecimal": prediction.risk.explanation.base}
    return [base] + [
        {
            "url": CONTRIBUTION_URL,
            "extension": [
                {"url": "feature", "valueCode": one.feature},
                {"url": "contribution", "valueDecimal": one.contribution},
                {"url": "words", "valueString": one.words},
            ],
        }
        for one in about
    ]


def _notes(prediction: Prediction) -> list[str]:
    status = prediction.model.definition.status
    marks = {Status.DEMONSTRATION: NOT_FOR_CLINICAL_USE.capitalize(), Status.SILENT: SILENT}
    notes = [marks[status]] if status in marks else []
    return notes + [_finding_in_words(finding) for finding in prediction.findings]


def _finding_in_words(finding: Finding) -> str:
    return f"{finding.kind.capitalize()}: {finding.words}"
