"""What the training rows look like before anything is fitted, and what looks suspicious in them."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from models.definition import Definition
from models.encoding import is_missing
from models.evaluation.discrimination import RankedScores
from models.evaluation.suppression import withheld
from models.feature import Feature
from training.gates import GateResult
from training.population import FloatArray, Population

LEAKAGE_AUROC = 0.95
LEAKS = "tells the outcome alone"
MISSINGNESS_AUROC = 0.65
MISSING_DIFFERENCE = 0.05
MISSING_RATIO = 2.0
NEARLY_CONSTANT_SHARE = 0.99
MUCH_MISSING_SHARE = 0.5
QUANTILES = {"q01": 0.01, "q25": 0.25, "median": 0.5, "q75": 0.75, "q99": 0.99}


@dataclass(frozen=True, slots=True)
class FeatureQuality:
    """One feature's completeness, its distribution, and how far it tells the outcome alone.

    `auroc` and `missingness_auroc` are None where they can't be computed; below 0.5 a feature
    falls with the outcome. A category's count is None where it is withheld as a subgroup's would
    be, and so is a quantile at or beyond which fewer than the smallest group lie, whose value
    would be single people's; there are no extremes. `largest_share` is that of the most frequent
    known value.
    """

    feature: str
    title: str
    unit: str | None
    missing: int
    missing_share: float
    missing_share_with_event: float
    missing_share_without_event: float
    distinct: int
    quantiles: dict[str, float | None] | None
    categories: dict[str, int | None] | None
    largest_share: float
    auroc: float | None
    missingness_auroc: float | None


@dataclass(frozen=True, slots=True)
class DataQuality:
    """The rows that entered, those that didn't, each feature, and every suspicion in words."""

    rows: int
    patients: int
    events: int
    non_events: int
    unknown: int
    event_rate: float
    exclusions: tuple[tuple[str, int], ...]
    notes: tuple[str, ...]
    features: tuple[FeatureQuality, ...]
    suspicions: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the report as plain values that JSON can hold."""
        return asdict(self)


def assess_quality(
    definition: Definition,
    population: Population,
    exclusions: tuple[tuple[str, int], ...],
    notes: tuple[str, ...],
) -> DataQuality:
    """Describe the rows; suspicions don't stop a run, faults did so before."""
    weights = population.weights()
    counted = weights > 0
    features = tuple(
        _feature_quality(
            feature,
            population.columns[feature.name],
            population.outcome,
            weights,
            fewest=definition.smallest_group.people,
        )
        for feature in definition.features
    )
    events = int(population.outcome[counted].sum())
    return DataQuality(
        rows=len(population),
        patients=len(np.unique(population.patient)),
        events=events,
        non_events=int(counted.sum()) - events,
        unknown=int((~counted).sum()),
        event_rate=float(np.average(population.outcome, weights=weights)),
        exclusions=exclusions,
        notes=notes,
        features=features,
        suspicions=tuple(words for feature in features for words in _suspicions(feature)),
    )


def leaks(suspicions: Iterable[str]) -> tuple[str, ...]:
    """Return those suspicions that say that a feature leaks the outcome."""
    return tuple(words for words in suspicions if LEAKS in words)


def check_data_quality(quality: Mapping[str, Any]) -> GateResult:
    """Hold the data of a version, as its evidence has them, against every suspicion of a leak."""
    found = leaks(quality["suspicions"])
    words = "; ".join(found) or "no feature tells the outcome alone"
    return GateResult("data quality", "failed" if found else "passed", f"data quality: {words}")


