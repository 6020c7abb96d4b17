"""What acting on a risk is worth: net benefit and the classification figures at a threshold.

Net benefit = TP/N - FP/N * t/(1 - t), where t is the threshold at which one would act (Vickers and
Elkin, Med Decis Making 2006;26:565). One acts on a risk at or above the threshold.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models.evaluation.inputs import (
    FloatArray,
    check_length,
    check_outcomes,
    check_risks,
    check_thresholds,
    check_weights,
    ratio,
)


@dataclass(frozen=True, slots=True)
class Decisions:
    """Figures of acting at each threshold, each of shape (draws, thresholds); nan is undefined."""

    net_benefit: FloatArray
    net_benefit_treat_all: FloatArray
    sensitivity: FloatArray
    specificity: FloatArray
    ppv: FloatArray
    npv: FloatArray
    alerts_per_100: FloatArray


class DecisionSample:
    """Risks sorted once against thresholds, for the figures under many sets of case weights.

    >>> DecisionSample([1, 0, 0, 0], [0.6, 0.3, 0.1, 0.1], [0.2]).decide().net_benefit
    array([[0.1875]])
    """

    def __init__(
        self,
        y: npt.ArrayLike,
        risk: npt.ArrayLike,
        thresholds: Sequence[float] | FloatArray,
    ) -> None:
        outcomes = check_outcomes(y)
        self.rows = outcomes.size
        risks = check_risks(risk, self.rows)
        self.thresholds = check_thresholds(thresholds)
        self._order = np.argsort(risks, kind="stable")
        self._events = outcomes[self._order]
        below = np.searchsorted(risks[self._order], self.thresholds, side="left")
        self._starts = np.unique(np.r_[0, below[below < self.rows]])
        self._bin = np.searchsorted(self._starts, below)

    def decide(self, weights: npt.ArrayLike | None = None) -> Decisions:
        """Return the figures of acting at or above each threshold; treating none is worth 0."""
        ranked = check_weights(weights, self.rows)[:, self._order]
        alerts = self._at_or_above(ranked)
        ranked *= self._events
        return _figures(alerts, self._at_or_above(ranked), self.thresholds)

    def _at_or_above(self, ranked: FloatArray) -> FloatArray:
        """Sum weight at or above each threshold, and last the weight of all rows."""
        sums = np.add.reduceat(ranked, self._starts, axis=1)
        above = np.zeros((ranked.shape[0], sums.shape[1] + 1))
        above[:, :-1] = np.cumsum(sums[:, ::-1], axis=1)[:, ::-1]
        return above[:, np.r_[self._bin, 0]]


def decide_by_rule(
    y: npt.ArrayLike,
    positive: npt.ArrayLike,
    thresholds: Sequence[float] | FloatArray,
    weights: npt.ArrayLike | None = None,
) -> Decisions:
    """Return the same figures for a yes/no rule, such as a published score at its published cut.

    A rule acts alike whatever the threshold; the threshold only prices its false positives.
    """
    outcomes = check_outcomes(y)
    acts = check_outcomes(positive, "positive")
    check_length(acts, outcomes.size, "positive")
    limits = check_thresholds(thresholds)
    acted = np.column_stack([*[acts] * limits.size, np.ones(outcomes.size)])
    cases = check_weights(weights, outcomes.size)
    return _figures(cases @ acted, (cases * outcomes) @ acted, limits)


def _figures(
    alerts_and_total: FloatArray, true_positives_and_events: FloatArray, thresholds: FloatArray
) -> Decisions:
    """Compute the figures from sums at each threshold, the sum over all rows being the last."""
    alerts, total = alerts_and_total[:, :-1], alerts_and_total[:, -1:]
    true_positives, events = true_positives_and_events[:, :-1], true_positives_and_events[:, -1:]
    false_positives = _remainder(alerts, true_positives)
    non_events = _remainder(total, events)
    odds = thresholds / (1.0 - thresholds)
    return Decisions(
        net_benefit=ratio(true_positives - false_positives * odds, total),
        net_benefit_treat_all=ratio(events - non_events * odds, total),
        sensitivity=ratio(true_positives, events),
        specificity=ratio(non_events - false_positives, non_events),
        ppv=ratio(true_positives, alerts),
        npv=ratio(non_events - false_positives, _remainder(total, alerts)),
        alerts_per_100=100.0 * ratio(alerts, total),
    )


def _remainder(total: FloatArray, part: FloatArray) -> FloatArray:
    """Subtract weight, taking what is nothing but rounding for zero."""
    left = total - part
    return np.asarray(np.where(left > 1e-12 * total, left, 0.0))
