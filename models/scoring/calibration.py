"""Calibration of a log-odds score, and the way between log-odds and risk."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from models.errors import ArtefactError

SMALLEST_RISK = 2.0**-1022
LARGEST_RISK = 1.0 - 2.0**-53


@dataclass(frozen=True)
class Sigmoid:
    """The calibrated log-odds a * margin + b (Platt 1999); a > 0, so that ranks are kept."""

    a: float = 1.0
    b: float = 0.0

    def __post_init__(self) -> None:
        if not (math.isfinite(self.a) and self.a > 0):
            raise ArtefactError(
                f"calibration slope {self.a} must be finite and above 0: fit it again"
            )
        if not math.isfinite(self.b):
            raise ArtefactError(f"calibration intercept {self.b} must be finite: fit it again")


def risk_of_margin(margin: Any) -> np.ndarray:
    """Return 1 / (1 + exp(-margin)), strictly between 0 and 1.

    Beyond about ±36 the nearest float64 would be 1 (above) and beyond -708 it would be 0; the
    risk is then the nearest one inside (0, 1), and only the margin tells how extreme it is.
    """
    margin = np.asarray(margin, dtype=np.float64)
    small = np.exp(-np.abs(margin))
    risk = np.where(margin >= 0, 1.0, small) / (1.0 + small)
    return np.asarray(np.clip(risk, SMALLEST_RISK, LARGEST_RISK))
