"""Calibration against scikit-learn and statsmodels (an independent spline basis from patsy)."""

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given
from hypothesis import strategies as st
from patsy import dmatrix
from sklearn.metrics import brier_score_loss

from models.errors import StatisticsError
from models.evaluation.calibration import CalibrationSample, logit, weighted_quantiles
from models.evaluation.logistic import expit, fit_logistic


@pytest.fixture(scope="module")
def cohort():
    rng = np.random.default_rng(11)
    log_odds = rng.normal(-1.2, 1.3, 800)
    y = (rng.random(800) < expit(0.3 + 0.7 * log_odds + 0.1 * log_odds**2)).astype(float)
    return y, expit(log_odds), rng.exponential(size=800)


def glm(y, design, weights, offset=None):
    return sm.GLM(
        y, design, family=sm.families.Binomial(), freq_weights=weights, offset=offset
    ).fit(tol=1e-12)


def test_the_brier_score_agrees_with_scikit_learn(cohort):
    y, risk, weights = cohort
    found = CalibrationSample(y, risk).brier(weights)[0]
    assert found == pytest.approx(brier_score_loss(y, risk, sample_weight=weights))


def test_the_scaled_brier_score_is_zero_for_the_event_rate_and_one_for_certainty():
    y = np.array([0, 0, 0, 1, 1])
    assert CalibrationSample(y, np.full(5, 0.4)).scaled_brier()[0] == pytest.approx(0)
    assert CalibrationSample(y, y).scaled_brier()[0] == 1


def test_slope_and_intercept_agree_with_a_weighted_glm(cohort):
    y, risk, weights = cohort
    intercept, slope = CalibrationSample(y, risk).intercept_and_slope(weights)
    fitted = glm(y, sm.add_constant(logit(risk)), weights).params
    np.testing.assert_allclose([intercept[0], slope[0]], fitted, rtol=1e-7)


def test_calibration_in_the_large_agrees_with_a_weighted_glm_with_offset(cohort):
    y, risk, weights = cohort
    fitted = glm(y, np.ones(len(y)), weights, offset=logit(risk)).params[0]
    assert CalibrationSample(y, risk).in_the_large(weights)[0] == pytest.approx(fitted, rel=1e-7)


def test_the_smoothed_curve_agrees_with_an_independent_natural_spline(cohort):
    y, risk, weights = cohort
    x = logit(risk)
    sample = CalibrationSample(y, risk, weights)
    low, *inner, high = weighted_quantiles(x[None, :], weights[None, :], (0.05, 0.35, 0.65, 0.95))[
        :, 0
    ]
    # patsy's cr is linear beyond its outer knots too, so it spans the same curves
    design = np.asarray(
        dmatrix(
            "cr(x, knots=inner, lower_bound=low, upper_bound=high) - 1",
            {"x": x, "inner": inner, "low": low, "high": high},
        )
    )
    fitted = glm(y, design, weights).fittedvalues
    distance = np.abs(fitted - risk)
    found = sample.smoothed(weights)
    assert found.ici[0] == pytest.approx(np.average(distance, weights=weights), rel=1e-5)
    order = np.argsort(distance)
    reached = np.cumsum(weights[order]) / weights.sum()
    assert found.e50[0] == pytest.approx(distance[order][reached >= 0.5][0], rel=1e-5)
    assert found.e90[0] == pytest.approx(distance[order][reached >= 0.9][0], rel=1e-5)


def test_observed_over_expected_is_worked_by_hand():
    found = CalibrationSample([1, 0, 1, 0], [0.5, 0.5, 0.25, 0.25]).observed_expected([1, 1, 2, 0])
    assert found[0] == pytest.approx(3 / 1.5)


def test_risks_that_are_right_have_no_calibration_error():
    risk = np.repeat([0.1, 0.2, 0.4, 0.5, 0.8], 1000)
    y = np.concatenate([np.arange(1000) < 1000 * one for one in (0.1, 0.2, 0.4, 0.5, 0.8)])
    sample = CalibrationSample(y, risk)
    intercept, slope = sample.intercept_and_slope()
    assert intercept[0] == pytest.approx(0, abs=1e-9)
    assert slope[0] == pytest.approx(1)
    assert sample.in_the_large()[0] == pytest.approx(0, abs=1e-9)
    assert sample.observed_expected()[0] == pytest.approx(1)
    assert sample.smoothed().ici[0] == pytest.approx(0, abs=1e-9)
    np.testing.assert_allclose(sample.smoothed().curve[0], sample.curve_risks, atol=1e-9)


