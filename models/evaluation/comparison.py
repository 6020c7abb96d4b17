"""Two models on the same patients: the paired bootstrap of the difference of every figure."""

from dataclasses import asdict, dataclass
from typing import Any

from models.evaluation.bootstrap import Estimate
from models.evaluation.figures import ThresholdEvaluation


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
