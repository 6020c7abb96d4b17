"""What an open alarm on outcomes says of its own days once their outcomes are reported anew."""

from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import numpy as np
import pytest
from scipy.stats import binomtest

from monitoring.calibration import CALIBRATION
from monitoring.discrimination import DISCRIMINATION
from records.agreement import disagreements
from records.models import Alarm, DayCount, Outcome, Prediction, Stream
from tests.monitoring.clinic import FIRST, NOW, Clinic, sign

DAYS, ROWS = 40, 60
THROUGH = FIRST + timedelta(days=DAYS - 1)
Fate = Callable[[np.ndarray, np.random.Generator], np.ndarray]


def as_said(risk: np.ndarray, luck: np.random.Generator) -> np.ndarray:
    """Let events come as often as the risks say."""
    return luck.random(risk.size) < risk


def twice_as_many(risk: np.ndarray, luck: np.random.Generator) -> np.ndarray:
    return luck.random(risk.size) < 2 * risk


def those_at_least_risk(risk: np.ndarray, luck: np.random.Generator) -> np.ndarray:
    return risk.argsort().argsort() < round(risk.sum())


def report(clinic: Clinic, made: list[Prediction], fate: Fate, after: int = 0) -> np.ndarray:
    """Report what became of predictions, so many hours after the first reports."""
    risk = np.array([one.risk for one in made])
    happened = fate(risk, np.random.default_rng(made[0].predicted_at.toordinal()))
    clinic.report_outcomes(made, happened.tolist(), 90, NOW + timedelta(hours=after))
    return happened


def raise_alarm(clinic: Clinic, fate: Fate, stream: str, rows: int = ROWS) -> Alarm:
    for step in range(DAYS):
        report(clinic, clinic.record(FIRST + timedelta(days=step), rows), fate)
    clinic.watch(THROUGH)
    return Alarm.objects.get(stream=stream)


def own(alarm: Alarm) -> list[list[Prediction]]:
    """Return the predictions of each day of an alarm's own."""
    first, last = (date.fromisoformat(alarm.details[name]) for name in ("onset", "through"))
    days = [first + timedelta(days=step) for step in range((last - first).days + 1)]
    made = Prediction.objects.order_by("predicted_at", "id")
    return [list(made.filter(predicted_at__date=day)) for day in days]


def evidence(alarm: Alarm) -> dict[str, Any]:
    names = ("onset", "through", "direction", "size", "rows", "weight", "left_out")
    return {name: alarm.details[name] for name in names}


def test_days_whose_outcomes_were_corrected_are_told_as_reported_then_and_now(
    any_clinic: Clinic,
) -> None:
    clinic = any_clinic
    before = raise_alarm(clinic, twice_as_many, CALIBRATION)
    days = own(before)
    events = sum(int(report(clinic, made, as_said, after=1).sum()) for made in days)
    rows = sum(len(made) for made in days)
    expected = np.mean([one.risk for made in days for one in made])
    clinic.watch(THROUGH)

    now = Alarm.objects.get(stream=CALIBRATION)
    interval = binomtest(events, rows).proportion_ci(method="wilson")
    shares = (
        f"{100 * events / rows:.1f} % ({100 * interval.low:.1f} to {100 * interval.high:.1f} %)"
    )
    then = before.summary.partition("Risks are too low: ")[2].partition(" Of the ")[0]
    assert now.summary.startswith(
        f"Risks are too low, as reported when this was raised: {then} As reported now, {shares} of "
        f"{rows:,} predictions of these days were, {100 * expected:.1f} % were expected, so these "
        "days no longer show it. Of the "
    )
    assert (evidence(now), now.since) == (evidence(before), before.since)
    assert (now.severity, now.state) == (before.severity, "open")
    restated = now.details["restated"]
    assert (restated["rows"], restated["holds"]) == (rows, False)
    assert restated["observed"] == pytest.approx(events / rows)
    assert restated["expected"] == pytest.approx(expected)
    assert [one for one in disagreements() if one.table == "records_alarm"] == []
    clinic.watch(THROUGH)
    assert Alarm.objects.get(stream=CALIBRATION).summary == now.summary

    for made in days:
        report(clinic, made, twice_as_many, after=2)
    clinic.watch(THROUGH)
    again = Alarm.objects.get(stream=CALIBRATION)
    assert (again.summary, again.details) == (before.summary, before.details)


