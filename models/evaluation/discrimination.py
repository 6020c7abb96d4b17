"""How well risks rank those with the event above those without: weighted AUROC and AUPRC."""

import numpy as np
import numpy.typing as npt

from models.evaluation.inputs import FloatArray, check_outcomes, check_risks, check_weights, ratio


class RankedScores:
    """Risks ranked once, so that each further set of case weights costs one pass, not one sort.

    Every figure takes weights of shape (rows,) or (draws, rows) and returns an array of shape
    (draws,), with nan for a draw whose weights leave only one outcome.

    >>> RankedScores([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8]).auroc()
    array([0.75])
    """

    def __init__(self, y: npt.ArrayLike, risk: npt.ArrayLike) -> None:
        outcomes = check_outcomes(y)
        risks = check_risks(risk, outcomes.size)
        self.rows = outcomes.size
        self._order = np.argsort(risks, kind="stable")
        ranked = risks[self._order]
        self._events = outcomes[self._order]
        self._tie_starts = np.flatnonzero(np.r_[True, np.diff(ranked) > 0])

    def auroc(self, weights: npt.ArrayLike | None = None) -> FloatArray:
        """Return the weighted share of event/non-event pairs ranked rightly, a tie being half."""
        events, non_events = self._tied_sums(check_weights(weights, self.rows))
        below = np.cumsum(non_events, axis=1)
        below -= 0.5 * non_events
        concordant = np.einsum("ij,ij->i", events, below)
        return ratio(concordant, events.sum(axis=1) * non_events.sum(axis=1))

    def auprc(self, weights: npt.ArrayLike | None = None) -> FloatArray:
        """Return average precision: precision at each distinct risk, weighted by recall gained."""
        events, non_events = self._tied_sums(check_weights(weights, self.rows))
        true_positives = np.cumsum(events[:, ::-1], axis=1)
        alerts = true_positives + np.cumsum(non_events[:, ::-1], axis=1)
        precision = ratio(true_positives, alerts, otherwise=0.0)
        total = events.sum(axis=1)
        gained = np.einsum("ij,ij->i", events[:, ::-1], precision)
        return np.where(non_events.sum(axis=1) > 0, ratio(gained, total), np.nan)

    def _tied_sums(self, weights: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Sum event and non-event weight at each distinct risk, lowest risk first."""
        ranked = weights[:, self._order]
        events = ranked * self._events
        non_events = ranked - events
        if self._tie_starts.size == self.rows:
            return events, non_events
        return (
            np.add.reduceat(events, self._tie_starts, axis=1),
            np.add.reduceat(non_events, self._tie_starts, axis=1),
        )
