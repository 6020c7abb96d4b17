"""Intervals from a histogram of the rows, beside those from the rows themselves."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.errors import StatisticsError
from models.evaluation.bootstrap import Estimate
from models.evaluation.censoring import CensoringWeighter
from models.evaluation.condensed import VALUES_WITHIN, condense
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
        "thresholds": [0.3, 0.1],
        "seed": 11,
        "draws": 60,
    }


@settings(max_examples=5)
@given(st.integers(0, 1000), st.floats(0.5, 1.5))
def test_it_gives_the_same_values_and_nearly_the_same_intervals(seed: int, slope: float) -> None:
    sample = rows(6000, seed, slope)
    found, whole = condense(**sample), evaluate(**sample)
    assert set(found.figures) == set(SCALARS)
    for name, one in found.figures.items():
        agrees(one, whole.figures[name], name, 1e-4 if name == "auprc" else VALUES_WITHIN)
    for at, rows_at in zip(found.at_thresholds, whole.at_thresholds, strict=True):
        assert at.threshold == rows_at.threshold
        for name, one in at.figures.items():
            agrees(one, rows_at.figures[name], name, 1e-12)


def agrees(one: Estimate, whole: Estimate, name: str, within: float) -> None:
    assert one.value == pytest.approx(whole.value, abs=within), name
    near = 0.03 * (whole.high - whole.low) + 1e-12  # within a cell all risks are tied
    assert one.low == pytest.approx(whole.low, abs=near), name
    assert one.high == pytest.approx(whole.high, abs=near), name


def test_risks_at_a_threshold_are_alerts_however_many_share_it() -> None:
    sample = rows(3000, 7)
    sample["risk"] = np.where(np.arange(3000) % 3 == 0, 0.3, sample["risk"])
    found, whole = (one(**sample | {"thresholds": [0.3]}) for one in (condense, evaluate))
    ours, theirs = (one.at_thresholds[0].figures["alerts_per_100"] for one in (found, whole))
    assert ours.value == pytest.approx(theirs.value, abs=1e-12)


def test_censoring_is_weighted_anew_in_every_draw() -> None:
    sample = rows(6000, 3)
    generator = np.random.default_rng(4)
    days = np.where(sample.pop("y"), generator.uniform(1, 90, 6000), 90.0)
    ends = generator.uniform(30, 400, 6000)
    happened = (days < 90) & (days <= ends)
    followed = (np.minimum(days, ends), happened, 90)
    weighter = CensoringWeighter(*followed)
    sample |= {"y": weighter.y}
    found = condense(**sample, censoring=RankedCensoring(*followed)).figures
    whole = evaluate(**sample, reweight=weighter.reweight).figures
    for name in ("auroc", "observed_expected", "calibration_slope", "brier"):
        width = whole[name].high - whole[name].low
        assert found[name].value == pytest.approx(whole[name].value, abs=VALUES_WITHIN)
        assert found[name].low == pytest.approx(whole[name].low, abs=0.02 * width)


def test_risks_of_nearly_nought_and_one_are_taken() -> None:
    sample = rows(400, 5)
    sample["risk"][:2] = 1e-15, 1 - 1e-15
    assert condense(**sample).figures["auroc"].value is not None


def test_one_outcome_alone_is_refused() -> None:
    sample = rows(400, 5)
    with pytest.raises(StatisticsError):
        condense(**sample | {"y": np.zeros(400)})