def test_an_alarm_that_still_holds_after_a_correction_says_no_more_than_the_figures(
    clinic: Clinic,
) -> None:
    before = raise_alarm(clinic, twice_as_many, CALIBRATION)
    first = own(before)[0]
    clinic.report_outcomes(first, [False] * len(first), 90, NOW + timedelta(hours=1))
    clinic.watch(THROUGH)
    now = Alarm.objects.get(stream=CALIBRATION)
    assert "As reported now, " in now.summary
    assert "no longer" not in now.summary
    assert now.details["restated"]["holds"]


def test_days_of_which_nothing_can_be_weighed_any_more_are_told_with_the_reason(
    clinic: Clinic,
) -> None:
    before = raise_alarm(clinic, twice_as_many, CALIBRATION)
    made = [one for day in own(before) for one in day]
    Outcome.objects.filter(prediction__in=made).delete()
    clinic.watch(THROUGH)
    now = Alarm.objects.get(stream=CALIBRATION)
    assert "As reported now, none of these days can be weighed (" in now.summary
    assert f"{len(made):,} without a known outcome" in now.summary
    assert ", so these days no longer show it." in now.summary
    assert now.details["restated"]["rows"] == 0


def test_pairs_whose_outcomes_were_corrected_are_told_as_reported_then_and_now(
    clinic: Clinic,
) -> None:
    before = raise_alarm(clinic, those_at_least_risk, DISCRIMINATION)
    clinic.watch(THROUGH)
    assert "As reported" not in Alarm.objects.get(stream=DISCRIMINATION).summary
    for made in own(before):
        report(clinic, made, as_said, after=1)
    clinic.watch(THROUGH)
    now = Alarm.objects.get(stream=DISCRIMINATION)
    assert now.summary.startswith(
        "Risks tell patients apart less than they claim, as reported when this was raised: of "
    )
    assert " such pairs of these days, it had in " in now.summary
    assert ", so these days no longer show it. Of the " in now.summary
    assert (evidence(now), now.severity) == (evidence(before), "critical")


def test_pairs_of_a_second_alarm_are_those_of_the_day_that_raised_it(clinic: Clinic) -> None:
    # of an odd number a day some pairs are of two days, by the first row of a week that counts
    first = raise_alarm(clinic, those_at_least_risk, DISCRIMINATION, ROWS + 1)
    through = date.fromisoformat(first.details["through"])
    for table in (Alarm, DayCount, Stream):
        table.objects.all().delete()
    clinic.watch(through)
    sign(Alarm.objects.get(stream=DISCRIMINATION), "accept")
    clinic.watch(THROUGH)
    second = Alarm.objects.filter(stream=DISCRIMINATION).latest("pk")
    assert second.since is not None
    assert second.since.isocalendar().week == through.isocalendar().week
    clinic.watch(THROUGH)
    again = Alarm.objects.get(pk=second.pk)
    assert again.details["size"] == second.details["size"]
    assert "restated" not in again.details


def often(factor: float) -> Fate:
    """Let just so many times the events come as the risks say."""

    def fate(risk: np.ndarray, luck: np.random.Generator) -> np.ndarray:
        chosen = luck.choice(risk.size, round(factor * risk.sum()), False, risk / risk.sum())
        return np.isin(np.arange(risk.size), chosen)

    return fate


def test_reports_that_no_longer_hold_make_an_alarm_no_graver(clinic: Clinic) -> None:
    before = raise_alarm(clinic, often(1.4), CALIBRATION, 3 * ROWS)
    assert before.severity == "warning"
    days = own(before)
    # twice as many events on a third as many days, then as many as expected
    for step in range(len(days), DAYS):
        day = FIRST + timedelta(days=step)
        made = list(Prediction.objects.filter(predicted_at__date=day).order_by("predicted_at"))
        report(clinic, made, often(2 if step < len(days) * 4 / 3 else 1), after=1)
    for made in days:
        report(clinic, made, often(1), after=1)
    clinic.watch(THROUGH)
    assert Alarm.objects.get(stream=CALIBRATION).severity == "warning"
