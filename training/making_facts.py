"""How predictors entered the models, in words: what the run's own fits had, and no more."""

from collections.abc import Mapping
from typing import Any, Final

from models.definition import Definition

_ALL_TERMS: Final = {"splines": True, "indicators": True}  # of evidence that doesn't tell


def baseline_title(terms: Mapping[str, bool]) -> str:
    """Return what the baseline is, by the terms that it has."""
    named = {"splines": "splines", "indicators": "indicators of missing values"}
    has = " and ".join(words for name, words in named.items() if terms[name])
    return f"penalised logistic regression{f' with {has}' if has else ''}, calibrated likewise"


def predictor_handling(definition: Definition, evidence: Mapping[str, Any]) -> str:
    """Say how trees and regression take numbers and categories, as far as there are such."""
    kinds = {feature.kind for feature in definition.features}
    trees = {"numeric": "numbers as they are", "categorical": "categories as 0 and 1"}
    taken = ", ".join(words for kind, words in trees.items() if kind in kinds)
    splined = "numbers by restricted cubic splines; " if _terms(evidence)["splines"] else ""
    return f"Trees: {taken}. Regression: {splined}all columns standardised"


def missing_handling(evidence: Mapping[str, Any]) -> str:
    """Say what the models do with a missing value."""
    if _terms(evidence)["indicators"]:
        return "Trees take a missing value as one; the regression takes the median and an indicator"
    return (
        "Trees take a missing value as one; the regression, which met none in training, has no "
        "indicators and takes the median"
    )


def monotone(definition: Definition) -> str:
    """Return which features the trees are held to rise or fall with; empty where none is."""
    found = []
    for direction, verb in (("increasing", "falls"), ("decreasing", "rises")):
        titles = [one.title for one in definition.features if one.direction == direction]
        if titles:
            found.append(f"the risk never {verb} as any of these rises: {', '.join(titles)}")
    return f"Monotone constraints hold that {', and '.join(found)}" if found else ""


def _terms(evidence: Mapping[str, Any]) -> Mapping[str, bool]:
    terms: Mapping[str, bool] = evidence.get("baseline_terms", _ALL_TERMS)
    return terms
