"""The JSON answer to a prediction: the risk, its band, and what contributed to it, in words."""

from collections.abc import Sequence
from datetime import datetime
from functools import cache

import msgspec

from models.definition import NOT_FOR_CLINICAL_USE, Definition, Status
from models.feature import Feature
from models.readings import Finding
from models.risk_model import ExplainedRisk, RiskModel
from models.units import unit_words

SILENT = "silent evaluation: the risk is recorded and not shown"
CONTRIBUTED = " contributed %s to the score"
# in the place of an amount that two decimals would show as nought, with a sign
NOTHING, LITTLE = "nothing", "less than 0.01"


class ModelAnswer(msgspec.Struct, frozen=True, omit_defaults=True):
    """Which model answered."""

    name: str
    title: str
    version: str
    status: Status
    artefact_digest: str
    definition_digest: str
    notice: str = ""


class BandAnswer(msgspec.Struct, frozen=True):
    """The band that the risk falls into, and the action that it asks for."""

    name: str
    title: str
    action: str


class Contribution(msgspec.Struct, frozen=True, gc=False):
    """What one feature contributed to the score, on the log-odds scale."""

    feature: str
    title: str
    value: float | str | None
    unit: str | None
    contribution: float
    words: str


class HorizonAnswer(msgspec.Struct, frozen=True):
    """Until when, and of what, the risk is."""

    outcome: str
    days: int


class PredictionAnswer(msgspec.Struct, omit_defaults=True):
    """The answer; without the scope `explain`, or in silent evaluation, parts are left out.

    logit(risk) = base + the sum of all contributions.
    """

    prediction_id: str
    model: ModelAnswer
    predicted_at: datetime
    recorded_at: datetime
    horizon: HorizonAnswer
    missing: list[str]
    findings: list[Finding]
    risk: float | msgspec.UnsetType = msgspec.UNSET
    band: BandAnswer | msgspec.UnsetType = msgspec.UNSET
    base: float | msgspec.UnsetType = msgspec.UNSET
    contributions: list[Contribution] | msgspec.UnsetType = msgspec.UNSET


def describe_model(model: RiskModel) -> ModelAnswer:
    """Say which model answers, and that it's not for clinical use where that is so."""
    definition = model.definition
    notice = NOT_FOR_CLINICAL_USE if definition.for_demonstration else ""
    if definition.status is Status.SILENT:
        notice = SILENT
    return ModelAnswer(
        name=definition.name,
        title=definition.title,
        version=model.version,
        status=definition.status,
        artefact_digest=model.artefact_digest,
        definition_digest=model.definition_digest,
        notice=notice,
    )


def describe_horizon(definition: Definition) -> HorizonAnswer:
    """Say until when, and of what, the risk is."""
    return HorizonAnswer(definition.outcome.title, definition.outcome.horizon_days)


def missing_features(findings: Sequence[Finding]) -> list[str]:
    """Return the features without a usable value, by name."""
    return [finding.feature for finding in findings if finding.kind in ("missing", "excluded")]


def contributions(
    definition: Definition, risk: ExplainedRisk, most: int | None = None
) -> list[Contribution]:
    """Return every feature's contribution in clinical words, or the `most` largest, those first."""
    features, amounts = definition.features, risk.explanation.contributions.tolist()
    sizes = [abs(amount) for amount in amounts]
    largest = sorted(range(len(features)), key=sizes.__getitem__, reverse=True)[:most]
    values = risk.features.values
    return [_contribution(features[i], values[features[i].name], amounts[i]) for i in largest]


def _contribution(feature: Feature, value: float | str | None, amount: float) -> Contribution:
    words = value_in_words(feature, value) + CONTRIBUTED % _amount_in_words(amount)
    return Contribution(feature.name, feature.title, value, feature.unit, amount, words)


def _amount_in_words(amount: float) -> str:
    words = f"{amount:+.2f}"
    if words[1:] != "0.00":
        return words
    return LITTLE if amount else NOTHING


def value_in_words(feature: Feature, value: float | str | None) -> str:
    """Return a feature with its value as a clinician would read it."""
    if value is None:
        return f"{feature.title} (no value)"
    if isinstance(value, str):
        return f"{feature.title}: {feature.categories[value]}"
    number = f"{value:z.{feature.decimals}f}"
    before, after, after_one = number_words(feature.title, feature.unit)
    return before + number + (after_one if number == "1" else after)


@cache
def number_words(title: str, unit: str | None) -> tuple[str, str, str]:
    """Return what stands before and after a feature's number, and after a bare 1, for people."""
    after, after_one = (f" {unit_words(unit or '1', number)}".rstrip() for number in ("2", "1"))
    return f"{title} ", after, after_one
