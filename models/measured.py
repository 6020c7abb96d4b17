"""What is known beforehand of features that are given, not derived: what a bare number means."""

import math
from collections.abc import Iterable
from typing import NamedTuple

from models.candidates import missing_words
from models.feature import Feature, Plain
from models.readings import Finding


class Measured(NamedTuple):
    """A feature, what makes its values plain, and the finding without any.

    Between `low` and `high` a bare number is its value.
    Nearly every number is given so; all others need a closer look (see `values`).
    """

    feature: Feature
    plain: Plain
    name: str
    low: float
    high: float
    whole: bool
    absent: Finding


def measured(features: Iterable[Feature]) -> tuple[Measured, ...]:
    """Return the features that are given; the range is empty where no bare number will do."""
    return tuple(_measured(feature) for feature in features if feature.derived is None)


def by_coding(features: Iterable[Feature]) -> dict[tuple[str, str], tuple[Feature, ...]]:
    """Return the features that are observed, by each system and code of theirs."""
    found: dict[tuple[str, str], tuple[Feature, ...]] = {}
    for feature in features:
        for coding in feature.codings if feature.source == "observation" else ():
            found[coding] = (*found.get(coding, ()), feature)
    return found


def _measured(feature: Feature) -> Measured:
    low, high = feature.plain.low, feature.plain.high
    if feature.unit_mandatory:
        low, high = math.inf, -math.inf
    finding = Finding(feature.name, "missing", "no_value", missing_words(feature, "no_value", ()))
    return Measured(feature, feature.plain, feature.name, low, high, feature.is_whole, finding)
