"""How calibrations that are not served would have done beside the one that is."""

import numpy as np

from models.evaluation.calibration import CalibrationSample
from models.evaluation.discrimination import RankedScores
from training.judging import Judged

SERVED = "sigmoid"


def calibration_figures(judged: Judged) -> dict[str, dict[str, float | None]]:
    """Return the figures of each calibration on the judged rows; None is not defined.

    Isotonic regression gives risks of 0 and 1, for which no figure on the log-odds is defined.
    """
    weights = judged.rows.weights()
    risks = {SERVED: judged.risk, **judged.otherwise}
    figures = {}
    for name, risk in risks.items():
        sample = CalibrationSample(judged.rows.outcome, risk, weights)
        found = {
            "auroc": RankedScores(judged.rows.outcome, risk).auroc(weights),
            "brier": sample.brier(weights),
            "calibration_slope": sample.intercept_and_slope(weights)[1],
            "calibration_in_the_large": sample.in_the_large(weights),
            "observed_expected": sample.observed_expected(weights),
            "ici": sample.smoothed(weights).ici,
        }
        figures[name] = {
            figure: float(value[0]) if np.isfinite(value[0]) else None
            for figure, value in found.items()
        }
    return figures
