"""Cards: a risk in clinical words, or that there is none and what to do then."""

import re
from collections.abc import Sequence
from typing import Any
from uuid import UUID, uuid5

from models.amounts import counted
from models.cds_hooks import CdsHooks
from models.definition import NOT_FOR_CLINICAL_USE, Definition
from models.readings import Finding
from models.risk_model import RiskModel
from serving.answer import contributions
from serving.cds_hooks.stay import UNREAD
from serving.prediction import Prediction

SUMMARY_LENGTH = 139  # CDS-11: below 140 characters
TOP = 3
_MARKDOWN = re.compile(r"([\\`*_\[\]<>#|~&])")
# signs that say much the same, and begin no HTML
_NO_HTML = str.maketrans("<>&", "\u2039\u203a+")
_INCOMPLETE = ("missing", "excluded")


class CardForm:
    """Writes the cards of one model; what is the same on every card is prepared once."""

    def __init__(self, model: RiskModel, about: CdsHooks) -> None:
        definition = model.definition
        within = f"within {counted(definition.outcome.horizon_days, 'day')}"
        outcome = definition.outcome.title.removesuffix(f" {within}")  # some titles say it
        names = [band.name for band in definition.bands]
        self._definition = definition
        self._asked = frozenset(names[names.index(about.card_from) :])
        self._heads = {
            band.name: (
                f"**{escape(band.title)}** for {escape(outcome)} {within}: {escape(band.action)}"
            )
            for band in definition.bands
        }
        self._source = {"label": f"{definition.title}, version {model.version}"}
        self._reasons = [one.model_dump() for one in about.override_reasons]

    def risk_cards(self, prediction: Prediction, console_url: str | None) -> list[dict[str, Any]]:
        """Return the card of a risk, or none if its band asks for none and nothing is doubtful.

        What was only converted, or leaves only the ward open, is said on a card, but is no reason
        for one.
        """
        band, said = prediction.risk.band, prediction.findings
        asked = band.name in self._asked
        if not asked and all(one.kind == "converted" or one.reason == UNREAD for one in said):
            return []
        card: dict[str, Any] = {
            "uuid": str(prediction.id),
            "summary": self._summary(prediction, said),
            "indicator": band.indicator if asked else "info",
            "detail": self._detail(prediction, said),
            "source": self._source,
            "suggestions": [{"label": band.action, "uuid": str(suggestion_id(prediction.id))}],
            "selectionBehavior": "at-most-one",
        }
        if self._reasons:
            card["overrideReasons"] = self._reasons
        if console_url is not None:
            address = f"{console_url.rstrip('/')}/predictions/{prediction.id}/"
            link = {"label": "How this risk came about", "url": address, "type": "absolute"}
            card["links"] = [link]
        return [card]

    def _summary(self, prediction: Prediction, said: Sequence[Finding]) -> str:
        definition = self._definition
        risk = f"{100 * prediction.risk.explanation.risk:.1f} %"
        incomplete = ", incomplete" if any(one.kind in _INCOMPLETE for one in said) else ""
        words = f"{definition.title}: {risk} ({prediction.risk.band.title}{incomplete})"
        return _shortened(
            words, f", {NOT_FOR_CLINICAL_USE}" if definition.for_demonstration else ""
        )

    def _detail(self, prediction: Prediction, said: Sequence[Finding]) -> str:
        top = contributions(self._definition, prediction.risk, most=TOP)
        parts = [
            self._heads[prediction.risk.band.name],
            "What contributed most to the score (which is not what causes the outcome):",
            "\n".join([f"- {escape(one.words)}" for one in top]),
        ]
        if said:
            parts.append("What is to be known about the data:")
            words = [f"- {one.kind.capitalize()}: {escape(one.words)}" for one in said]
            parts.append("\n".join(words))
        return "\n\n".join(parts) + _not_for_clinical_use(self._definition)


def no_score_card(model: RiskModel, about: CdsHooks, because: str, card_id: UUID) -> dict[str, Any]:
    """Return the card that says why there is no risk, and what to do (CDS-10)."""
    definition = model.definition
    reason = " ".join(because.removesuffix(".").split())
    whole = f"Risk not calculated: {reason}. This does not mean low risk. Do: {about.fallback}"
    # a summary is plain text, which an EHR may show as HTML nevertheless
    plain = whole.translate(_NO_HTML)
    short = f"Risk not calculated: {definition.title}. This does not mean low risk."
    return {
        "uuid": str(card_id),
        "summary": plain if len(plain) <= SUMMARY_LENGTH else _shortened(short),
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


def _not_for_clinical_use(definition: Definition) -> str:
    return f"\n\n**{NOT_FOR_CLINICAL_USE.capitalize()}.**" if definition.for_demonstration else ""


def _shortened(text: str, ending: str = "") -> str:
    room = SUMMARY_LENGTH - len(ending)
    return (text if len(text) <= room else f"{text[: room - 1]}…") + ending
