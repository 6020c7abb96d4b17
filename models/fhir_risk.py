"""What every RiskAssessment says in FHIR's terms: which model, whose prediction, and what risk."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from models.definition import Band, Definition
from models.fhir_names import is_reference
from models.risk_model import RiskModel

URL = "https://auscult.example.org/fhir"
MODEL_SYSTEM = f"{URL}/CodeSystem/model"
PSEUDONYMS = f"{URL}/pseudonym"
UUID_SYSTEM = "urn:ietf:rfc:3986"
RISK_CODES = "http://terminology.hl7.org/CodeSystem/risk-probability"
PARTICIPANT_TYPES = "http://terminology.hl7.org/CodeSystem/provenance-participant-type"
PERCENT_DECIMALS = 2
MODEL_REFERENCE = {"reference": "#model"}


def identifier(id_: UUID) -> dict[str, str]:
    """Return the identifier of a prediction, which what replaces it has too (FHIR-1)."""
    return {"system": UUID_SYSTEM, "value": f"urn:uuid:{id_}"}


def source(name: str) -> dict[str, str]:
    """Return what was used, as a reference, or in words where it has a place in a Bundle only."""
    return {"reference": name} if is_reference(name) else {"display": name}


def pseudonym(patient: str) -> dict[str, Any]:
    """Return a subject that is known by its pseudonym only."""
    return {"identifier": {"system": PSEUDONYMS, "value": patient}}


def method(model: RiskModel) -> dict[str, Any]:
    """Return by which version of which model a risk was computed."""
    coding = {
        "system": MODEL_SYSTEM,
        "code": model.definition.name,
        "version": model.version,
        "display": model.definition.title,
    }
    return {"coding": [coding]}


def device(model: RiskModel) -> dict[str, Any]:
    """Return the model as a Device, with its digests."""
    return {
        "resourceType": "Device",
        "id": MODEL_REFERENCE["reference"].removeprefix("#"),
        "identifier": [
            {"system": f"{URL}/artefact-digest", "value": model.artefact_digest},
            {"system": f"{URL}/definition-digest", "value": model.definition_digest},
        ],
        "deviceName": [{"name": model.definition.title, "type": "model-name"}],
        "version": [{"value": model.version}],
    }


def provenance(recorded_at: datetime, entities: list[dict[str, Any]]) -> dict[str, Any]:
    """Return that the model made the containing resource from these entities (FHIR-15)."""
    return {
        "resourceType": "Provenance",
        "id": "provenance",
        "target": [{"reference": "#"}],
        "recorded": recorded_at.isoformat(),
        "agent": [
            {
                "type": {"coding": [{"system": PARTICIPANT_TYPES, "code": "assembler"}]},
                "who": MODEL_REFERENCE,
            }
        ],
        "entity": entities,
    }


def predicted(
    definition: Definition, risk: float, band: Band, predicted_at: datetime, words: str = ""
) -> dict[str, Any]:
    """Return a RiskAssessment's `prediction`, with `words` after the risk in its rationale.

    `probabilityDecimal` is a percentage (FHIR R4's own comment), rounded to PERCENT_DECIMALS;
    the rationale repeats the risk as a proportion.
    """
    outcome = definition.outcome
    coded: dict[str, Any] = {"text": outcome.title}
    if outcome.codes:
        coded["coding"] = [code.model_dump() for code in outcome.codes]
    end = predicted_at + timedelta(days=outcome.horizon_days)
    return {
        "outcome": coded,
        "probabilityDecimal": round(100 * risk, PERCENT_DECIMALS),
        "qualitativeRisk": {
            "coding": [{"system": RISK_CODES, "code": band.qualitative}],
            "text": band.title,
        },
        "whenPeriod": {"start": predicted_at.isoformat(), "end": end.isoformat()},
        "rationale": f"p={risk!r}" + (f"; {words}" if words else ""),
    }
