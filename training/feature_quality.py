"""One feature's completeness and distribution, and how far it tells the outcome alone.

What is published of it withholds every figure from which the count of few people would follow.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from models.encoding import is_missing
from models.evaluation.discrimination import RankedScores
from models.evaluation.suppression import withheld
from models.feature import Feature
from training.population import FloatArray

IntArray = npt.NDArray[np.intp]
Rows = npt.NDArray[np.bool_]
QUANTILES: Final = {"q01": 0.01, "q25": 0.25, "median": 0.5, "q75": 0.75, "q99": 0.99}
_FEWEST_OF_EACH: Final = 10  # people with and without the event, fewer of whom rank well by chance
_FEWEST_A_CATEGORY: Final = 10  # people by category, fewer of whom tell outcomes by chance


@dataclass(frozen=True, slots=True)
class FeatureQuality:
    """One feature's completeness, its distribution, and how far it tells the outcome alone.

    `auroc` and `missingness_auroc` are None where they can't be computed or are withheld; below 0.5
    a number falls with the outcome, and categories are ranked by their event rates. A category's
    count is None where it is withheld as a subgroup's would be, and so is a quantile at or beyond
    which fewer than the smallest group lie, whose value would be single people's; there are no
    extremes. Missing shares by outcome are None where one of the counts behind them is that small.
    `largest_share` is that of the most frequent known value, None where few have another.
    """

    feature: str
    title: str
    unit: str | None
    missing: int
    missing_share: float
    missing_share_with_event: float | None
    missing_share_without_event: float | None
    distinct: int
    quantiles: dict[str, float | None] | None
    categories: dict[str, int | None] | None
    largest_share: float | None
    auroc: float | None
    missingness_auroc: float | None


def measure_feature(
    feature: Feature,
    column: npt.NDArray[np.generic],
    outcome: FloatArray,
    weights: FloatArray,
    patient: IntArray,
    *,
    fewest: int,
) -> tuple[FeatureQuality, FeatureQuality]:
    """Return a feature's figures as they are, for what is suspected of it, and as published.

    `patient` numbers whose each row is, from 0; fewer than `fewest` of them are few people.
    """
    missing = is_missing(feature, column)
    known = column[~missing]
    counts = Counter(known.tolist())
    event, no_event = (outcome == 1) & (weights > 0), (outcome == 0) & (weights > 0)
    numeric = feature.kind == "numeric"
    exact = FeatureQuality(
        feature=feature.name,
        title=feature.title,
        unit=feature.unit,
        missing=int(missing.sum()),
        missing_share=float(missing.mean()),
        missing_share_with_event=_share(missing[event]),
        missing_share_without_event=_share(missing[no_event]),
        distinct=len(counts),
        quantiles=_quantiles(known.astype(np.float64), patient[~missing], fewest)
        if numeric and known.size
        else None,
        categories=None if numeric else _tally(feature.categories, column, patient, counts, fewest),
        largest_share=max(counts.values()) / known.size if known.size else 0.0,
        auroc=(_auroc if numeric else _auroc_of_categories)(
            known, outcome[~missing], weights[~missing], patient[~missing]
        ),
        missingness_auroc=_auroc(missing, outcome, weights, patient),
    )
    groups = (event, no_event, ~(event | no_event))
    return exact, _published(exact, column, missing, counts, groups, patient, fewest)


def _published(
    exact: FeatureQuality,
    column: npt.NDArray[np.generic],
    missing: npt.NDArray[np.bool_],
    counts: Mapping[Any, int],
    groups: tuple[Rows, ...],
    patient: IntArray,
    fewest: int,
) -> FeatureQuality:
    """Withhold shares and AUROCs that, with counts that are public, give a count of few people."""
    shown = exact
    if _few(fewest, *_by_group(missing, groups, patient), *_by_group(~missing, groups, patient)):
        shown = replace(
            shown,
            missing_share_with_event=None,
            missing_share_without_event=None,
            missingness_auroc=None,
        )
    if exact.categories is not None or len(counts) <= 2:  # a table, which its AUROC would complete
        cells = (n for value in counts for n in _by_group(_equal(column, value), groups, patient))
        if _few(fewest, *cells):
            shown = replace(shown, auroc=None)
    largest = _equal(column, max(counts, key=lambda value: counts[value], default=None)) & ~missing
    others = _people(patient, ~largest & ~missing)
    if _few(fewest, _people(patient, largest), others) or None in (exact.categories or {}).values():
        shown = replace(shown, largest_share=None)
    return shown


def _share(missing: npt.NDArray[np.bool_]) -> float | None:
    return float(missing.mean()) if missing.size else None


def _few(fewest: int, *counts: int) -> bool:
    """Say whether a count is of somebody, but of fewer than the smallest group."""
    return any(0 < count < fewest for count in counts)


def _by_group(rows: Rows, groups: tuple[Rows, ...], patient: IntArray) -> tuple[int, ...]:
    return tuple(_people(patient, rows & group) for group in groups)


def _people(patient: IntArray, rows: Rows) -> int:
    return int(np.count_nonzero(np.bincount(patient[rows])))


def _equal(column: npt.NDArray[np.generic], value: Any) -> Rows:
    return np.asarray(column == value, dtype=np.bool_)


def _quantiles(known: FloatArray, patient: IntArray, fewest: int) -> dict[str, float | None]:
    found = zip(QUANTILES, np.quantile(known, tuple(QUANTILES.values())).tolist(), strict=True)
    return {
        name: value
        if min(_people(patient, known <= value), _people(patient, known >= value)) >= fewest
        else None
        for name, value in found
    }


def _tally(
    categories: Mapping[str, str],
    column: npt.NDArray[np.generic],
    patient: IntArray,
    counts: Mapping[Any, int],
    fewest: int,
) -> dict[str, int | None]:
    """Count rows by category, such that those of few people don't follow from the others."""
    there = [name for name in categories if name in counts]
    rows = [_equal(column, name) for name in there]

    def together(hidden: Rows) -> tuple[int]:
        chosen = [own for own, hide in zip(rows, hidden, strict=True) if hide]
        return (_people(patient, np.logical_or.reduce(chosen)),)

    cells = np.array([[_people(patient, own)] for own in rows]).reshape(-1, 1)
    hidden = withheld(cells, [fewest], together)
    small = {name for name, hide in zip(there, hidden, strict=True) if hide}
    return {
        title: None if name in small else counts.get(name, 0) for name, title in categories.items()
    }


