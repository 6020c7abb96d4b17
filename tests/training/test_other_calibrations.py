import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize

from models.definition import Definition
from models.evaluation.calibration import CalibrationSample
from models.scoring.calibration import risk_of_margin
from training.calibration_figures import calibration_figures
from training.candidate import Making
from training.judging import judge_by_folds
from training.other_calibrations import beta_risks, isotonic_risks
from training.population import FloatArray, Population
from training.split import split


def _sample(seed: int, rows: int = 3000) -> tuple[FloatArray, FloatArray, FloatArray]:
    generator = np.random.default_rng(seed)
    margins = generator.normal(-1, 1.5, rows)
    risk = risk_of_margin(0.6 * margins + 0.3 * np.maximum(margins, 0))
    outcome = (generator.random(rows) < risk).astype(float)
    return margins, outcome, generator.integers(0, 3, rows).astype(float)


def test_beta_calibration_is_the_maximum_likelihood_found_by_another_optimiser() -> None:
    margins, outcome, weights = _sample(1)
    p = risk_of_margin(margins)

    def loss(parameters: FloatArray) -> float:
        a, b, c = parameters
        log_odds = a * np.log(p) - b * np.log1p(-p) + c
        return float(weights @ (np.logaddexp(0, log_odds) - outcome * log_odds))

    bounds = [(0, None), (0, None), (None, None)]
    found = minimize(loss, [1, 1, 0], method="L-BFGS-B", bounds=bounds, options={"ftol": 1e-13})
    a, b, c = found.x
    expected = risk_of_margin(a * np.log(p) - b * np.log1p(-p) + c)

    assert beta_risks(margins, outcome, weights, margins) == pytest.approx(expected, abs=1e-4)


@given(st.integers(0, 2000))
def test_beta_and_isotonic_risks_never_fall_with_the_margin(seed: int) -> None:
    margins, outcome, weights = _sample(seed, 200)
    rising = np.linspace(-8, 8, 50)

    for risks in (beta_risks, isotonic_risks):
        found = risks(margins, outcome, weights, rising)
        assert (np.diff(found) >= -1e-12).all()
        assert ((found >= 0) & (found <= 1)).all()


def test_isotonic_risks_have_the_observed_frequency_of_each_step() -> None:
    margins, outcome, weights = _sample(2)
    found = isotonic_risks(margins, outcome, weights, margins)

    for risk in np.unique(found)[1:-1]:
        step = found == risk
        if weights[step].sum():
            assert np.average(outcome[step], weights=weights[step]) == pytest.approx(risk)


def test_every_calibration_is_measured_on_rows_that_it_was_not_fitted_to(
    definition: Definition, censored_population: Population
) -> None:
    outer = split(censored_population, 3).outer
    making = Making(definition, trials=0, seed=1)
    judged = judge_by_folds(censored_population, outer, [making] * len(outer), lambda *_: None)

    figures = calibration_figures(judged)

    assert set(figures) == {"sigmoid", "none", "beta", "isotonic"}
    own = CalibrationSample(censored_population.outcome, judged.risk, judged.rows.weights())
    assert figures["sigmoid"]["brier"] == own.brier(judged.rows.weights())[0]
    # none of them is perfect here, as each is on the rows that it was fitted to
    assert abs((figures["sigmoid"]["calibration_slope"] or 1) - 1) > 1e-3
    assert np.isfinite(judged.risk).all()
