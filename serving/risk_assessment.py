"""A prediction as a FHIR R4 RiskAssessment, with the model as a contained Device."""

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID

from models.definition import Status
from models.readings import Finding
from serving.answer import NOT_FOR_CLINICAL_USE, SILENT, Contribution, contributions
from serving.prediction import Prediction

URL = "https://auscult.example.org/fhir"
CONTRIBUTION_URL = f"{URL}/StructureDefinition/score-contribution"
BASE_URL = f"{URL}/StructureDefinition/score-base"
UUID_SYSTEM = "urn:ietf:rfc:3986"
RISK_CODES = "http://terminology.hl7.org/CodeSystem/risk-probability"
PARTICIPANT_TYPES = "http://terminology.hl7.org/CodeSystem/provenance-participant-type"
PERCENT_DECIMALS = 2
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
    """Return the RiskAssessment; a silent model's has no risk in it.

    `probabilityDecimal` is a percentage (FHIR R4's own comment), rounded to PERCENT_DECIMALS;
    the rationale repeats the risk as a proportion.
    """
    model = prediction.model
    definition = model.definition
    shown = issue.shown and definition.status is not Status.SILENT
    about = contributions(definition, prediction.risk) if issue.explained and shown else []
    resource: dict[str, Any] = {
        "resourceType": "RiskAssessment",
        "id": str(prediction.id),
        "contained": [device(prediction), _provenance(prediction)],
        "identifier": [identifier(issue.identifier or prediction.id)],
        "status": issue.status,
        "method": {
            "coding": [
                {
                    "system": f"{URL}/CodeSystem/model",
                    "code": definition.name,
                    "version": model.version,
                    "display": definition.title,
                }
            ]
        },
        "subject": issue.subject or {"display": "the Bundle's subject"},
        "occurrenceDateTime": prediction.predicted_at.isoformat(),
        "performer": {"reference": "#model"},
    }
    if about:
        resource["extension"] = _extensions(prediction, about)
    if prediction.risk.features.sources:
        resource["basis"] = [{"reference": name} for name in prediction.risk.features.sources]
    if shown:
        resource["prediction"] = [_prediction(prediction, about)]
        resource["mitigation"] = prediction.risk.band.action
    notes = _notes(prediction)
    if notes:
        resource["note"] = [{"text": text} for text in notes]
    return resource


def identifier(id_: UUID) -> dict[str, str]:
    """Return the identifier of a prediction, which what replaces it has too (FHIR-1)."""
    return {"system": UUID_SYSTEM, "value": f"urn:uuid:{id_}"}


def device(prediction: Prediction) -> dict[str, Any]:
    """Return the model as a Device, with its digests."""
    model = prediction.model
    return {
        "resourceType": "Device",
        "id": "model",
        "identifier": [
            {"system": f"{URL}/artefact-digest", "value": model.artefact_digest},
            {"system": f"{URL}/definition-digest", "value": model.definition_digest},
        ],
        "deviceName": [{"name": model.definition.title, "type": "model-name"}],
        "version": [{"value": model.version}],
    }


def _provenance(prediction: Prediction) -> dict[str, Any]:
    """Return what the prediction was made by and from (FHIR-15)."""
    digest = {"system": f"{URL}/artefact-digest", "value": prediction.model.artefact_digest}
    sources: list[dict[str, Any]] = [{"identifier": digest}]
    sources += [{"reference": name} for name in prediction.risk.features.sources]
    return {
        "resourceType": "Provenance",
        "id": "provenance",
        "target": [{"reference": "#"}],
        "recorded": prediction.recorded_at.isoformat(),
        "agent": [
            {
                "type": {"coding": [{"system": PARTICIPANT_TYPES, "code": "assembler"}]},
                "who": {"reference": "#model"},
            }
        ],
        "entity": [{"role": "source", "what": one} for one in sources],
    }


def _prediction(prediction: Prediction, about: list[Contribution]) -> dict[str, Any]:
    outcome = prediction.model.definition.outcome
    risk, band = prediction.risk.explanation.risk, prediction.risk.band
    end = prediction.predicted_at + timedelta(days=outcome.horizon_days)
    coded: dict[str, Any] = {"text": outcome.title}
    if outcome.codes:
        coded["coding"] = [code.model_dump() for code in outcome.codes]
    words = "; ".join(one.words for one in about[:_IN_WORDS])
    return {
        "outcome": coded,
        "probabilityDecimal": round(100 * risk, PERCENT_DECIMALS),
        "qualitativeRisk": {
            "coding": [{"system": RISK_CODES, "code": band.qualitative}],
            "text": band.title,
        },
        "whenPeriod": {
            "start": prediction.predicted_at.isoformat(),
            "end": end.isoformat(),
        },
        "rationale": f"p={risk!r}" + (f"; {words}" if words else ""),
    }


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
