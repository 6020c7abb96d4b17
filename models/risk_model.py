"""A risk model in use: what every protocol calls to turn readings into an explained risk."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Self

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.artefact import sealed_model, verify_artefact
from models.definition import Band, Definition, read_definition
from models.encoding import encode_table
from models.errors import ArtefactError
from models.features import FeatureSet, assemble
from models.readings import Readings
from models.scoring.scorer import Explanation, Scorer, load_scorer


class ExplainedRisk(msgspec.Struct, frozen=True):
    """A patient's features, the risk with its explanation, and the band that it falls into."""

    features: FeatureSet
    explanation: Explanation
    band: Band


@dataclass(frozen=True, slots=True, eq=False)
class RiskModel:
    """One version of a model, verified and loaded; safe to call from several threads."""

    definition: Definition
    definition_digest: str
    artefact_digest: str
    version: str
    scorer: Scorer
    card: str

    @classmethod
    def load(cls, directory: Path, *, version: str, digest: str | None = None) -> Self:
        """Verify an artefact's directory, then load it; raises ArtefactError, DefinitionError."""
        sealed = verify_artefact(directory, digest)
        file = read_definition(directory / "model.toml")
        definition = file.definition
        if sealed_model(directory) != definition.name:
            raise ArtefactError(
                f"{directory}: the manifest is of {sealed_model(directory)!r}, "
                f"model.toml of {definition.name!r}"
            )
        scorer = load_scorer(directory)
        _check_inputs(directory, definition, scorer)
        return cls(definition, file.digest, sealed, version, scorer, file.card)

    def assess(self, readings: Readings, predicted_at: datetime) -> ExplainedRisk:
        """Score one patient as known at `predicted_at`; InputError says why there is no score."""
        features = assemble(self.definition, readings, predicted_at)
        explanation = self.scorer.explain(features.vector)
        return ExplainedRisk(features, explanation, self.definition.band(explanation.risk))

    def risks(self, columns: Mapping[str, NDArray[Any]]) -> NDArray[np.float64]:
        """Score a table in the definition's units, by the path that training took."""
        return self.scorer.explain_batch(encode_table(self.definition, columns)).risk


def _check_inputs(directory: Path, definition: Definition, scorer: Scorer) -> None:
    features = tuple(feature.name for feature in definition.features)
    if scorer.features != features or scorer.columns != definition.columns:
        raise ArtefactError(
            f"{directory / 'scorer.json'}: made for the columns {', '.join(scorer.columns)}, "
            f"but model.toml defines {', '.join(definition.columns)}"
        )
