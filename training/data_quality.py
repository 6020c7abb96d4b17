"""What the training rows look like before anything is fitted, and what looks suspicious in them."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from models.definition import Definition
from models.event_dates import WHEN_KNOWN
from training.cohort import Cohort
from training.cohort_faults import repeated_rows
from training.feature_quality import FeatureQuality, measure_feature
from training.follow_up import suspect_lost
from training.gates import GateResult
from training.mixed_units import MIXED, mixtures
from training.population import NotAsGiven, Population

LEAKAGE_AUROC = 0.95
LEAKS = "tells the outcome alone"
MISSINGNESS_AUROC = 0.65
MISSING_DIFFERENCE = 0.05
MISSING_RATIO = 2.0
NEARLY_CONSTANT_SHARE = 0.99
MUCH_MISSING_SHARE = 0.5
MOST_UNKNOWN_SHARE = 0.5
_STRONGEST = 3


@dataclass(frozen=True, slots=True)
class DataQuality:
    """The rows that entered and those that didn't, each feature, and every suspicion in words.

    `set_to_missing` are implausible values of rows that entered, by feature's title.
    """

    rows: int
    patients: int
    events: int
    non_events: int
    unknown: int
    event_rate: float
    exclusions: tuple[tuple[str, int], ...]
    set_to_missing: tuple[tuple[str, int], ...]
    notes: tuple[str, ...]
    features: tuple[FeatureQuality, ...]
    suspicions: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the report as plain values that JSON can hold."""
        return asdict(self)


def assess_quality(
    definition: Definition,
    population: Population,
    not_as_given: NotAsGiven,
    cohort: Cohort,
) -> DataQuality:
    """Describe a cohort's admitted rows; suspicions don't stop a run, faults did so before."""
    weights = population.weights()
    counted = weights > 0
    patients, patient = np.unique(population.patient, return_inverse=True)
    measured = [
        measure_feature(
            feature,
            population.columns[feature.name],
            population.outcome,
            weights,
            patient,
            fewest=definition.smallest_group.people,
        )
        for feature in definition.features
    ]
    events = int(population.outcome[counted].sum())
    return DataQuality(
        rows=len(population),
        patients=len(patients),
        events=events,
        non_events=int(counted.sum()) - events,
        unknown=int((~counted).sum()),
        event_rate=float(np.average(population.outcome, weights=weights)),
        exclusions=not_as_given.left_out,
        set_to_missing=not_as_given.set_to_missing,
        notes=cohort.notes,
        features=tuple(published for _, published in measured),
        suspicions=(
            *cohort.suspicions,
            *suspect_lost(definition, population),
            *_censored(float(np.mean(~counted))),
            *repeated_rows(cohort.frame),
            *mixtures(cohort.frame, definition),
            *(words for exact, published in measured for words in _suspicions(exact, published)),
        ),
    )


def _censored(share: float) -> list[str]:
    if share <= MOST_UNKNOWN_SHARE:
        return []
    return [
        f"outcome: unknown at the horizon in {share:.0%} of rows; the few who were followed so "
        "long stand for all of them"
    ]


def leaks(suspicions: Iterable[str]) -> tuple[str, ...]:
    """Return those suspicions that say that a feature leaks the outcome."""
    return tuple(words for words in suspicions if LEAKS in words)


def strongest(quality: DataQuality) -> tuple[str, ...]:
    """Return the names of the features that tell the outcome best alone, the best first."""
    ranked = sorted(quality.features, key=lambda feature: -_strength(feature.auroc))
    return tuple(feature.feature for feature in ranked[:_STRONGEST])


def check_data_quality(quality: Mapping[str, Any]) -> GateResult:
    """Hold a version's data, as its evidence has them, against what must not be in them unseen.

    That is a leak of the outcome, mixed units, or events dated by when they became known.
    """
    suspicions = quality["suspicions"]
    grave = (MIXED, WHEN_KNOWN)
    others = (words for words in suspicions if any(mark in words for mark in grave))
    found = (*leaks(suspicions), *others)
    words = "; ".join(found) or "no feature tells the outcome alone, none has mixed units"
    return GateResult("data quality", "failed" if found else "passed", f"data quality: {words}")


def _suspicions(quality: FeatureQuality, published: FeatureQuality) -> list[str]:
    """Return what is suspicious in words that hold no figure which isn't published."""
    found = []
    if quality.missing_share > MUCH_MISSING_SHARE:
        found.append(f"{quality.title}: missing in {quality.missing_share:.0%} of rows")
    strength = _strength(quality.auroc)
    if strength > LEAKAGE_AUROC:
        found.append(
            f"{quality.title}: {LEAKS} ({_auroc_words(quality.auroc, published.auroc)}); is it "
            "known before time zero, or does it leak the outcome?"
        )
    strength = _strength(quality.missingness_auroc)
    if strength > MISSINGNESS_AUROC:
        words = _auroc_words(quality.missingness_auroc, published.missingness_auroc)
        tells = LEAKS if strength > LEAKAGE_AUROC else "tells the outcome"
        found.append(
            f"{quality.title}: whether it is missing {tells} ({words}); why is it "
            "measured in some people only?"
        )
    elif _missing_by_outcome(quality):
        found.append(
            f"{quality.title}: missing {_shares_words(published)}; a model learns from that, so a "
            "lost feed would change risks unseen"
        )
    if quality.distinct == 2 and quality.quantiles is not None:
        found.append(f"{quality.title}: a number with only two values; is it a category?")
    if (quality.largest_share or 0.0) > NEARLY_CONSTANT_SHARE:
        what = "of one category" if quality.quantiles is None else "the same number"
        share = published.largest_share
        known = "nearly all" if share is None else f"{share:.1%} of"
        found.append(f"{quality.title}: {known} known rows are {what}")
    return found


def _auroc_words(exact: float | None, published: float | None) -> str:
    if published is None:
        return "its AUROC is withheld, for few people"
    return f"AUROC {_strength(exact):.2f}"


def _shares_words(published: FeatureQuality) -> str:
    with_event, without = published.missing_share_with_event, published.missing_share_without_event
    if with_event is None or without is None:
        return "much more often with one outcome than with the other"
    return f"in {with_event:.1%} of rows with the event and {without:.1%} without"


def _missing_by_outcome(quality: FeatureQuality) -> bool:
    """Whether a value is missing much more often with one outcome than with the other."""
    with_event, without = quality.missing_share_with_event, quality.missing_share_without_event
    less, more = sorted((with_event or 0.0, without or 0.0))
    return more - less > MISSING_DIFFERENCE and more > MISSING_RATIO * less


def _strength(auroc: float | None) -> float:
    return 0.5 if auroc is None else max(auroc, 1.0 - auroc)
