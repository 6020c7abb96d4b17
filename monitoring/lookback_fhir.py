"""What a fault touched as a FHIR R4 Bundle, for the systems that hold the recorded risks.

The recorded predictions stay as they are. So none of these assessments is `final` or `amended`,
none has an id of theirs, and the identifier of the prediction is a secondary one: nobody takes what
a risk would have been for the risk that was given, or puts it into its place.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, BinaryIO, Final, Literal
from uuid import UUID, uuid5

import msgspec

from models.definition import NOT_FOR_CLINICAL_USE, Status
from models.errors import RecordError
from models.feature import Feature
from models.fhir_risk import (
    MODEL_REFERENCE,
    URL,
    device,
    identifier,
    method,
    predicted,
    provenance,
    pseudonym,
)
from models.risk_model import RiskModel
from monitoring.lookback import Affected, Correction

LOOKBACK_URL: Final = f"{URL}/StructureDefinition/lookback"
UCUM = "http://unitsofmeasure.org"
UNCHANGED = "The recorded prediction is unchanged."
NO_PSEUDONYM = "a patient without an identifier"


@dataclass(frozen=True)
class Look:
    """What was looked back at, with which version, and when."""

    model: RiskModel
    feature: str
    correction: Correction | None
    at: datetime


def check_shareable(model: RiskModel) -> None:
    """Raise RecordError for a model in silent evaluation, whose risks no other system may show."""
    if model.definition.status is Status.SILENT:
        raise RecordError(
            f"{model.definition.name} is in silent evaluation, and its risks are shown to nobody: "
            "FHIR is for other systems; write a .csv"
        )


def write_fhir(found: list[Affected], look: Look, target: BinaryIO) -> None:
    """Write a Bundle of type collection with an assessment for each prediction, in that order.

    One after the other, so that a long list takes no memory. Raises RecordError as
    `check_shareable`.
    """
    check_shareable(look.model)
    head = {"resourceType": "Bundle", "type": "collection", "timestamp": look.at.isoformat()}
    target.write(msgspec.json.encode(head)[:-1])
    for place, one in enumerate(found):
        target.write(b',"entry":[\n' if not place else b",\n")
        target.write(msgspec.json.encode(_entry(one, look)))
    target.write(b"\n]}\n" if found else b"}\n")


def assessment(one: Affected, look: Look) -> dict[str, Any]:
    """Return one prediction as it would have been, as a RiskAssessment.

    `preliminary` is a risk by the corrected value; `cancelled`, without a risk, is that there would
    be no score; `unknown`, without a risk, that nothing was scored again.
    """
    model, status = look.model, _status(one)
    recorded = identifier(UUID(one.prediction_id))
    resource: dict[str, Any] = {
        "resourceType": "RiskAssessment",
        "id": str(_id(one, look)),
        "contained": [
            device(model),
            provenance(look.at, [{"role": "derivation", "what": {"identifier": recorded}}]),
        ],
        "extension": [_looked_back(one, look)],
        "identifier": [{"use": "secondary", **recorded}],
        "status": status,
        "method": method(model),
        "subject": pseudonym(one.patient) if one.patient else {"display": NO_PSEUDONYM},
        "occurrenceDateTime": one.predicted_at,
        "performer": MODEL_REFERENCE,
        "note": [{"text": words} for words in _notes(one, look)],
    }
    if status == "preliminary" and one.corrected_risk is not None:
        band = model.definition.band(one.corrected_risk)
        at = datetime.fromisoformat(one.predicted_at)
        resource["prediction"] = [predicted(model.definition, one.corrected_risk, band, at)]
    return resource


def _entry(one: Affected, look: Look) -> dict[str, Any]:
    return {"fullUrl": f"urn:uuid:{_id(one, look)}", "resource": assessment(one, look)}


def _id(one: Affected, look: Look) -> UUID:
    """Return an id that is another than the prediction's, and the same for the same question."""
    asked = look.correction.text if look.correction else ""
    return uuid5(UUID(one.prediction_id), f"lookback {look.feature} {asked}")


def _status(one: Affected) -> Literal["preliminary", "cancelled", "unknown"]:
    if one.no_score:
        return "cancelled"
    return "unknown" if one.corrected_risk is None else "preliminary"


def _looked_back(one: Affected, look: Look) -> dict[str, Any]:
    """Return what was recorded, where it was asked for, and the value that was corrected."""
    feature = look.model.definition.by_name[look.feature]
    parts: list[dict[str, Any]] = [
        {"url": "feature", "valueCode": feature.name},
        {"url": "recordedValue", **_value(feature, one.value)},
        {"url": "recordedRisk", "valueDecimal": one.risk},
        {"url": "recordedBand", "valueCode": one.band},
    ]
    origin = {"site": one.site, "client": one.client, "ward": one.ward}
    # FHIR has no empty string
    parts += [{"url": name, "valueString": value} for name, value in origin.items() if value]
    # JSON has no number that isn't finite
    if one.corrected_value is not None and math.isfinite(one.corrected_value):
        parts.append({"url": "correctedValue", **_value(feature, one.corrected_value)})
    if one.band_changed is not None:
        parts.append({"url": "bandChanged", "valueBoolean": one.band_changed})
    return {"url": LOOKBACK_URL, "extension": parts}


def _value(feature: Feature, value: float | str) -> dict[str, Any]:
    if isinstance(value, str):
        return {"valueCode": value}
    unit = {"system": UCUM, "code": feature.unit} if feature.unit else {}
    return {"valueQuantity": {"value": value, **unit}}


def _notes(one: Affected, look: Look) -> Iterator[str]:
    definition = look.model.definition
    if definition.for_demonstration:
        yield NOT_FOR_CLINICAL_USE.capitalize()
    title = definition.by_name[look.feature].title
    band = next(band for band in definition.bands if band.name == one.band)
    recorded = f"Recorded were p={one.risk!r} and {band.title!r}. {UNCHANGED}"
    if look.correction is None:
        yield f"{title} is under suspicion, and nothing was scored again. {recorded}"
        return
    asked = f"{title} should have been {look.correction.text}, x being the recorded value"
    if one.no_score:
        yield f"{asked}: there would be no score ({one.no_score}). {recorded}"
        return
    change = "another band" if one.band_changed else "the same band"
    yield f"{asked}: this is what the risk would have been, in {change}. {recorded}"
