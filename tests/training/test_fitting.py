from dataclasses import replace

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given
from hypothesis import strategies as st
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from models.definition import Definition
from models.errors import CohortError
from models.scoring.calibration import risk_of_margin
from models.scoring.linear import decode_linear, encode_linear
from tests.training.conftest import NOW
from tests.training.readmissions import cohort
from tests.training.readmissions import people as people_frame
from training.baseline import BaselineParameters, fit_baseline
from training.booster import BoosterParameters, fit_trees, monotone_constraints
from training.calibration import Separated, calibrating_rows, fit_sigmoid
from training.fitting import fit_calibrated, out_of_fold, weighted_log_loss
from training.population import FloatArray, Population, admit

SMALL = BoosterParameters(rounds=20)


class Remembering:
    """A model that gives a row the margin 1 if it has seen it, else 0."""

    def __init__(self, rows: Population) -> None:
        self.seen = {row.tobytes() for row in rows.inputs}

    def margins(self, X: FloatArray, /) -> FloatArray:
        return np.array([float(row.tobytes() in self.seen) for row in X])


def test_the_same_rows_and_seed_give_the_same_bytes(
    definition: Definition, population: Population
) -> None:
    first, again, other = (
        fit_trees(definition, population, SMALL, seed).to_bytes() for seed in (1, 1, 2)
    )

    assert first == again
    assert first != other


def test_a_stated_direction_holds_for_everyone(
    definition: Definition, population: Population
) -> None:
    assert monotone_constraints(definition) == (1, 0, 0, 0, 0, 0, 0)
    trees = fit_trees(definition, population, SMALL, 1)
    older = population.inputs.copy()
    older[:, 0] += 7

    assert (trees.margins(older) >= trees.margins(population.inputs)).all()


def test_trees_are_fitted_by_the_weights_of_the_censoring(
    definition: Definition, censored_population: Population
) -> None:
    people = censored_population
    weights = people.weights()
    assert (weights == 0).sum() > 20
    known = people.part(weights > 0)
    # those lost early weigh nothing, and those who stayed weigh more than one: the fit is neither
    # that of everyone counted once nor that of the known counted once
    weighted = fit_trees(definition, people, SMALL, 1).margins(people.inputs)
    everyone = fit_trees(definition, replace(people, follow_up_days=None), SMALL, 1)
    counted = fit_trees(definition, replace(known, follow_up_days=None), SMALL, 1)

    assert np.abs(weighted - everyone.margins(people.inputs)).max() > 0.01
    assert np.abs(weighted - counted.margins(people.inputs)).max() > 0.001


def test_the_baseline_is_fitted_by_the_weights_of_the_censoring(
    censored_population: Population,
) -> None:
    weighted = fit_baseline(censored_population, BaselineParameters())
    everyone = fit_baseline(replace(censored_population, follow_up_days=None), BaselineParameters())

    # taking the lost for event-free makes the outcome look rarer than it is
    difference = weighted.margins(censored_population.inputs) - everyone.margins(
        censored_population.inputs
    )
    assert difference.mean() > 0.05


def test_the_baseline_equals_scikit_learns_own_pipeline(population: Population) -> None:
    # binary columns have no spline, so a standard pipeline with indicators is the same model
    binary = np.where(np.isnan(population.inputs), np.nan, population.inputs > 1).astype(float)
    binary[:, 0] = population.inputs[:, 0] > 60
    people = replace(population, inputs=binary)
    weight = 1e-6  # next to no penalty, since the pipeline scales the indicators too

    ours = fit_baseline(people, BaselineParameters(strength=weight)).margins(binary)
    theirs = make_pipeline(
        SimpleImputer(strategy="median", add_indicator=True),
        StandardScaler(),
        LogisticRegression(C=1 / weight, max_iter=5000, tol=1e-10),
    ).fit(binary, population.outcome)

    assert ours == pytest.approx(theirs.decision_function(binary), abs=2e-3)


def test_without_indicators_the_baseline_equals_a_pipeline_that_only_imputes(
    population: Population,
) -> None:
    binary = np.where(np.isnan(population.inputs), np.nan, population.inputs > 1).astype(float)
    binary[:, 0] = population.inputs[:, 0] > 60
    people = replace(population, inputs=binary)
    weight = 1e-6

    parameters = BaselineParameters(strength=weight)
    ours = fit_baseline(people, parameters, indicators=False).margins(binary)
    theirs = make_pipeline(
        SimpleImputer(strategy="median"),
        StandardScaler(),
        LogisticRegression(C=1 / weight, max_iter=5000, tol=1e-10),
    ).fit(binary, population.outcome)

    assert np.isnan(binary).any()
    assert ours == pytest.approx(theirs.decision_function(binary), abs=1e-4)


def test_the_baseline_is_linear_beyond_its_outer_knots(population: Population) -> None:
    model = fit_baseline(population, BaselineParameters())
    assert len(model.terms[0].knots) == 4
    row = np.nanmedian(population.inputs, axis=0)
    far = np.tile(row, (3, 1))
    far[:, 0] = 200, 300, 400

    margins = model.margins(far)

    assert margins[2] - margins[1] == pytest.approx(margins[1] - margins[0])


def test_the_baseline_survives_as_plain_numbers(population: Population) -> None:
    model = fit_baseline(population, BaselineParameters(l1_ratio=0.5))
    kept = decode_linear(encode_linear(model))

    assert kept.margins(population.inputs).tolist() == model.margins(population.inputs).tolist()


def test_calibration_margins_come_from_fits_that_have_not_seen_the_row(
    population: Population,
) -> None:
    distinct = replace(
        population, inputs=np.arange(len(population) * 2, dtype=float).reshape(-1, 2)
    )

    assert (out_of_fold(Remembering, distinct, 1, lambda: None) == 0).all()


