from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import log_loss, roc_auc_score

from models.definition import Definition, parse_definition
from models.scoring.calibration import risk_of_margin
from tests.training.conftest import NOW
from tests.training.readmissions import DEFINITION, cohort, followed, people
from training.baseline import BaselineParameters, fit_baseline
from training.booster import BoosterParameters, fit_trees
from training.comparators import formula_evidence
from training.learning_curve import learning_curve
from training.population import Population, admit
from training.sample_size import candidate_parameters, least_sample
from training.split import folds

EGFR = """
[[features]]
name = "egfr"
title = "Glomerular filtration rate"
kind = "numeric"
unit = "mL/min/{1.73_m2}"
plausible = [1, 300]
derived = { formula = "ckd_epi_2021", inputs = ["creatinine", "age", "sex"] }
"""


def test_the_least_sample_is_that_of_the_published_example() -> None:
    # the worked example of pmsampsize for R and Stata, type "b"
    found = least_sample(24, 0.174, 700, cox_snell_r2=0.288)

    assert (found.for_shrinkage, found.for_optimism, found.for_the_mean) == (623, 662, 221)
    assert found.needed == 662
    assert found.enough
    assert not replace(found, available=661).enough


def test_without_earlier_evidence_a_modest_r2_is_assumed() -> None:
    greatest = 1 - np.exp(2 * (0.1 * np.log(0.1) + 0.9 * np.log(0.9)))

    assert least_sample(10, 0.1, 100).cox_snell_r2 == pytest.approx(0.15 * greatest)


def test_splines_and_indicators_of_missing_values_count_as_parameters(
    population: Population,
) -> None:
    model = fit_baseline(population, BaselineParameters())

    # age, creatinine and C-reactive protein: 3 spline columns each; sex 1, ward 3; missing: 1 + 3
    assert candidate_parameters(model) == 3 * 3 + 1 + 3 + 1 + 3


def test_the_learning_curve_is_of_growing_parts_judged_by_the_same_people(
    definition: Definition, population: Population
) -> None:
    parameters = BoosterParameters(rounds=20)
    points = learning_curve(definition, population, parameters, 1)

    assert [point.people for point in points] == sorted({point.people for point in points})
    learning, held_out = next(folds(population, 1 + 3))
    judges = population.part(held_out)
    margins = fit_trees(definition, population.part(learning), parameters, 1).margins(judges.inputs)
    assert points[-1].auroc == pytest.approx(roc_auc_score(judges.outcome, margins))
    assert points[-1].log_loss == pytest.approx(log_loss(judges.outcome, risk_of_margin(margins)))
    assert points[-1].people == len(population.part(learning))


def test_the_learning_curve_counts_people_of_unknown_outcome_by_what_they_are_worth(
    definition: Definition,
) -> None:
    frame = followed(1400)
    nobody_more = (frame["outcome"] == 0) & (np.arange(len(frame)) % 3 > 0)
    frame.loc[nobody_more, "follow_up_days"] = 3.0
    rows, _ = admit(cohort(frame), definition, NOW)
    learning = rows.part(next(folds(rows, 1 + 3))[0])
    weights = learning.weights()

    points = learning_curve(definition, rows, BoosterParameters(rounds=20), 1)

    worth = int(weights.sum() ** 2 / (weights**2).sum())
    assert points[-1].people == worth < len(learning) * 0.8
    assert points[-1].events == int(learning.outcome[weights > 0].sum())


def test_several_rows_of_a_patient_are_one_person(definition: Definition) -> None:
    rows, _ = admit(cohort(people(900)), definition, NOW)
    whose = np.arange(900) // 3
    visits = replace(rows, patient=whose)
    lost, _ = admit(cohort(followed(900)), definition, NOW)

    points = learning_curve(definition, visits, BoosterParameters(rounds=20), 1)

    assert (rows.effective_size(), visits.effective_size()) == (900, 300)
    learning, _ = next(folds(visits, 1 + 3))
    assert points[-1].people == len(np.unique(whose[learning]))
    assert 200 < replace(lost, patient=whose).effective_size() < 300 < lost.effective_size()


def test_a_derived_formula_ranks_alone_and_its_published_cut_is_a_rule() -> None:
    definition = parse_definition((DEFINITION + EGFR).encode(), source="with eGFR")
    rows, _ = admit(cohort(people()), definition, NOW)

    (found,) = formula_evidence(rows, definition, draws=40, seed=1)

    values = rows.columns["egfr"].astype(float)
    known = ~np.isnan(values)
    assert found.known == known.sum() < len(rows)
    expected = roc_auc_score(rows.outcome[known], -values[known])
    assert found.auroc.value == pytest.approx(expected)
    acted = values < 60
    benefit = (acted * (rows.outcome - (1 - rows.outcome) * 0.3 / 0.7)).mean()
    assert found.net_benefit["0.3"].value == pytest.approx(benefit)
    assert found.rule is not None
    assert found.rule.startswith("below 60 (KDIGO")


def test_a_definition_without_formulas_has_no_such_comparator(
    definition: Definition, population: Population
) -> None:
    assert formula_evidence(population, definition, draws=40, seed=1) == ()