def _auroc_of_categories(
    known: npt.NDArray[np.generic], outcome: FloatArray, weights: FloatArray, patient: IntArray
) -> float | None:
    """Return the AUROC of the categories' own event rates, None where it's known of too few."""
    counted = weights > 0
    categories, place = np.unique(known[counted].astype(str), return_inverse=True)
    if _people(patient, counted) < _FEWEST_A_CATEGORY * len(categories):
        return None
    known_outcome, known_weights = outcome[counted], weights[counted]
    events = np.bincount(place, weights=known_outcome * known_weights)
    rates = events / np.bincount(place, weights=known_weights)
    return _auroc(rates[place], known_outcome, known_weights, patient[counted])


def _auroc(
    score: npt.NDArray[np.generic], outcome: FloatArray, weights: FloatArray, patient: IntArray
) -> float | None:
    """Return how far a feature alone ranks rows by outcome, None where either is of few people."""
    counted = weights > 0
    groups = (counted & (outcome == 1), counted & (outcome == 0))
    if min(_people(patient, group) for group in groups) < _FEWEST_OF_EACH:
        return None
    # only the order counts, and the ranks of scores are risks by their range
    _, ranks = np.unique(score[counted].astype(np.float64), return_inverse=True)
    risks = ranks / max(1, ranks.max())
    return float(RankedScores(outcome[counted], risks).auroc(weights[counted])[0])
