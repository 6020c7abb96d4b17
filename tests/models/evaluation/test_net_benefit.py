"""Net benefit worked by hand from counts, against the published formula, and scikit-learn."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import precision_score, recall_score

from models.errors import StatisticsError
from models.evaluation.net_benefit import DecisionSample, decide_by_rule

rows = st.lists(
    st.tuples(st.integers(0, 1), st.integers(0, 20), st.integers(0, 3)), min_size=1, max_size=40
).filter(lambda found: any(w for _, _, w in found))
threshold = st.integers(1, 19).map(lambda twentieth: twentieth / 20)


def of_counts(true_positives, false_positives, false_negatives, true_negatives):
    """Make outcomes, and risks that alert at 0.2, with these counts."""
    y = [1] * true_positives + [0] * false_positives + [1] * false_negatives + [0] * true_negatives
    alerts = true_positives + false_positives
    return y, [0.2] * alerts + [0.19] * (false_negatives + true_negatives)


def test_net_benefit_and_its_companions_from_a_two_by_two_table():
    # at a threshold of 20 % four false positives outweigh one true positive:
    # 80/1000 - 160/1000 * 0.2/0.8 = 0.04; treating all: 0.1 - 0.9 * 0.25 = -0.125
    found = DecisionSample(*of_counts(80, 160, 20, 740), [0.2]).decide()
    assert found.net_benefit[0, 0] == pytest.approx(0.04)
    assert found.net_benefit_treat_all[0, 0] == pytest.approx(-0.125)
    assert found.sensitivity[0, 0] == pytest.approx(0.8)
    assert found.specificity[0, 0] == pytest.approx(740 / 900)
    assert found.ppv[0, 0] == pytest.approx(1 / 3)
    assert found.npv[0, 0] == pytest.approx(740 / 760)
    assert found.alerts_per_100[0, 0] == pytest.approx(24)


def test_a_rule_acts_alike_at_every_threshold_and_only_its_price_changes():
    y, risk = of_counts(80, 160, 20, 740)
    found = decide_by_rule(y, np.array(risk) >= 0.2, [0.1, 0.2, 0.5])
    np.testing.assert_allclose(found.net_benefit[0], [0.08 - 0.16 / 9, 0.04, 0.08 - 0.16])
    np.testing.assert_allclose(found.sensitivity[0], 0.8)


@given(rows, st.lists(threshold, min_size=1, max_size=2))
def test_every_figure_agrees_with_its_definition_by_counting(found, thresholds):
    y, risk, weights = (np.array(column, dtype=float) for column in zip(*found, strict=True))
    risk /= 20
    decisions = DecisionSample(y, risk, thresholds).decide(weights)
    for column, limit in enumerate(thresholds):
        acted = risk >= limit
        gain = weights[acted & (y == 1)].sum()
        loss = weights[acted & (y == 0)].sum() * limit / (1 - limit)
        assert decisions.net_benefit[0, column] == pytest.approx((gain - loss) / weights.sum())
        if weights[acted].sum():
            expected = precision_score(y, acted, sample_weight=weights)
            assert decisions.ppv[0, column] == pytest.approx(expected)
        else:
            assert np.isnan(decisions.ppv[0, column])
        if (weights * y).sum():
            expected = recall_score(y, acted, sample_weight=weights)
            assert decisions.sensitivity[0, column] == pytest.approx(expected)
        if weights[~acted].sum():
            expected = precision_score(1 - y, ~acted, sample_weight=weights)
            assert decisions.npv[0, column] == pytest.approx(expected)


@given(rows, threshold)
def test_treating_all_is_worth_the_prevalence_formula(found, limit):
    y, _, weights = (np.array(column, dtype=float) for column in zip(*found, strict=True))
    prevalence = np.average(y, weights=weights)
    expected = prevalence - (1 - prevalence) * limit / (1 - limit)
    everyone = DecisionSample(y, np.ones(len(y)), [limit]).decide(weights)
    assert everyone.net_benefit_treat_all[0, 0] == pytest.approx(expected)
    assert everyone.net_benefit[0, 0] == pytest.approx(expected)


@given(rows, threshold)
def test_a_model_and_the_rule_that_cuts_it_there_are_worth_the_same(found, limit):
    y, risk, weights = (np.array(column, dtype=float) for column in zip(*found, strict=True))
    risk /= 20
    model = DecisionSample(y, risk, [limit]).decide(weights)
    rule = decide_by_rule(y, risk >= limit, [limit], weights)
    for name in ("net_benefit", "specificity", "ppv", "npv", "alerts_per_100"):
        np.testing.assert_allclose(getattr(model, name), getattr(rule, name), atol=1e-12)


def test_nobody_at_or_above_the_threshold_is_worth_nothing_and_has_no_ppv():
    found = DecisionSample([0, 1], [0.1, 0.2], [0.5]).decide()
    assert found.net_benefit[0, 0] == 0
    assert np.isnan(found.ppv[0, 0])
    assert found.alerts_per_100[0, 0] == 0


def test_many_draws_at_once_equal_one_by_one():
    rng = np.random.default_rng(4)
    sample = DecisionSample(rng.integers(0, 2, 90), rng.random(90), [0.1, 0.9, 0.3])
    weights = rng.exponential(size=(5, 90))
    together = sample.decide(weights).net_benefit
    np.testing.assert_allclose(together, [sample.decide(one).net_benefit[0] for one in weights])


@pytest.mark.parametrize("limit", [0.0, 1.0, -0.2, 20.0])
def test_a_threshold_that_prices_nothing_is_refused(limit):
    with pytest.raises(StatisticsError, match="thresholds must lie strictly between 0 and 1"):
        DecisionSample([0, 1], [0.1, 0.2], [limit])


def test_a_rule_that_isnt_yes_or_no_is_refused():
    with pytest.raises(StatisticsError, match="positive must hold only 0 and 1"):
        decide_by_rule([0, 1], [0.3, 1.0], [0.2])
