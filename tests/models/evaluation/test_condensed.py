"""Intervals from a histogram of the rows, beside those from the rows themselves."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.errors import StatisticsError
from models.evaluation.censoring import CensoringWeighter
from models.evaluation.condensed import VALUES_WITHIN, condensed_figures
from models.evaluation.evaluation import evaluate
from models.evaluation.figures import SCALARS
from models.evaluation.ranked_censoring import RankedCensoring


def rows(count: int, seed: int, slope: float = 0.8) -> dict[str, Any]:
    generator = np.random.default_rng(seed)
    odds = generator.normal(-1.5, 1.2, count)
    risk = 1 / (1 + np.exp(-odds))
    return {
        "y": generator.random(count) < 1 / (1 + np.exp(-slope * odds)),
        "risk": risk,
        "patient_ids": generator.integers(0, count // 3, count),
        "seed": 11,
        "draws": 60,
    }


@settings(max_examples=5)
@given(st.integers(0, 1000), st.floats(0.5, 1.5))
def test_it_gives_the_same_values_and_nearly_the_same_intervals(seed: int, slope: float) -> None:
    sample = rows(6000, seed, slope)
    found, whole = condensed_figures(**sample), evaluate(**sample, thresholds=[0.2]).figures
    assert set(found) == set(SCALARS) - {"auprc", "ici", "e50", "e90"}
    for name, one in found.items():
        assert one.value == pytest.approx(whole[name].value, abs=VALUES_WITHIN), name
        width = whole[name].high - whole[name].low
        near = 0.02 * width  # within a cell all risks are tied
        assert one.low == pytest.approx(whole[name].low, abs=near), name
        assert one.high == pytest.approx(whole[name].high, abs=near), name


def test_censoring_is_weighted_anew_in_every_draw() -> None:
    sample = rows(6000, 3)
    generator = np.random.default_rng(4)
    days = np.where(sample.pop("y"), generator.uniform(1, 90, 6000), 90.0)
    ends = generator.uniform(30, 400, 6000)
    happened = (days < 90) & (days <= ends)
    followed = (np.minimum(days, ends), happened, 90)
    weighter = CensoringWeighter(*followed)
    sample |= {"y": weighter.y}
    found = condensed_figures(**sample, censoring=RankedCensoring(*followed))
    whole = evaluate(**sample, reweight=weighter.reweight, thresholds=[0.2]).figures
    for name in ("auroc", "observed_expected", "calibration_slope", "brier"):
        width = whole[name].high - whole[name].low
        assert found[name].value == pytest.approx(whole[name].value, abs=VALUES_WITHIN)
        assert found[name].low == pytest.approx(whole[name].low, abs=0.02 * width)


def test_risks_of_nearly_nought_and_one_are_taken() -> None:
    sample = rows(400, 5)
    sample["risk"][:2] = 1e-15, 1 - 1e-15
    assert condensed_figures(**sample)["auroc"].value is not None


def test_one_outcome_alone_is_refused() -> None:
    sample = rows(400, 5)
    with pytest.raises(StatisticsError):
        condensed_figures(**sample | {"y": np.zeros(400)})
