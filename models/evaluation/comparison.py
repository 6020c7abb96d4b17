"""Two models on the same patients: the paired bootstrap of the difference of every figure."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy.typing as npt

from models.evaluation.bootstrap import CaseWeighting, Estimate, PatientBootstrap, Reweight
from models.evaluation.figures import (
    Figures,
    ThresholdEvaluation,
    estimates,
    estimates_at,
    gather,
    subtract,
)
from models.evaluation.inputs import (
    check_both_outcomes,
    check_outcomes,
    check_risks,
    check_thresholds,
)


@dataclass(frozen=True, slots=True)
class Comparison:
    """Figures of one model minus those of another, on the same rows and draws."""

    draws: int
    seed: int
    level: float
    differences: dict[str, Estimate]
    at_thresholds: tuple[ThresholdEvaluation, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the comparison as plain values that JSON can hold."""
        return asdict(self)


def compare(
    y: npt.ArrayLike,
    risk: npt.ArrayLike,
    other_risk: npt.ArrayLike,
    *,
    thresholds: Sequence[float],
    patient_ids: npt.ArrayLike,
    seed: int,
    weights: npt.ArrayLike | None = None,
    reweight: Reweight | None = None,
    draws: int = 1000,
    level: float = 0.95,
) -> Comparison:
    """Return each figure of `risk` minus that of `other_risk`, drawn with the same patients."""
    outcomes = check_outcomes(y)
    rows = outcomes.size
    at = check_thresholds(thresholds)
    weighting = CaseWeighting(rows, weights, reweight)
    check_both_outcomes(outcomes, weighting.own)
    first = Figures(outcomes, check_risks(risk, rows), at, weighting.own)
    other = Figures(outcomes, check_risks(other_risk, rows, "other_risk"), at, weighting.own)
    own = weighting.own[None, :]
    value = subtract(first.draw(own), other.draw(own))
    drawn = gather(
        [
            subtract(first.draw(cases), other.draw(cases))
            for cases in PatientBootstrap(patient_ids, rows, draws, seed).case_weights(weighting)
        ]
    )
    return Comparison(
        draws=draws,
        seed=seed,
        level=level,
        differences=estimates(value, drawn, level),
        at_thresholds=estimates_at(value, drawn, at, level),
    )
