"""What performance would be if the risks are still calibrated, from their histogram alone (CBPE).

Confidence-based performance estimation: a row of risk p is an event with probability p. It sees
other patients and other alert rates, and is blind to a failure of calibration.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from models.errors import StatisticsError
from models.scoring.calibration import LARGEST_RISK, SMALLEST_RISK

Floats = NDArray[np.float64]
BINS = 1000
# bins are of equal width on the log-odds, so that low risks aren't lumped together
_INNER = np.linspace(-12.0, 12.0, BINS - 1)


@dataclass(frozen=True)
class Expected:
    """Figures to be expected if still calibrated; `precision` and `alerts` are by threshold.

    `precision` is the share of alerts that are events (None without an alert), `alerts` the share
    of rows that alert.
    """

    rows: int
    auroc: float | None
    brier: float
    event_rate: float
    precision: tuple[float | None, ...]
    alerts: tuple[float, ...]


@dataclass(frozen=True, eq=False)
class RiskHistogram:
    """Sums over rows by bin of their log-odds, and by threshold; histograms of parts add up."""

    thresholds: tuple[float, ...]
    rows: NDArray[np.int64]
    risk: Floats
    uncertainty: float
    alerts: NDArray[np.int64]
    alert_risk: Floats

    @classmethod
    def of(cls, risk: ArrayLike, thresholds: Sequence[float]) -> Self:
        """Count risks, each from 0 to 1."""
        values = np.asarray(risk, dtype=np.float64).ravel()
        if not ((values >= 0) & (values <= 1)).all():
            raise StatisticsError("a risk must lie between 0 and 1")
        values = np.clip(values, SMALLEST_RISK, LARGEST_RISK)
        bins = np.searchsorted(_INNER, np.log(values) - np.log1p(-values), side="right")
        above = [values >= threshold for threshold in thresholds]
        return cls(
            tuple(thresholds),
            np.bincount(bins, minlength=BINS).astype(np.int64),
            np.asarray(np.bincount(bins, values, minlength=BINS), dtype=np.float64),
            float((values * (1 - values)).sum()),
            np.array([one.sum() for one in above], dtype=np.int64),
            np.array([values[one].sum() for one in above], dtype=np.float64),
        )

    def __add__(self, other: Self) -> Self:
        """Return the histogram of both parts' rows."""
        if self.thresholds != other.thresholds:
            raise StatisticsError("histograms with other thresholds can't be added")
        return type(self)(
            self.thresholds,
            self.rows + other.rows,
            self.risk + other.risk,
            self.uncertainty + other.uncertainty,
            self.alerts + other.alerts,
            self.alert_risk + other.alert_risk,
        )

    def expected(self) -> Expected:
        """Return what is to be expected of these rows."""
        rows = int(self.rows.sum())
        if not rows:
            raise StatisticsError("nothing is to be expected of no rows")
        others = self.rows - self.risk
        below = np.cumsum(others) - others / 2
        pairs = float(self.risk.sum() * others.sum())
        found = zip(self.alerts.tolist(), self.alert_risk.tolist(), strict=True)
        return Expected(
            rows,
            float((self.risk * below).sum()) / pairs if pairs else None,
            self.uncertainty / rows,
            float(self.risk.sum()) / rows,
            tuple(risk / alerts if alerts else None for alerts, risk in found),
            tuple((self.alerts / rows).tolist()),
        )