def test_the_sigmoid_is_the_maximum_likelihood_one() -> None:
    generator = np.random.default_rng(3)
    margins = generator.normal(0, 2, 500)
    outcome = (generator.random(500) < risk_of_margin(0.6 * margins - 0.4)).astype(float)
    weights = generator.integers(0, 4, 500).astype(float)

    sigmoid = fit_sigmoid(margins, outcome, weights)

    design = sm.add_constant(margins)
    expected = sm.GLM(outcome, design, sm.families.Binomial(), freq_weights=weights).fit().params
    assert [sigmoid.b, sigmoid.a] == pytest.approx(expected.tolist(), abs=1e-6)


def test_margins_that_fall_with_the_outcome_are_refused() -> None:
    margins = np.linspace(-2, 2, 200)
    outcome = (np.random.default_rng(1).random(200) < risk_of_margin(-margins)).astype(float)

    with pytest.raises(CohortError, match="out-of-fold scores don't rise with the outcome"):
        fit_sigmoid(margins, outcome, np.ones(200))


def test_margins_that_know_every_outcome_are_said_to_and_have_no_sigmoid() -> None:
    outcome = np.repeat([0.0, 1.0], 100)
    margins = np.where(outcome == 1, 3.0, -3.0) + np.linspace(0, 1, 200)

    with pytest.raises(Separated, match="tell every outcome without error"):
        fit_sigmoid(margins, outcome, np.ones(200))
    one_wrong = outcome.copy()
    one_wrong[150] = 0.0
    assert fit_sigmoid(margins, one_wrong, np.ones(200)).a > 0
    with pytest.raises(Separated):
        fit_sigmoid(margins, one_wrong, np.where(outcome == one_wrong, 1.0, 0.0))


def test_margins_that_are_all_alike_have_learnt_nothing() -> None:
    with pytest.raises(CohortError, match=r"don't rise .*\(calibration slope none\)"):
        fit_sigmoid(np.zeros(200), np.repeat([0.0, 1.0], 100), np.ones(200))


def test_without_times_all_rows_calibrate(population: Population) -> None:
    assert calibrating_rows(population).tolist() == list(range(len(population)))


def test_where_times_are_known_the_latest_fifth_calibrates_with_events_enough(
    population: Population,
) -> None:
    many = np.tile(np.arange(len(population)), 5)
    times = np.random.default_rng(3).permutation(len(many)).astype(float)
    people = replace(population.part(many), time=times)

    rows = calibrating_rows(people)

    assert times[rows].min() == round(0.8 * len(many))
    assert people.outcome[rows].sum() >= 200 <= (people.outcome[rows] == 0).sum()


@given(rate=st.floats(0.02, 0.98), seed=st.integers(0, 99), ties=st.integers(1, 300))
def test_the_calibrating_part_reaches_back_until_it_holds_200_of_each_outcome(
    rate: float, seed: int, ties: int, censored_population: Population
) -> None:
    generator = np.random.default_rng(seed)
    rows = len(censored_population)
    people = replace(
        censored_population,
        outcome=(generator.random(rows) < rate).astype(float),
        time=generator.integers(0, ties, rows),
    )
    known = people.weights() > 0
    of_each = [int((known & (people.outcome == outcome)).sum()) for outcome in (0, 1)]

    found = calibrating_rows(people)

    chosen = np.isin(np.arange(rows), found)
    if min(of_each) < 200:
        assert chosen.all()
        return
    assert chosen.sum() >= 0.2 * rows
    assert people.time is not None
    assert chosen.all() or people.time[chosen].min() > people.time[~chosen].max()
    for outcome in (0, 1):
        assert (known & chosen & (people.outcome == outcome)).sum() >= 200


def test_a_risk_that_has_fallen_is_calibrated_as_it_is_now(definition: Definition) -> None:
    frame = people_frame(6000).assign(time=np.arange(6000))
    fallen = (frame["time"] >= 4000) & (np.random.default_rng(2).random(6000) < 0.5)
    frame.loc[fallen, "outcome"] = 0
    rows = admit(cohort(frame), definition, NOW)[0]

    fitted = fit_calibrated(
        lambda part: fit_trees(definition, part, SMALL, 1), rows, 1, lambda: None
    )

    late = fitted.calibrated_on
    risks = risk_of_margin(fitted.out_of_fold)
    assert len(late) == 1200
    assert risks[late].mean() == pytest.approx(rows.outcome[late].mean(), abs=1e-6)
    assert risks.mean() < rows.outcome.mean() - 0.05


def test_calibrated_risks_average_to_the_event_rate_out_of_fold(
    definition: Definition, censored_population: Population
) -> None:
    fitted = fit_calibrated(
        lambda rows: fit_trees(definition, rows, SMALL, 1),
        censored_population,
        1,
        lambda: None,
    )

    weights = censored_population.weights()
    risks = risk_of_margin(fitted.out_of_fold)
    assert np.average(risks, weights=weights) == pytest.approx(
        np.average(censored_population.outcome, weights=weights), abs=1e-6
    )
    margins = fitted.model.margins(censored_population.inputs)
    assert fitted.risk(censored_population.inputs) == pytest.approx(
        risk_of_margin(fitted.sigmoid.a * margins + fitted.sigmoid.b)
    )


def test_the_log_loss_is_scikit_learns() -> None:
    generator = np.random.default_rng(1)
    margins, weights = generator.normal(0, 3, 100), generator.random(100)
    outcome = generator.integers(0, 2, 100).astype(float)

    expected = log_loss(outcome, risk_of_margin(margins), sample_weight=weights)
    assert weighted_log_loss(margins, outcome, weights) == pytest.approx(expected)
