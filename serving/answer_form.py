"""One model's answers as bytes: all that doesn't change from answer to answer is encoded once."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from models.definition import Status
from models.feature import Feature
from models.risk_model import ExplainedRisk, RiskModel
from models.scoring.sentences import FIRST_CATEGORY, MISSING, FeatureText, Sentences, Variant
from serving.answer import (
    CONTRIBUTED,
    LITTLE,
    NOTHING,
    BandAnswer,
    PredictionAnswer,
    contributions,
    describe_horizon,
    describe_model,
    missing_features,
    number_words,
    value_in_words,
)

if TYPE_CHECKING:
    from serving.prediction import Prediction

_encode = msgspec.json.Encoder().encode
_BEFORE, _AFTER = CONTRIBUTED.split("%s")


class AnswerForm:
    """Writes the answers of one model, as `msgspec` would encode `PredictionAnswer`."""

    def __init__(self, model: RiskModel) -> None:
        definition = model.definition
        self._definition = definition
        self._shown = definition.status is not Status.SILENT
        self._model = _raw(describe_model(model))
        self._horizon = _raw(describe_horizon(definition))
        self._bands = {
            band.name: _raw(BandAnswer(band.name, band.title, band.action))
            for band in definition.bands
        }
        self._sentences = Sentences(
            [_feature_text(feature) for feature in definition.features],
            end=_escaped(_AFTER) + b'"}',
            frame=(b',"contributions":[', b",", b"]}"),
            small=(_escaped(NOTHING), _escaped(LITTLE)),
        )
        self._numbers = np.zeros(len(definition.features), np.int64)
        self._variants = {
            feature.name: {code: FIRST_CATEGORY + i for i, code in enumerate(feature.categories)}
            for feature in definition.features
        }

    def write(self, prediction: Prediction, *, explained: bool) -> bytes:
        """Return the answer to a prediction; a silent model's shows no risk."""
        risk = prediction.risk
        answer = PredictionAnswer(
            prediction_id=str(prediction.id),
            model=self._model,
            predicted_at=prediction.predicted_at,
            recorded_at=prediction.recorded_at,
            horizon=self._horizon,
            missing=missing_features(prediction.findings),
            findings=list(prediction.findings),
        )
        if self._shown:
            answer.risk, answer.band = risk.explanation.risk, self._bands[risk.band.name]
            if explained:
                answer.base = risk.explanation.base
                written = self._contributions(risk)
                if written is not None:
                    # they come last, and so in the place of what closes the rest
                    return _encode(answer)[:-1] + written
                answer.contributions = contributions(self._definition, risk)
        return _encode(answer)

    def _contributions(self, risk: ExplainedRisk) -> bytes | None:
        amounts = risk.explanation.contributions
        if self._definition.is_numeric:
            values, variants = risk.features.vector, self._numbers
        else:
            values, variants = self._mixed(risk.features.values)
        texts = _encode([*values.tolist(), *amounts.tolist()])[1:-1] + b","
        return self._sentences.write(values, variants, amounts, texts)

    def _mixed(self, values: Mapping[str, Any]) -> tuple[np.ndarray, np.ndarray]:
        """Return the features' numbers, and which variant of its text each takes."""
        numbers, variants = [], []
        for name, codes in self._variants.items():
            value = values[name]
            known = type(value) is float
            numbers.append(value if known else math.nan)
            variants.append(0 if known else codes.get(value, MISSING))
        return np.array(numbers), np.array(variants)


def _feature_text(feature: Feature) -> FeatureText:
    head = b'{"feature":%b,"title":%b,"value":' % (_encode(feature.name), _encode(feature.title))
    middle = b',"unit":%b,"contribution":' % _encode(feature.unit)
    before, *after = number_words(feature.title, feature.unit)

    def constant(value: str | None) -> Variant:
        words = value_in_words(feature, value) + _BEFORE
        return head + _encode(value), middle, b',"words":"' + _escaped(words), b"", b""

    many, one = (_escaped(words + _BEFORE) for words in after)
    number = (head, middle, b',"words":"' + _escaped(before), many, one)
    return FeatureText(
        feature.decimals, [number, constant(None), *map(constant, feature.categories)]
    )


def _escaped(text: str) -> bytes:
    """Return a text as it stands within a JSON string."""
    return _encode(text)[1:-1]


def _raw(part: Any) -> Any:
    """Return a part of the answer that was encoded already, in the place of its type."""
    return msgspec.Raw(_encode(part))
