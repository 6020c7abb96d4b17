"""AUROC and average precision against scikit-learn, and their invariances."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, roc_auc_score

from models.errors import StatisticsError
from models.evaluation.discrimination import RankedScores

scored = st.lists(
    st.tuples(st.integers(0, 1), st.integers(0, 8), st.integers(0, 4)), min_size=2, max_size=40
).filter(lambda rows: len({y for y, _, w in rows if w}) == 2)


def unzip(rows):
    y, risk, weights = (np.array(column) for column in zip(*rows, strict=True))
    return y, risk / 8, weights.astype(float)


@given(scored)
def test_both_agree_with_scikit_learn_whatever_the_ties_and_weights(rows):
    y, risk, weights = unzip(rows)
    ranked = RankedScores(y, risk)
    expected = roc_auc_score(y, risk, sample_weight=weights)
    assert ranked.auroc(weights)[0] == pytest.approx(expected)
    expected = average_precision_score(y, risk, sample_weight=weights)
    assert ranked.auprc(weights)[0] == pytest.approx(expected)


@given(scored)
def test_a_weight_of_k_is_the_row_k_times(rows):
    y, risk, weights = unzip(rows)
    times = weights.astype(int)
    repeated = RankedScores(np.repeat(y, times), np.repeat(risk, times))
    ranked = RankedScores(y, risk)
    assert ranked.auroc(weights) == pytest.approx(repeated.auroc())
    assert ranked.auprc(weights) == pytest.approx(repeated.auprc())


@given(scored)
def test_a_rising_transformation_of_the_risk_changes_nothing_and_reversing_it_mirrors(rows):
    y, risk, weights = unzip(rows)
    auroc = RankedScores(y, risk).auroc(weights)
    assert RankedScores(y, risk**3 / 2).auroc(weights) == pytest.approx(auroc)
    assert RankedScores(y, 1 - risk).auroc(weights) == pytest.approx(1 - auroc)


def test_many_draws_at_once_equal_one_by_one():
    rng = np.random.default_rng(1)
    y, risk = rng.integers(0, 2, 300), rng.integers(0, 50, 300) / 50
    weights = rng.exponential(size=(7, 300))
    ranked = RankedScores(y, risk)
    np.testing.assert_allclose(ranked.auroc(weights), [ranked.auroc(w)[0] for w in weights])
    np.testing.assert_allclose(ranked.auprc(weights), [ranked.auprc(w)[0] for w in weights])


def test_a_draw_with_one_outcome_only_is_not_a_number_and_the_others_stand():
    ranked = RankedScores([0, 1, 1], [0.2, 0.1, 0.9])
    weights = [[1, 1, 1], [0, 1, 1], [1, 0, 0], [0, 0, 0]]
    np.testing.assert_array_equal(np.isnan(ranked.auroc(weights)), [False, True, True, True])
    np.testing.assert_array_equal(np.isnan(ranked.auprc(weights)), [False, True, True, True])


@pytest.mark.parametrize(
    ("y", "risk", "weights", "message"),
    [
        ([], [], None, "y is empty"),
        ([0, 1, 3], [0.1, 0.2, 0.3], None, "y must hold only 0 and 1: 1 of 3"),
        ([0, 1], [0.1, 1.5], None, "risk must lie within 0 and 1: 1 of 2"),
        ([0, 1], [0.1, np.inf], None, "risk must be finite: 1 of 2"),
        ([0, 1], [0.1], None, "risk has shape"),
        ([0, 1], ["a", "b"], None, "risk must be numbers"),
        ([[0, 1]], [0.1, 0.2], None, "y must have one dimension"),
        ([0, 1], [0.1, 0.2], [1.0], "weights must have shape"),
        ([0, 1], [0.1, 0.2], [1.0, -1.0], "weights must be finite and not negative: 1 of 2"),
    ],
)
def test_wrong_input_is_refused_by_name(y, risk, weights, message):
    with pytest.raises(StatisticsError, match=message):
        RankedScores(y, risk).auroc(weights)
