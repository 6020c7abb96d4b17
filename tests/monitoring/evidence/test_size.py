"""Sizes of changes that are known, and of those that bins can't tell."""

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.stats import norm

from models.edges import LEVELS, Edges, edges_from
from monitoring.alarms import severity
from monitoring.evidence.alarm import words_since
from monitoring.evidence.grouped import fit, grouped
from monitoring.evidence.numeric import NumericStream
from monitoring.evidence.size import Median, Size, fits_no_change, medians_of, size_of

EDGES = Edges(tuple(np.quantile(np.random.default_rng(99).normal(139, 4, 4_000), LEVELS)))
SODIUM = NumericStream("sodium", EDGES, 0.1)


def bet(family, stream=SODIUM):
    return next(one for one in stream.bets if one.family == family)


def counts(rng, rows, shift=0.0, ratio=1.0):
    """Draw a kind of day's sodium and half as much of the other's, as [strata, bins]."""
    drawn = (rng.normal(139 + 4 * shift, 4 * ratio, size=of) for of in (rows, rows // 2))
    return np.stack([EDGES.count(values) for values in drawn])


@pytest.mark.parametrize(("rows_before", "rows"), [(20_000, 3_000), (400, 60)])
@pytest.mark.parametrize(
    ("family", "shift", "ratio"),
    [("scale", 0.0, ratio) for ratio in (0.4, 0.7, 1.0, 1.5, 2.0, 3.0)]
    + [("location", shift, 1.0) for shift in (0.2, 1.0, -1.7)]
    + [("location", 1.0, 2.0), ("scale", 1.0, 2.0)],
)
def test_the_interval_holds_the_truth_19_times_of_20(family, shift, ratio, rows_before, rows):
    rng, runs = np.random.default_rng(1), 150
    truth = ratio if family == "scale" else shift
    found = [
        size_of(SODIUM, bet(family), counts(rng, rows_before), counts(rng, rows, shift, ratio))
        for _ in range(runs)
    ]
    assert {one.scale for one in found} == {"ratio of SDs" if family == "scale" else "SD"}
    held = np.mean([one.ends[0] < truth < one.ends[1] for one in found])
    assert held >= 0.90
    assert np.median([one.now for one in found]) == pytest.approx(truth, rel=0.03, abs=0.04)


def test_the_fit_is_the_likeliest_one_that_scipy_finds():
    rng = np.random.default_rng(2)
    before, now = counts(rng, 5_000), counts(rng, 500, 0.7, 1.6)
    found = grouped(before, now)

    def lost(at):
        return -sum(
            (one.rows * np.log(np.diff(norm.cdf([-np.inf, *one.cuts, np.inf], *at)))).sum()
            for one in found.strata
        )

    best = minimize(lost, [0.0, 1.0], method="Nelder-Mead", options={"xatol": 1e-7})
    own = fit(found, (0.0, 1.0))
    assert own.shift == pytest.approx(best.x[0], abs=1e-4)
    assert np.exp(own.log_ratio) == pytest.approx(best.x[1], abs=1e-4)


def test_rows_as_before_have_no_size():
    before = counts(np.random.default_rng(3), 5_000)
    assert size_of(SODIUM, bet("location"), before, before).now == pytest.approx(0, abs=1e-6)
    assert size_of(SODIUM, bet("scale"), before, before).now == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("family", ["location", "scale"])
@pytest.mark.parametrize("shift", [3.5, 6.3, 40.0, -3.5, -7.7])
def test_where_most_rows_lie_beyond_all_cuts_a_shift_is_told_from_below_alone(shift, family):
    rng = np.random.default_rng(4)
    for rows_before, rows in ((20_000, 3_000), (500, 40)):
        before, now = counts(rng, rows_before), counts(rng, rows, shift)
        size = size_of(SODIUM, bet(family), before, now)
        assert size.scale == "SD"
        assert (size.high if shift > 0 else size.low) is None
        assert 1.2 < abs(size.bound) < abs(shift)
        assert size.bound * shift > 0
        assert severity(size) == "critical"
        assert not fits_no_change(size, 0.1)
        sign = "+" if shift > 0 else "−"
        assert words_since(size, 0.1) == f"since then more than {sign}{abs(size.bound):.2f} SD"
        if rows_before == 20_000:
            assert 2.7 < abs(size.bound) < 3.4


def test_the_bound_holds_39_times_of_40_where_few_rows_were_before():
    rng, held = np.random.default_rng(5), 0
    for _ in range(300):
        size = size_of(SODIUM, bet("location"), counts(rng, 300), counts(rng, 60, 3.3))
        held += size.ends[0] < 3.3 < size.ends[1]
    assert held >= 285


def test_of_a_frozen_value_the_spread_is_told_from_above_alone():
    before = counts(np.random.default_rng(6), 20_000)
    now = np.stack([EDGES.count(np.full(50, 139.2)), EDGES.count(np.full(20, 139.2))])
    size = size_of(SODIUM, bet("scale"), before, now)
    assert (size.scale, size.low) == ("ratio of SDs", None)
    assert 0 < size.now == size.high < 0.02
    assert severity(size) == "critical"
    shift = size_of(SODIUM, bet("location"), before, now)
    assert shift.ends[0] <= 0.05 <= shift.ends[1]
    assert shift.ends[1] - shift.ends[0] < 0.06


def test_of_two_values_a_shift_of_the_score_behind_them_is_told():
    rng = np.random.default_rng(7)
    usual = (rng.random(3_000) < 0.4) * 1.0
    stream = NumericStream("ventilated", edges_from(usual))
    before, now = (stream.count(values)[None, :] for values in (usual, rng.random(800) < 0.6))
    truth = norm.ppf(0.6) - norm.ppf(0.4)
    for family in ("location", "scale"):
        size = size_of(stream, bet(family, stream), before, now)
        assert size.scale == "SD"
        assert size.ends[0] < truth < size.ends[1]
        assert size.ends[1] - size.ends[0] < 0.3
    everyone = size_of(stream, bet("location", stream), before, stream.count(np.ones(800))[None, :])
    assert everyone.high is None
    assert everyone.low > 2
    anew = size_of(stream, bet("location", stream), before, stream.count(np.full(30, 5.0))[None, :])
    assert anew.high is None
    assert anew.low > 2


@pytest.mark.parametrize(
    ("now", "median"),
    [
        (np.full(50, 160.0), Median(EDGES.cuts[-1], np.inf)),
        (np.full(50, 100.0), Median(-np.inf, EDGES.cuts[0])),
    ],
)
def test_a_median_beyond_all_cuts_is_told_by_its_last_one(now, median):
    before = EDGES.count(np.random.default_rng(8).normal(139, 4, 5_000))
    assert medians_of(SODIUM, before[None, :], EDGES.count(now)[None, :])[1] == median


def test_a_median_is_told_by_both_cuts_where_most_rows_share_its_bin():
    edges = Edges((1.30, 1.32, 1.34, 1.36, 1.38))
    stream, before = NumericStream("lactate", edges), edges.count(np.arange(1.3, 1.4, 0.01))
    frozen = edges.count(np.full(50, 1.35))
    assert medians_of(stream, before[None, :], frozen[None, :])[1] == Median(1.34, 1.36)
    ages = edges_from([60.0, 61.0, 62.0])
    of_ages = NumericStream("age", ages)
    old, new = medians_of(of_ages, *(ages.count([60, 61, 61, one])[None, :] for one in (62, 61)))
    assert old == new == Median(61.0, 61.0)


@pytest.mark.parametrize("rows", [1, 2, 5])
def test_few_rows_have_a_size_too(rows):
    rng = np.random.default_rng(9)
    for rows_before in (3, 8, 5_000):
        for family in ("location", "scale"):
            before, now = counts(rng, rows_before), counts(rng, 2 * rows, 2.0)
            size = size_of(SODIUM, bet(family), before, now)
            assert np.isfinite(size.now)
            assert size.ends[0] <= size.now <= size.ends[1] or size.bound is not None


def test_a_size_fits_no_change_as_far_as_its_known_end_says():
    assert fits_no_change(Size("SD", 0.0, None, 0.4, 0.0), 0.1)
    assert not fits_no_change(Size("SD", -2.0, None, -1.4, 0.0), 0.1)
    assert not fits_no_change(Size("ratio of SDs", 0.01, None, 0.01, 1.0), 0.1)


@pytest.mark.parametrize("bins", [2, 3, 5, 20, 128])
def test_any_counts_have_a_size_that_is_finite_and_no_larger_than_it_can_be_told(bins):
    rng = np.random.default_rng(bins)
    stream = NumericStream("x", Edges(tuple(np.arange(bins - 1.0).tolist())))

    def anything(rows):
        shares = rng.dirichlet(np.full(bins, rng.choice([0.01, 0.1, 1.0, 10.0])), size=2)
        return np.stack([rng.multinomial(rows, one) for one in shares])

    for _ in range(100):
        before, now = anything(rng.choice([1, 50, 2_000])), anything(rng.choice([1, 30, 100_000]))
        for family in ("location", "scale"):
            size = size_of(stream, bet(family, stream), before, now)
            assert np.isfinite(size.now)
            assert size.scale == "SD" or size.now > 0
            assert size.ends[0] <= size.ends[1]
            assert all(one is None or np.isfinite(one) for one in (size.low, size.high))
