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
CONTRIBUTED = " contributed %+.2f to the score"


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
    title, unit = feature.title, feature.unit
    if type(value) is float:
        words = _sentence(title, feature.decimals, unit) % (value, amount)
    else:
        words = value_in_words(feature, value) + CONTRIBUTED % amount
    return Contribution(feature.name, title, value, unit, amount, words)


def value_in_words(feature: Feature, value: float | str | None) -> str:
    """Return a feature with its value as a clinician would read it."""
    if value is None:
        return f"{feature.title} (no value)"
    if isinstance(value, str):
        return f"{feature.title}: {feature.categories[value]}"
    return _number_words(feature.title, feature.decimals, feature.unit) % value


@cache
def _number_words(title: str, decimals: int, unit: str | None) -> str:
    """Return the words of a feature, to be formatted with its number by `%`."""
    before, after = (words.replace("%", "%%") for words in number_words(title, unit))
    return f"{before}%.{decimals}f{after}"


def number_words(title: str, unit: str | None) -> tuple[str, str]:
    """Return what stands before and after a feature's number, for people."""
    return f"{title} ", f" {unit_words(unit or '1')}".rstrip()


@cache
def _sentence(title: str, decimals: int, unit: str | None) -> str:
    """Return the words of a contribution, to be formatted with number and amount by `%`."""
    return _number_words(title, decimals, unit) + CONTRIBUTED