@given(st.floats(-2, 2), st.floats(0.3, 3))
def test_distorting_calibrated_log_odds_is_read_back(shift, stretch):
    rng = np.random.default_rng(5)
    true = rng.normal(0, 1, 400)
    y = rng.random(400) < expit(true)
    intercept, slope = CalibrationSample(y, expit(true)).intercept_and_slope()
    distorted = expit(shift + stretch * true)
    found_intercept, found_slope = CalibrationSample(y, distorted).intercept_and_slope()
    assert found_slope[0] == pytest.approx(slope[0] / stretch, rel=1e-6)
    expected = intercept[0] - shift * slope[0] / stretch
    assert found_intercept[0] == pytest.approx(expected, rel=1e-6, abs=1e-6)


def test_a_weight_of_two_is_the_row_twice(cohort):
    y, risk, _ = cohort
    times = np.random.default_rng(2).integers(0, 3, len(y))
    sample = CalibrationSample(y, risk, times)
    repeated = CalibrationSample(np.repeat(y, times), np.repeat(risk, times))
    np.testing.assert_allclose(
        np.concatenate(sample.intercept_and_slope(times)),
        np.concatenate(repeated.intercept_and_slope()),
        rtol=1e-7,
    )
    np.testing.assert_allclose(sample.smoothed(times).ici, repeated.smoothed().ici, rtol=1e-6)
    np.testing.assert_allclose(sample.smoothed(times).e90, repeated.smoothed().e90, rtol=1e-6)


def test_a_risk_of_exactly_one_leaves_the_log_odds_figures_undefined_and_the_rest_standing():
    sample = CalibrationSample([0, 1, 1, 0], [0.2, 1.0, 0.6, 0.4])
    assert np.isnan(sample.intercept_and_slope()[1][0])
    assert np.isnan(sample.in_the_large()[0])
    assert np.isnan(sample.smoothed().ici[0])
    assert sample.brier()[0] == pytest.approx((0.04 + 0 + 0.16 + 0.16) / 4)


def test_separated_or_constant_risks_have_no_slope_but_keep_calibration_in_the_large():
    separated = CalibrationSample([0, 0, 1, 1], [0.1, 0.2, 0.3, 0.4])
    assert np.isnan(separated.intercept_and_slope()[1][0])
    constant = CalibrationSample([0, 1, 1, 1], [0.5] * 4)
    assert np.isnan(constant.intercept_and_slope()[1][0])
    assert constant.in_the_large()[0] == pytest.approx(np.log(3))
    assert constant.smoothed().ici[0] == pytest.approx(0.25)


def test_one_draw_that_fails_does_not_disturb_the_others(cohort):
    y, risk, weights = cohort
    draws = np.stack([weights, weights * y, np.zeros(len(y)), np.ones(len(y))])
    sample = CalibrationSample(y, risk)
    slopes = sample.intercept_and_slope(draws)[1]
    np.testing.assert_array_equal(np.isnan(slopes), [False, True, True, False])
    assert slopes[0] == pytest.approx(sample.intercept_and_slope(weights)[1][0])
    assert slopes[3] == pytest.approx(sample.intercept_and_slope()[1][0])


def test_a_fit_that_newton_overshoots_still_reaches_the_maximum():
    # from this start an undamped Newton step leaves for infinity
    x = np.array([-5.0, -1, 0, 1, 2, 300])
    y = np.array([0.0, 1, 0, 1, 0, 1])
    design = np.column_stack([np.ones(6), x])
    found = fit_logistic(design, y, np.ones((1, 6)), start=np.array([[5.0, 3.0]]))[0]
    score = design.T @ (y - expit(design @ found))
    np.testing.assert_allclose(score, 0, atol=1e-6)


def test_calibration_refuses_one_value_too_few():
    with pytest.raises(StatisticsError, match="risk has shape"):
        CalibrationSample([0, 1], [0.5])
