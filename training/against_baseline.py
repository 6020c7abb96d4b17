"""How the trees stand to the regression that they have to beat: what its gates are held against."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from models.figure_names import MINUS_BASELINE, at_threshold

OF_TREES: Final = "trees_against_baseline"
_ENDS: Final = {"": "value", "_low": "low", "_high": "high"}


@dataclass(frozen=True, slots=True)
class BaselineMetrics:
    """A version's figures minus the regression's, how many were judged, and whose they are."""

    metrics: Mapping[str, float]
    judged: Mapping[str, Any] | None = None
    words: str = ""


NO_BASELINE: Final = BaselineMetrics({})


def against_baseline(evidence: Mapping[str, Any]) -> BaselineMetrics:
    """Return the differences to the regression of sealed evidence.

    A recalibrated version is compared with itself as it was, so that the differences are those of
    its trees as they were made, which its evidence holds as `of_trees` returns them.
    """
    made = evidence.get(OF_TREES)
    if made is None:
        judged = evidence["model_evidence"]["evaluation"]
        return baseline_metrics(evidence["difference_to_baseline"], judged)
    words = f"of version {made['version']}, whose trees these are, as it was judged"
    return baseline_metrics(made["difference"], made["judged"], words)


def baseline_metrics(
    difference: Mapping[str, Any], judged: Mapping[str, Any], words: str = ""
) -> BaselineMetrics:
    """Return differences by the names that gates use, with `_low` and `_high` for the interval."""
    figures = dict(difference["differences"])
    for at in difference["at_thresholds"]:
        figures |= {at_threshold(name, at["threshold"]): one for name, one in at["figures"].items()}
    metrics = {
        f"{name}{MINUS_BASELINE}{end}": figure[part]
        for name, figure in figures.items()
        for end, part in _ENDS.items()
        if figure[part] is not None
    }
    return BaselineMetrics(metrics, judged, words)


def of_trees(version: str, evidence: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a recalibrated version keeps of how its trees, of this version, were judged."""
    judged = evidence["model_evidence"]["evaluation"]
    return {
        "version": version,
        "difference": evidence["difference_to_baseline"],
        "judged": {count: judged[count] for count in ("events", "non_events")},
    }
