"""Cards: a risk in clinical words, or that there is none and what to do then."""

import re
from collections.abc import Sequence
from typing import Any
from uuid import UUID, uuid5

from models.cds_hooks import CdsHooks
from models.definition import Definition
from models.readings import Finding
from models.risk_model import RiskModel
from serving.answer import NOT_FOR_CLINICAL_USE, contributions
from serving.prediction import Prediction

SUMMARY_LENGTH = 139  # CDS-11: below 140 characters
TOP = 3
_MARKDOWN = re.compile(r"([\\`*_\[\]<>#|~&])")
_SAID = ("missing", "excluded", "flagged")


def risk_cards(
    prediction: Prediction, about: CdsHooks, console_url: str | None
) -> list[dict[str, Any]]:
    """Return the card of a risk, or none where its band asks for none and nothing is missing."""
    definition, band = prediction.model.definition, prediction.risk.band
    said = [one for one in prediction.findings if one.kind in _SAID]
    names = [one.name for one in definition.bands]
    asked = names.index(band.name) >= names.index(about.card_from)
    if not asked and not said:
        return []
    risk = f"{100 * prediction.risk.explanation.risk:.1f} %"
    incomplete = ", incomplete" if any(one.kind != "flagged" for one in said) else ""
    card: dict[str, Any] = {
        "uuid": str(prediction.id),
        "summary": _summary(definition, f"{definition.title}: {risk} ({band.title}{incomplete})"),
        "indicator": band.indicator if asked else "info",
        "detail": _detail(prediction, said),
        "source": {"label": f"{definition.title}, version {prediction.model.version}"},
        "suggestions": [{"label": band.action, "uuid": str(suggestion_id(prediction.id))}],
        "selectionBehavior": "at-most-one",
    }
    if about.override_reasons:
        card["overrideReasons"] = [one.model_dump() for one in about.override_reasons]
    if console_url is not None:
        address = f"{console_url.rstrip('/')}/predictions/{prediction.id}/"
        card["links"] = [{"label": "How this risk came about", "url": address, "type": "absolute"}]
    return [card]


def no_score_card(model: RiskModel, about: CdsHooks, because: str, card_id: UUID) -> dict[str, Any]:
    """Return the card that says why there is no risk, and what to do (CDS-10)."""
    definition = model.definition
    reason = because.removesuffix(".")
    whole = f"Risk not calculated: {reason}. This does not mean low risk. Do: {about.fallback}"
    short = f"Risk not calculated: {definition.title}. This does not mean low risk."
    return {
        "uuid": str(card_id),
        "summary": whole if len(whole) <= SUMMARY_LENGTH else _shortened(short),
        "indicator": "info",
        "detail": escape(whole) + _not_for_clinical_use(definition),
        "source": {"label": f"{definition.title}, version {model.version}"},
    }


def suggestion_id(card: UUID) -> UUID:
    """Return the id of a card's one suggestion, its band's action."""
    return uuid5(card, "action")


def escape(text: str) -> str:
    """Return text as Markdown that shows it as it is, without HTML or links (CDS-12)."""
    return _MARKDOWN.sub(r"\\\1", " ".join(text.split()))


def _detail(prediction: Prediction, said: Sequence[Finding]) -> str:
    definition, band = prediction.model.definition, prediction.risk.band
    top = contributions(definition, prediction.risk)[:TOP]
    days = definition.outcome.horizon_days
    parts = [
        f"**{escape(band.title)}** for {escape(definition.outcome.title)} within {days} "
        f"day{'s' if days > 1 else ''}: {escape(band.action)}",
        "What contributed most to the score (which is not what causes the outcome):",
        "\n".join(f"- {escape(one.words)}" for one in top),
    ]
    if said:
        parts.append("What is to be known about the data:")
        parts.append("\n".join(f"- {one.kind.capitalize()}: {escape(one.words)}" for one in said))
    return "\n\n".join(parts) + _not_for_clinical_use(definition)


def _not_for_clinical_use(definition: Definition) -> str:
    return f"\n\n**{NOT_FOR_CLINICAL_USE.capitalize()}.**" if definition.for_demonstration else ""


def _summary(definition: Definition, text: str) -> str:
    return _shortened(text, f", {NOT_FOR_CLINICAL_USE}" if definition.for_demonstration else "")


def _shortened(text: str, ending: str = "") -> str:
    room = SUMMARY_LENGTH - len(ending)
    return (text if len(text) <= room else f"{text[: room - 1]}…") + ending
