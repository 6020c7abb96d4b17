"""Whom a version met in its first weeks, beside whom training knew."""

from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.proportion import confint_proportions_2indep

from auscult.performance_summary import show_transportability
from monitoring.transportability import (
    LEAST_DAYS,
    Sample,
    by_size,
    contrast,
    found_at_commissioning,
    transportability,
)
from records.models import MonitorRun, Prediction
from tests.monitoring.clinic import FIRST, Clinic, both, older, without_creatinine

LAST = FIRST + timedelta(days=LEAST_DAYS - 1)


def watched(
    clinic: Clinic, days: int = LEAST_DAYS, rows: int = 60, **change: Any
) -> dict[str, Any]:
    clinic.record_days(FIRST, days, rows, **change)
    clinic.watch(FIRST + timedelta(days=days - 1))
    return found_at_commissioning(clinic.model, "1")


def contrasts(found: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {one["key"]: one for one in found["contrasts"]}


def test_people_like_those_of_training_are_alike(clinic: Clinic) -> None:
    found = watched(clinic)
    assert (found["first"], found["last"]) == (FIRST.isoformat(), LAST.isoformat())
    assert found["stays"] == 60 * LEAST_DAYS
    assert {one["size"] for one in found["contrasts"]} == {"alike"}


def test_older_people_and_a_missing_laboratory_are_told_with_their_size(clinic: Clinic) -> None:
    found = watched(clinic, change=both(older(4), without_creatinine(0.4)))
    rows = contrasts(found)
    age, missing = rows["value:age"], rows["missing:creatinine"]
    ages = [one["age"] for one in Prediction.objects.values_list("features", flat=True)]
    assert age["here"]["mean"] == pytest.approx(np.mean(ages))
    assert age["here"]["sd"] == pytest.approx(np.std(ages))
    assert age["size"] == "small"
    assert missing["difference"] == pytest.approx(0.4 * 0.85, abs=0.04)
    assert missing["low"] < missing["difference"] < missing["high"]
    assert missing["size"] == "large"
    assert rows["score"]["standardised"] > 0.1
    assert rows["score"]["kind"] == "mean"
    first = [one["key"] for one in by_size(found)[:2]]
    assert set(first) == {"missing:creatinine", "value:age"}


def test_a_category_is_a_share_of_the_known(clinic: Clinic) -> None:
    found = contrasts(watched(clinic))
    wards = [one["ward"] for one in Prediction.objects.values_list("features", flat=True)]
    share = wards.count("surgical") / len(wards)
    assert found["category:ward=surgical"]["here"]["mean"] == pytest.approx(share)


@pytest.mark.parametrize(("days", "rows"), [(LEAST_DAYS - 1, 60), (LEAST_DAYS, 20)])
def test_nothing_is_reported_before_the_period_is_over(
    clinic: Clinic, days: int, rows: int
) -> None:
    found = watched(clinic, days, rows)
    assert found["reason"] == (
        f"not yet: {days} days and {days * rows:,} stays were watched, 28 and 1,000 are needed"
    )


def test_it_is_reported_once_and_rests_on_the_first_weeks_alone(clinic: Clinic) -> None:
    found = watched(clinic)
    clinic.record_days(LAST + timedelta(days=1), 3, change=older(30))
    clinic.watch(LAST + timedelta(days=3))
    assert MonitorRun.objects.latest("pk").summary["transportability"] == {}
    assert found_at_commissioning(clinic.model, "1") == found
    anew = transportability(clinic.definition, "1", clinic.profile)
    assert anew == found


def test_a_version_that_was_never_watched_has_nothing(clinic: Clinic) -> None:
    assert found_at_commissioning(clinic.model, "1") == {}


def test_intervals_of_means_are_those_of_welch() -> None:
    rng = np.random.default_rng(3)
    here, training = rng.normal(1, 2, 900), rng.normal(0.7, 1.5, 1400)
    samples = [Sample(one.size, one.mean(), one.std()) for one in (training, here)]
    found = contrast("value:x", "X", "", *samples)
    interval = stats.ttest_ind(here, training, equal_var=False).confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high), abs=2e-3)
    pooled = np.sqrt((here.var() + training.var()) / 2)
    assert found.standardised == pytest.approx((here.mean() - training.mean()) / pooled)


def test_intervals_of_standardised_differences_hold_the_truth_as_often_as_they_say() -> None:
    rng = np.random.default_rng(4)
    held = 0
    for _ in range(600):
        here, training = rng.normal(0.3, 1, 150), rng.normal(0, 1, 250)
        samples = [Sample(one.size, one.mean(), one.std()) for one in (training, here)]
        found = contrast("value:x", "X", "", *samples)
        held += found.standardised_low <= 0.3 <= found.standardised_high
    assert 0.925 < held / 600 < 0.975


@pytest.mark.parametrize(("here", "training"), [((30, 400), (20, 900)), ((0, 50), (7, 80))])
def test_intervals_of_shares_are_newcombes(
    here: tuple[int, int], training: tuple[int, int]
) -> None:
    samples = [Sample(rows, count / rows, 0.1) for count, rows in (training, here)]
    found = contrast("missing:x", "X", "", *samples)
    expected = confint_proportions_2indep(*here, *training, method="newcomb", compare="diff")
    assert (found.low, found.high) == pytest.approx(expected, abs=1e-6)


def test_what_nobody_has_is_not_estimable() -> None:
    found = contrast("value:x", "X", "", Sample(500, 2.0, 1.0), Sample(0, 0.0, 0.0))
    assert (found.size, found.standardised) == ("not estimable", None)
    constant = contrast("value:x", "X", "", Sample(500, 2.0, 0.0), Sample(500, 2.0, 0.0))
    assert constant.size == "alike"


def test_the_command_prints_the_largest_first(
    clinic: Clinic, capsys: pytest.CaptureFixture[str]
) -> None:
    found = watched(clinic, change=without_creatinine(0.4))
    show_transportability({"model": clinic.model, "version": "1", **found})
    shown = capsys.readouterr().out
    assert "1,680 stays" in shown
    assert shown.index("missing") < shown.index("Age")
    show_transportability({"model": clinic.model, "version": "2", "reason": "not yet: because"})
    assert "not yet: because" in capsys.readouterr().out
