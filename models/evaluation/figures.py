"""Every figure of an evaluation, computed for one set of rows under many sets of case weights."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models.evaluation.bootstrap import Estimate, estimate
from models.evaluation.calibration import CalibrationSample
from models.evaluation.discrimination import RankedScores
from models.evaluation.inputs import FloatArray, ratio
from models.evaluation.net_benefit import DecisionSample
from models.figure_names import AT_THRESHOLDS, SCALARS

Drawn = dict[str, FloatArray]

BOUNDS: dict[str, tuple[float, float]] = {
    "auroc": (0.0, 1.0),
    "auprc": (0.0, 1.0),
    "brier": (0.0, 1.0),
    "scaled_brier": (-np.inf, 1.0),
    "observed_expected": (0.0, np.inf),
    "ici": (0.0, 1.0),
    "e50": (0.0, 1.0),
    "e90": (0.0, 1.0),
    "event_rate": (0.0, 1.0),
    "mean_risk": (0.0, 1.0),
    "sensitivity": (0.0, 1.0),
    "specificity": (0.0, 1.0),
    "ppv": (0.0, 1.0),
    "npv": (0.0, 1.0),
    "alerts_per_100": (0.0, 100.0),
}


@dataclass(frozen=True, slots=True)
class ThresholdEvaluation:
    """The figures of acting at or above one threshold."""

    threshold: float
    figures: dict[str, Estimate]


class Figures:
    """Rows prepared once: risks ranked, spline built, thresholds applied.

    `draw` returns for each of SCALARS an array (draws,), for each of AT_THRESHOLDS an array (draws,
    thresholds), and `curve`, the smoothed calibration (draws, points of `curve_risks`).
    """

    def __init__(
        self, y: FloatArray, risk: FloatArray, thresholds: FloatArray, weights: FloatArray
    ) -> None:
        self.y, self.risk, self.thresholds, self.weights = y, risk, thresholds, weights
        self._decisions = DecisionSample(y, risk, thresholds)
        self._ranked = RankedScores(y, risk)
        self._calibration = CalibrationSample(y, risk, weights)
        self.curve_risks = self._calibration.curve_risks

    def part(self, members: npt.NDArray[np.bool_]) -> "Figures":
        """Return the same figures for some of the rows."""
        return Figures(self.y[members], self.risk[members], self.thresholds, self.weights[members])

    def draw_contrast(self, weights: FloatArray) -> Drawn:
        """Return only the figures by which a group is compared with the rest."""
        decisions = self._decisions.decide(weights)
        return {
            "auroc": self._ranked.auroc(weights),
            "brier": self._calibration.brier(weights),
            "calibration_in_the_large": self._calibration.in_the_large(weights),
            "observed_expected": self._calibration.observed_expected(weights),
            **{name: getattr(decisions, name) for name in AT_THRESHOLDS},
        }

    def draw(self, weights: FloatArray) -> Drawn:
        """Return every figure for case weights (draws, rows)."""
        intercept, slope = self._calibration.intercept_and_slope(weights)
        smoothed = self._calibration.smoothed(weights)
        decisions = self._decisions.decide(weights)
        total = weights.sum(axis=1)
        return {
            "auroc": self._ranked.auroc(weights),
            "auprc": self._ranked.auprc(weights),
            "brier": self._calibration.brier(weights),
            "scaled_brier": self._calibration.scaled_brier(weights),
            "calibration_slope": slope,
            "calibration_intercept": intercept,
            "calibration_in_the_large": self._calibration.in_the_large(weights),
            "observed_expected": self._calibration.observed_expected(weights),
            "ici": smoothed.ici,
            "e50": smoothed.e50,
            "e90": smoothed.e90,
            "event_rate": ratio(weights @ self.y, total),
            "mean_risk": ratio(weights @ self.risk, total),
            "curve": smoothed.curve,
            **{name: getattr(decisions, name) for name in AT_THRESHOLDS},
        }


def subtract(first: Drawn, second: Drawn) -> Drawn:
    """Return the difference of each figure that both have."""
    return {name: first[name] - second[name] for name in first if name in second}


def gather(blocks: list[Drawn]) -> Drawn:
    """Join the blocks of draws of each figure."""
    return {name: np.concatenate([block[name] for block in blocks]) for name in blocks[0]}


def estimates(own: Drawn, drawn: Drawn, level: float) -> dict[str, Estimate]:
    """Return each scalar figure with its interval."""
    return {
        name: estimate(float(own[name][0]), drawn[name], level) for name in SCALARS if name in own
    }


def estimates_at(
    own: Drawn, drawn: Drawn, thresholds: FloatArray, level: float
) -> tuple[ThresholdEvaluation, ...]:
    """Return the threshold figures at each threshold with their intervals."""
    return tuple(
        ThresholdEvaluation(
            float(threshold),
            {
                name: estimate(float(own[name][0, position]), drawn[name][:, position], level)
                for name in AT_THRESHOLDS
            },
        )
        for position, threshold in enumerate(thresholds)
    )
