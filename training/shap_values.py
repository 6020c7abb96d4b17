"""The shap library's own view of the trees, beside the contributions that are served."""

import warnings
from dataclasses import dataclass

import numpy as np

from models.definition import Definition
from models.errors import ExplanationMismatch
from models.scoring.scorer import Explanations
from training.booster import Trees
from training.fitting import Calibrated
from training.population import FloatArray, Population

MOST_ROWS = 2000
MOST_SHOWN = 4
_TOLERANCE = 1e-4


@dataclass(frozen=True, eq=False)
class ShapValues:
    """Some rows with their SHAP values (rows, features)."""

    rows: Population
    contributions: FloatArray


def explain_some(
    definition: Definition,
    rows: Population,
    fitted: Calibrated[Trees] | None,
    served: Explanations,
    *,
    seed: int,
) -> ShapValues:
    """Explain at most 2,000 rows by shap; raise ExplanationMismatch if serving says otherwise.

    Without `fitted` (a quick run) these are the contributions that serving will give, unchecked.
    """
    order = np.random.Generator(np.random.PCG64(seed)).permutation(len(rows))
    places = np.sort(order[:MOST_ROWS])
    some = rows.part(places)
    if fitted is None:
        return ShapValues(some, served.contributions[places])
    found = shap_contributions(definition, fitted, some.inputs)
    check_agreement(served.contributions[places], found)
    return ShapValues(some, found)


def shap_contributions(
    definition: Definition, fitted: Calibrated[Trees], inputs: FloatArray
) -> FloatArray:
    """Return SHAP values (rows, features) on the calibrated log-odds, by shap's TreeExplainer."""
    with warnings.catch_warnings():
        # matplotlib's notice to shap's authors, of what shap calls while it is imported
        warnings.simplefilter("ignore", PendingDeprecationWarning)
        import shap  # only here: it takes seconds to import
    values = shap.TreeExplainer(fitted.model.booster).shap_values(inputs)
    by_feature = np.zeros((len(inputs), len(definition.features)))
    for column, feature in enumerate(definition.column_feature):
        by_feature[:, feature] += values[:, column]
    return fitted.sigmoid.a * by_feature


def check_agreement(own: FloatArray, others: FloatArray) -> None:
    """Raise ExplanationMismatch unless the served contributions are shap's, to 1e-4 log-odds."""
    worst = float(np.abs(own - others).max())
    if not worst <= _TOLERANCE:
        raise ExplanationMismatch(
            f"contributions differ from those of shap by {worst:g} log-odds: nothing is registered"
        )


def mean_sizes(definition: Definition, contributions: FloatArray) -> dict[str, float]:
    """Return the mean size of each feature's contribution, by its title."""
    sizes = np.abs(contributions).mean(axis=0).tolist()
    titles = [feature.title for feature in definition.features]
    return dict(zip(titles, sizes, strict=True))


def dependence(
    definition: Definition, rows: Population, contributions: FloatArray
) -> dict[str, tuple[FloatArray, FloatArray]]:
    """Return known values and contributions of the numeric features that contribute most."""
    sizes = np.abs(contributions).mean(axis=0)
    ranked = [
        place
        for place in np.argsort(-sizes, kind="stable").tolist()
        if definition.features[place].kind == "numeric"
    ][:MOST_SHOWN]
    found = {}
    for place in ranked:
        feature = definition.features[place]
        values = rows.columns[feature.name].astype(np.float64)
        known = ~np.isnan(values)
        found[feature.title] = values[known], contributions[known, place]
    return found
