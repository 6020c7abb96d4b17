from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pytest
from statsmodels.stats.oneway import anova_oneway

from models.edges import edges_from
from models.errors import StatisticsError
from monitoring.evidence.detector import Budget
from monitoring.evidence.onboarding import Design, Form, Strata, assess, budget_claim

BUDGET = Budget(5, 21)
EDGES = edges_from(np.random.default_rng(0).normal(size=20_000))
PLAIN = Design(Strata.ALL, tau=0.0, grows=True, separate_edges=True)


def period(shift, days=400, rows=60, seed=1):
    rng = np.random.default_rng(seed)
    when = [date(2025, 1, 1) + timedelta(i) for i in range(days)]
    return when, np.array([EDGES.count(rng.normal(size=rows) + shift(day, rng)) for day in when])


def quiet(_day, _rng):
    return 0.0


def unmet(shift, design=PLAIN, stays=10**6, **kwargs):
    when, counts = period(shift, **kwargs)
    return {one.name for one in assess(when, counts, stays=stays, design=design).unmet}


def test_a_quiet_year_of_one_row_a_stay_meets_every_assumption():
    when, counts = period(quiet)
    found = assess(when, counts, stays=24_000, design=PLAIN)
    assert found.unmet == ()
    assert found.over_dispersion == pytest.approx(1, abs=0.25)
    assert (found.rows, found.days) == (24_000, 400)
    assert found.season is not None


def test_the_index_of_dispersion_is_the_analysis_of_variance_of_scores():
    when, counts = period(lambda day, rng: rng.normal(0, 0.2), days=30)
    found = assess(when, counts, stays=10**6, design=PLAIN)
    raw = np.random.default_rng(1)
    rows = []
    for _ in when:
        values = raw.normal(size=60)
        rows.append(values + raw.normal(0, 0.2))
    reference = anova_oneway(rows, use_var="equal").statistic
    assert found.over_dispersion == pytest.approx(reference, rel=0.08)


def test_a_weekend_effect_is_measured_and_its_strata_meet_it():
    def weekend(day, _rng):
        return 0.3 * (day.weekday() >= 5)

    when, counts = period(weekend)
    assert assess(when, counts, stays=10**6, design=PLAIN).weekend == pytest.approx(0.3, abs=0.04)
    assert unmet(weekend) == {"days alike", "weekday effect"}
    assert unmet(weekend, replace(PLAIN, strata=Strata.WEEKEND)) == set()


def test_a_season_is_measured_and_its_strata_meet_it():
    def season(day, _rng):
        return 0.2 * np.sin(2 * np.pi * day.timetuple().tm_yday / 365.25)

    when, counts = period(season, days=730)
    found = assess(when, counts, stays=10**6, design=PLAIN)
    assert found.season == pytest.approx(0.2, abs=0.03)
    assert {one.name for one in found.unmet} == {"days alike", "season"}
    assert "season" not in unmet(season, replace(PLAIN, strata=Strata.WEEKEND_MONTH), days=730)


def test_a_day_effect_is_measured_and_tau_meets_it():
    def day_effect(_day, rng):
        return rng.normal(0, 0.1)

    when, counts = period(day_effect, rows=200)
    found = assess(when, counts, stays=10**6, design=PLAIN)
    assert found.day_effect == pytest.approx(0.1, abs=0.02)
    assert {one.name for one in found.unmet} == {"days alike"}
    assert unmet(day_effect, replace(PLAIN, tau=0.25), rows=200) == set()


def test_each_other_failing_is_named():
    assert unmet(quiet, stays=8_000) == {"one row a stay"}
    assert unmet(quiet, replace(PLAIN, separate_edges=False)) == {"separate edges"}
    assert unmet(quiet, days=200) == {"season"}
    assert unmet(quiet, replace(PLAIN, grows=False), rows=10) == {"reference size"}


def test_the_word_guarantee_stands_only_with_the_exact_form_and_every_assumption():
    when, counts = period(quiet)
    met = assess(when, counts, stays=10**6, design=PLAIN)
    fixed = assess(when, counts, stays=10**6, design=replace(PLAIN, grows=False))
    failed = assess(when, counts, stays=8_000, design=PLAIN)
    assert budget_claim(met, BUDGET, Form.EXACT).startswith("Guarantee: ")
    assert "at most T/5" in budget_claim(met, BUDGET, Form.EXACT)
    for onboarding, form in ((met, Form.COUNT), (fixed, Form.EXACT)):
        claim = budget_claim(onboarding, BUDGET, form)
        assert claim.startswith("Simulated, not proved: ")
        assert "guarantee" not in claim.lower()
    for form in Form:
        claim = budget_claim(failed, BUDGET, form)
        assert claim.startswith("No budget claimed, because one row a stay: 3.00 rows a stay.")
        assert "guarantee" not in claim.lower()


def test_days_without_rows_are_left_out_and_too_few_are_refused():
    when, counts = period(quiet, days=30)
    counts[3] = 0
    assert assess(when, counts, stays=10**6, design=PLAIN).days == 29
    with pytest.raises(StatisticsError, match="fewer than 14 days"):
        assess(when[:13], counts[:13], stays=10, design=PLAIN)
    with pytest.raises(StatisticsError, match="give a row each"):
        assess(when, counts[:4], stays=10, design=PLAIN)
    with pytest.raises(StatisticsError, match="stays must be"):
        assess(when, counts, stays=0, design=PLAIN)
    constant = np.tile([0, 60, 0], (30, 1))
    with pytest.raises(StatisticsError, match="all rows so far are alike"):
        assess(when, constant, stays=10, design=PLAIN)


def test_days_that_are_all_alike_are_assessed_without_a_warning():
    days = [date(2025, 1, 1) + timedelta(step) for step in range(20)]
    found = assess(days, np.tile([18, 2], (20, 1)), stays=400, design=PLAIN)
    assert found.weekend == pytest.approx(0, abs=1e-9)
