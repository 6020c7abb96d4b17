"""How predictors entered the models, in words: what the run's own fits had, and no more."""

from collections.abc import Mapping
from typing import Any, Final

from models.definition import Definition

TREES_MISSING: Final = "Trees take a missing value as one"
_ALL_TERMS: Final = {"splines": True, "indicators": True}  # of evidence that doesn't tell


def baseline_title(terms: Mapping[str, bool]) -> str:
    """Return what the baseline is, by the terms that it has."""
    named = {"splines": "splines", "indicators": "indicators of missing values"}
    has = " and ".join(words for name, words in named.items() if terms[name])
    return f"penalised logistic regression{f' with {has}' if has else ''}, calibrated likewise"


def predictor_handling(definition: Definition, evidence: Mapping[str, Any]) -> str:
    """Say how trees and regression take numbers and categories, as far as there are such."""
    splined = "numbers by restricted cubic splines; " if _terms(evidence)["splines"] else ""
    return f"Trees: {trees_handling(definition)}. Regression: {splined}all columns standardised"


def trees_handling(definition: Definition) -> str:
    """Say how trees take numbers and categories, as far as there are such."""
    return _of_kinds(
        definition, {"numeric": "numbers as they are", "categorical": "categories as 0 and 1"}
    )


def missing_handling(definition: Definition, evidence: Mapping[str, Any]) -> str:
    """Say what the models do with a missing value."""
    filled = _of_kinds(
        definition,
        {"numeric": "the median", "categorical": "of each category the commoner of 0 and 1"},
    )
    if _terms(evidence)["indicators"]:
        return f"{TREES_MISSING}; the regression takes {filled}, and an indicator"
    return (
        f"{TREES_MISSING}; the regression, which met none in training, has no indicators and takes "
        f"{filled}"
    )


def _of_kinds(definition: Definition, words: Mapping[str, str]) -> str:
    kinds = {feature.kind for feature in definition.features}
    return ", ".join(said for kind, said in words.items() if kind in kinds)


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
