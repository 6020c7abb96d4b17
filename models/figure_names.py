"""The names of the figures by which a version is judged, as gates and MLflow's metrics use them."""

from collections.abc import Collection, Iterator
from typing import Final

SCALAR_TITLES: Final = {
    "auroc": "AUROC",
    "auprc": "AUPRC",
    "brier": "Brier score",
    "scaled_brier": "Scaled Brier score",
    "calibration_slope": "Calibration slope",
    "calibration_intercept": "Calibration intercept",
    "calibration_in_the_large": "Calibration in the large",
    "observed_expected": "Observed over expected",
    "ici": "Integrated calibration index",
    "e50": "Median calibration error",
    "e90": "90th percentile of calibration error",
    "event_rate": "Event rate",
    "mean_risk": "Mean risk",
}
THRESHOLD_TITLES: Final = {
    "net_benefit": "Net benefit",
    "net_benefit_treat_all": "Net benefit of treating all",
    "sensitivity": "Sensitivity",
    "specificity": "Specificity",
    "ppv": "Positive predictive value",
    "npv": "Negative predictive value",
    "alerts_per_100": "Alerts per 100 predictions",
}
_COUNTED_TITLES: Final = {"data_suspicions": "Suspicions about the data"}
SCALARS: Final = tuple(SCALAR_TITLES)
AT_THRESHOLDS: Final = tuple(THRESHOLD_TITLES)
COUNTED: Final = tuple(_COUNTED_TITLES)  # known exactly, so a gate on them needs no interval
MINUS_CHAMPION: Final = "_minus_champion"
MINUS_BASELINE: Final = "_minus_baseline"
_MINUS: Final = {MINUS_CHAMPION: "champion", MINUS_BASELINE: "regression"}


def at_threshold(name: str, threshold: float) -> str:
    """Name a figure of acting at or above a threshold."""
    return f"{name}_at_{threshold:g}"


def figure_title(name: str) -> str:
    """Return a figure's name as a reader of statistics says it, of what group or threshold.

    >>> figure_title("net_benefit_at_0.2_minus_champion")
    "Net benefit at a risk of 20 % minus the champion's"
    >>> figure_title("observed_expected/age_band/80 or more")
    'Observed over expected of age band: 80 or more'
    """
    figure, _, group = name.partition("/")
    plain = without_comparator(figure)
    title = {**SCALAR_TITLES, **_COUNTED_TITLES}.get(plain) or _title_at_threshold(plain)
    if plain != figure:
        title = f"{title} minus the {_MINUS[figure.removeprefix(plain)]}'s"
    if not group:
        return title
    characteristic, _, which = group.partition("/")
    return f"{title} of {characteristic.replace('_', ' ')}: {which}"


def without_comparator(name: str) -> str:
    """Return the name of the figure of which this is a difference to champion or regression."""
    for end in _MINUS:
        if name.endswith(end):
            return name.removesuffix(end)
    return name


def _title_at_threshold(name: str) -> str:
    figure, _, threshold = name.rpartition("_at_")
    if figure not in THRESHOLD_TITLES:
        return name
    return f"{THRESHOLD_TITLES[figure]} at a risk of {100 * float(threshold):.3g} %"


def figure_names(thresholds: Collection[float]) -> Iterator[str]:
    """Yield every figure of a model with these thresholds."""
    yield from SCALARS
    for threshold in thresholds:
        for name in AT_THRESHOLDS:
            yield at_threshold(name, threshold)
