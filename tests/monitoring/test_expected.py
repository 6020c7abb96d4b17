import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import brier_score_loss, roc_auc_score

from models.errors import StatisticsError
from monitoring.expected import RiskHistogram

RISK = 1 / (1 + np.exp(-np.random.default_rng(3).normal(-2, 1.2, 200_000)))
THRESHOLDS = (0.1, 0.3)


def test_expectation_is_the_truth_of_calibrated_risks() -> None:
    happened = np.random.default_rng(4).random(RISK.size) < RISK
    found = RiskHistogram.of(RISK, THRESHOLDS).expected()
    assert found.auroc == pytest.approx(roc_auc_score(happened, RISK), abs=0.003)
    assert found.brier == pytest.approx(brier_score_loss(happened, RISK), abs=0.001)
    for threshold, precision in zip(THRESHOLDS, found.precision, strict=True):
        assert precision == pytest.approx(happened[threshold <= RISK].mean(), abs=0.01)
    assert found.alerts[0] == (RISK >= 0.1).mean()


def test_bins_cost_next_to_nothing() -> None:
    risk = RISK[:2000]
    weights = np.concatenate([risk, 1 - risk])
    outcomes = np.repeat([1, 0], risk.size)
    exact = roc_auc_score(outcomes, np.tile(risk, 2), sample_weight=weights)
    assert RiskHistogram.of(risk, ()).expected().auroc == pytest.approx(exact, abs=2e-5)


risks = st.lists(st.floats(1e-6, 1 - 1e-6), min_size=1, max_size=30)


@given(risks, risks)
def test_histograms_of_parts_add_up_to_that_of_all(one: list[float], other: list[float]) -> None:
    parts = RiskHistogram.of(one, THRESHOLDS) + RiskHistogram.of(other, THRESHOLDS)
    added, whole = parts.expected(), RiskHistogram.of(one + other, THRESHOLDS).expected()
    assert added.rows == whole.rows
    assert added.auroc == pytest.approx(whole.auroc)
    assert added.brier == pytest.approx(whole.brier)
    assert added.precision == pytest.approx(whole.precision)


def test_it_is_blind_to_a_failure_of_calibration_as_it_says() -> None:
    steeper = 1 / (1 + np.exp(-1.6 * np.log(RISK / (1 - RISK))))
    happened = np.random.default_rng(5).random(RISK.size) < RISK
    found = RiskHistogram.of(steeper, ()).expected()
    assert found.auroc is not None
    assert found.auroc > roc_auc_score(happened, steeper) + 0.05


def test_what_is_no_risk_is_refused() -> None:
    with pytest.raises(StatisticsError, match="between 0 and 1"):
        RiskHistogram.of([0.2, 1.1], ())
    with pytest.raises(StatisticsError, match="between 0 and 1"):
        RiskHistogram.of([np.nan], ())
    with pytest.raises(StatisticsError, match="no rows"):
        RiskHistogram.of([], ()).expected()
    with pytest.raises(StatisticsError, match="other thresholds"):
        RiskHistogram.of([0.1], (0.2,)) + RiskHistogram.of([0.1], (0.3,))
