from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import brier_score_loss, roc_auc_score

from monitoring.bounds import bounds

row = st.tuples(st.sampled_from([0.1, 0.2, 0.2, 0.5, 0.9]), st.sampled_from([True, False, None]))


@settings(max_examples=30)
@given(st.lists(row, min_size=2, max_size=6))
def test_bounds_are_the_extremes_over_every_possible_outcome(rows: list) -> None:
    risk = np.array([risk for risk, _ in rows])
    known = np.array([what is not None for _, what in rows])
    happened = np.array([bool(what) for _, what in rows])
    found = bounds(risk, happened, known)
    every = [
        np.array(y)
        for y in product([0, 1], repeat=risk.size)
        if (np.array(y)[known] == happened[known]).all()
    ]
    rates, briers = [y.mean() for y in every], [brier_score_loss(y, risk) for y in every]
    assert found["event_rate"] == pytest.approx((min(rates), max(rates)))
    assert found["brier"] == pytest.approx((min(briers), max(briers)))
    aurocs = [roc_auc_score(y, risk) for y in every if 0 < y.sum() < y.size]
    if aurocs:
        assert found["auroc"] == pytest.approx((min(aurocs), max(aurocs)))
    else:
        assert "auroc" not in found