def _feature_quality(
    feature: Feature,
    column: npt.NDArray[np.generic],
    outcome: FloatArray,
    weights: FloatArray,
    *,
    fewest: int,
) -> FeatureQuality:
    missing = is_missing(feature, column)
    known = column[~missing]
    counts = Counter(known.tolist())
    event, no_event = (outcome == 1) & (weights > 0), (outcome == 0) & (weights > 0)
    numeric = feature.kind == "numeric"
    return FeatureQuality(
        feature=feature.name,
        title=feature.title,
        unit=feature.unit,
        missing=int(missing.sum()),
        missing_share=float(missing.mean()),
        missing_share_with_event=float(missing[event].mean()),
        missing_share_without_event=float(missing[no_event].mean()),
        distinct=len(counts),
        quantiles=_quantiles(known.astype(np.float64), fewest) if numeric and known.size else None,
        categories=None if numeric else _tally(feature.categories, counts, fewest),
        largest_share=max(counts.values()) / known.size if known.size else 0.0,
        auroc=_auroc(column[~missing], outcome[~missing], weights[~missing]) if numeric else None,
        missingness_auroc=_auroc(missing, outcome, weights),
    )


def _quantiles(known: FloatArray, fewest: int) -> dict[str, float | None]:
    found = zip(QUANTILES, np.quantile(known, tuple(QUANTILES.values())).tolist(), strict=True)
    return {
        name: value
        if min(np.count_nonzero(known <= value), np.count_nonzero(known >= value)) >= fewest
        else None
        for name, value in found
    }


def _tally(
    categories: Mapping[str, str], counts: Mapping[Any, int], fewest: int
) -> dict[str, int | None]:
    """Count people by category; small groups can't be got back from the others and the total."""
    there = [name for name in categories if name in counts]
    cells = np.array([[counts[name]] for name in there]).reshape(-1, 1)
    small = {name for name, hide in zip(there, withheld(cells, [fewest]), strict=True) if hide}
    return {
        title: None if name in small else counts.get(name, 0) for name, title in categories.items()
    }


def _auroc(
    score: npt.NDArray[np.generic], outcome: FloatArray, weights: FloatArray
) -> float | None:
    """Return how far a feature alone ranks people by outcome, None where one outcome is absent."""
    counted = weights > 0
    if len(set(outcome[counted].tolist())) < 2:
        return None
    # only the order counts, and the ranks of scores are risks by their range
    _, ranks = np.unique(score[counted].astype(np.float64), return_inverse=True)
    risks = ranks / max(1, ranks.max())
    return float(RankedScores(outcome[counted], risks).auroc(weights[counted])[0])


def _suspicions(quality: FeatureQuality) -> list[str]:
    found = []
    if quality.missing_share > MUCH_MISSING_SHARE:
        found.append(f"{quality.title}: missing in {quality.missing_share:.0%} of rows")
    strength = _strength(quality.auroc)
    if strength > LEAKAGE_AUROC:
        found.append(
            f"{quality.title}: {LEAKS} (AUROC {strength:.2f}); is it known before "
            "time zero, or does it leak the outcome?"
        )
    strength = _strength(quality.missingness_auroc)
    if strength > MISSINGNESS_AUROC:
        found.append(
            f"{quality.title}: whether it is missing tells the outcome (AUROC {strength:.2f}); "
            "why is it measured in some people only?"
        )
    elif _missing_by_outcome(quality):
        found.append(
            f"{quality.title}: missing in {quality.missing_share_with_event:.1%} of people with "
            f"the event and {quality.missing_share_without_event:.1%} without; a model learns from "
            "that, so a lost feed would change risks unseen"
        )
    if quality.distinct == 2 and quality.quantiles is not None:
        found.append(f"{quality.title}: a number with only two values; is it a category?")
    if quality.largest_share > NEARLY_CONSTANT_SHARE:
        what = "of one category" if quality.quantiles is None else "the same number"
        found.append(f"{quality.title}: {quality.largest_share:.1%} of known rows are {what}")
    return found


def _missing_by_outcome(quality: FeatureQuality) -> bool:
    """Whether a value is missing much more often with one outcome than with the other."""
    less, more = sorted((quality.missing_share_with_event, quality.missing_share_without_event))
    return more - less > MISSING_DIFFERENCE and more > MISSING_RATIO * less


def _strength(auroc: float | None) -> float:
    return 0.5 if auroc is None else max(auroc, 1.0 - auroc)
