"""What is said of a table: its rows, those left out, what is missing and what is suspicious."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from models.definition import Definition


def counts_words(quality: Mapping[str, Any]) -> str:
    """Return how many rows, patients and events a table has."""
    return f"{quality['rows']} rows of {quality['patients']} patients, {quality['events']} events"


def left_out_words(exclusions: Iterable[Sequence[Any]]) -> list[str]:
    """Return each reason for which rows were left out, and how many those are."""
    return [f"{why}: {'withheld' if rows is None else rows}" for why, rows in exclusions]


def missing_words(quality: Mapping[str, Any]) -> str:
    """Return which features are missing in how many of a table's rows, or that none is."""
    shares = [
        f"{one['title']} {one['missing_share']:.1%}"
        for one in quality["features"]
        if one["missing"]
    ]
    return "; ".join(shares) or "nothing"


def missing_in_training_words(definition: Definition, shares: Mapping[str, float]) -> str:
    """Return which features are missing in how many of the rows that the trees learnt from."""
    found = [
        f"{feature.title} {shares[feature.name]:.1%}"
        for feature in definition.features
        if shares[feature.name] > 0
    ]
    return "; ".join(found) or "nothing"


def suspicions_words(quality: Mapping[str, Any]) -> str:
    """Return what is suspicious in a table, or that nothing is."""
    return "; ".join(quality["suspicions"]) or "nothing"
