"""What is said of a table: its rows, those left out, what is missing and what is suspicious."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from models.definition import Definition

_LEAST_SHOWN: Final = 0.001


def counts_words(quality: Mapping[str, Any]) -> str:
    """Return how many rows, patients and events a table has."""
    return (
        f"{quality['rows']:,} rows of {quality['patients']:,} patients, {quality['events']:,} "
        "events"
    )


def not_as_given_words(exclusions: Iterable[Sequence[Any]]) -> str:
    """Return each reason for which rows, or values in them, were left out, and of how many."""
    found = [f"{why}: {'withheld' if rows is None else f'{rows:,}'}" for why, rows in exclusions]
    return f"not taken as given: {'; '.join(found)}" if found else "no row was left out"


def missing_words(quality: Mapping[str, Any]) -> str:
    """Return which features are missing in how many of a table's rows, or that none is."""
    shares = [
        f"{one['title']} {_share(one['missing_share'])}"
        for one in quality["features"]
        if one["missing"]
    ]
    return "; ".join(shares) or "nothing"


def missing_in_training_words(definition: Definition, shares: Mapping[str, float]) -> str:
    """Return which features are missing in how many of the rows that the trees learnt from."""
    found = [
        f"{feature.title} {_share(shares[feature.name])}"
        for feature in definition.features
        if shares[feature.name] > 0
    ]
    return "; ".join(found) or "nothing"


def _share(share: float | None) -> str:
    """Return a share that isn't 0, and doesn't look so."""
    if share is None:
        return "withheld"
    return "under 0.1%" if share < _LEAST_SHOWN else f"{share:.1%}"


def suspicions_words(quality: Mapping[str, Any]) -> str:
    """Return what is suspicious in a table, or that nothing is."""
    return "; ".join(quality["suspicions"]) or "nothing"
