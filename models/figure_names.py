"""The names of the figures by which a version is judged, as gates and MLflow's metrics use them."""

from collections.abc import Collection, Iterator
from typing import Final

SCALARS: Final = (
    "auroc",
    "auprc",
    "brier",
    "scaled_brier",
    "calibration_slope",
    "calibration_intercept",
    "calibration_in_the_large",
    "observed_expected",
    "ici",
    "e50",
    "e90",
    "event_rate",
    "mean_risk",
)
AT_THRESHOLDS: Final = (
    "net_benefit",
    "net_benefit_treat_all",
    "sensitivity",
    "specificity",
    "ppv",
    "npv",
    "alerts_per_100",
)
COUNTED: Final = ("data_suspicions",)  # known exactly, so a gate on them needs no interval
MINUS_CHAMPION: Final = "_minus_champion"


def at_threshold(name: str, threshold: float) -> str:
    """Name a figure of acting at or above a threshold."""
    return f"{name}_at_{threshold:g}"


def figure_names(thresholds: Collection[float]) -> Iterator[str]:
    """Yield every figure of a model with these thresholds."""
    yield from SCALARS
    for threshold in thresholds:
        for name in AT_THRESHOLDS:
            yield at_threshold(name, threshold)
