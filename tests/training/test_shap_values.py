import json
from pathlib import Path

import numpy as np
import pytest

from models.definition import Definition
from models.errors import ExplanationMismatch
from models.scoring.calibration import Sigmoid
from training.artefact import write_scorer
from training.booster import BoosterParameters, fit_trees
from training.fitting import Calibrated
from training.population import Population
from training.shap_values import check_agreement, dependence, mean_sizes, shap_contributions


def test_served_contributions_are_those_of_the_shap_library(
    definition: Definition, population: Population, tmp_path: Path
) -> None:
    trees = fit_trees(definition, population, BoosterParameters(rounds=40), 1)
    sigmoid = Sigmoid(1.3, 0.2)
    scorer = write_scorer(
        tmp_path,
        definition,
        trees=trees.to_bytes(),
        sigmoid=sigmoid,
        table_budget_mb=64,
        check_on=population.inputs,
    )
    served = scorer.explain_batch(population.inputs).contributions
    fitted = Calibrated(trees, sigmoid, np.zeros(len(population)), np.arange(len(population)))

    found = shap_contributions(definition, fitted, population.inputs)

    assert found == pytest.approx(served, abs=1e-5)
    check_agreement(served, found)
    with pytest.raises(ExplanationMismatch, match=r"differ from those of shap by 0\.01"):
        check_agreement(served + 0.01, found)


def test_the_numeric_features_that_contribute_most_are_shown_where_they_are_known(
    definition: Definition, population: Population
) -> None:
    contributions = np.tile([0.1, 9.0, -0.3, 0.2, 5.0], (len(population), 1))

    shown = dependence(definition, population, contributions)

    assert list(shown) == ["Creatinine in serum", "C-reactive protein", "Age"]
    values, sizes = shown["Creatinine in serum"]
    assert len(values) == (~np.isnan(population.columns["creatinine"].astype(float))).sum()
    assert set(sizes) == {-0.3}
    assert mean_sizes(definition, contributions)["Ward"] == pytest.approx(5.0)


def test_a_run_draws_them(artefact: Path) -> None:
    evidence = json.loads((artefact / "evidence.json").read_bytes())
    page = (artefact / "card.html").read_text()

    assert set(evidence["importance"]) >= {"Age", "Ward"}
    assert "What values of " in page
