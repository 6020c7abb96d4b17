from contextlib import AbstractContextManager
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from models.evaluation.condensed import VALUES_WITHIN
from monitoring.followed import FollowedMonths, follow
from monitoring.over_time import performance_over_time
from monitoring.performance import WindowPerformance
from monitoring.periods import Choice, WindowLength
from records.models import Alarm, Outcome, Prediction
from tests.monitoring.clinic import FIRST, NOW, Clinic

CLOSES = date(2024, 12, 31) + timedelta(days=120)


def followed(clinic: Clinic) -> AbstractContextManager[FollowedMonths]:
    return follow(clinic.definition, "1", clinic.settings.cache)


def performance(
    clinic: Clinic, now: datetime = NOW, length: WindowLength = "year"
) -> tuple[WindowPerformance, ...]:
    with followed(clinic) as months:
        choice = Choice(length, "the test asks for it")
        return performance_over_time(clinic.definition, months, choice, now.date())


def drawn(predictions: list[Prediction], seed: int = 5) -> list[bool]:
    generator = np.random.default_rng(seed)
    return [bool(generator.random() < prediction.risk) for prediction in predictions]


def test_figures_of_a_closed_year_agree_with_scikit_learn(clinic: Clinic) -> None:
    made = clinic.record(FIRST, 600)
    happened = drawn(made)
    clinic.report_outcomes(made, happened, days=90)
    (year,) = performance(clinic)
    assert (year.judged.predictions, year.judged.events, year.judged.censored) == (
        600,
        sum(happened),
        0,
    )
    assert year.judged.reason is None
    auroc = year.figures["auroc"]
    expected = roc_auc_score(happened, [prediction.risk for prediction in made])
    assert auroc["value"] == pytest.approx(expected, abs=1e-12)
    assert auroc["low"] < expected < auroc["high"]
    assert year.bounds == {}
    assert year.expected["auroc"] == pytest.approx(expected, abs=0.06)


def test_people_censored_early_are_weighted_and_not_taken_as_well(clinic: Clinic) -> None:
    made = clinic.record(FIRST, 800)
    happened = drawn(made)
    clinic.report_outcomes(made[:600], happened[:600], days=90)
    clinic.report_outcomes(made[600:], [False] * 200, days=45)
    (year,) = performance(clinic)
    assert year.judged.censored == 200
    observed = year.figures["event_rate"]["value"]
    assert observed == pytest.approx(sum(happened[:600]) / 600, abs=0.01)


def test_nothing_is_claimed_of_few_events(clinic: Clinic) -> None:
    made = clinic.record(FIRST, 100)
    clinic.report_outcomes(made, [row < 11 for row in range(100)], days=90)
    (year,) = performance(clinic)
    assert year.judged.reason == "not claimed: 11 events, 20 are needed"
    assert year.figures == {}


def test_nothing_is_claimed_of_many_events_of_few_people(clinic: Clinic) -> None:
    clinic.report_outcomes(clinic.record(FIRST, 30, patient="f" * 64), [True] * 30, days=90)
    clinic.report_outcomes(clinic.record(FIRST, 100), [False] * 100, days=90)
    (year,) = performance(clinic)
    assert year.judged.reason == "not claimed: 30 events of 1 patient, 20 are needed"


def test_nothing_is_claimed_before_the_window_has_closed(clinic: Clinic) -> None:
    made = clinic.record(FIRST, 500)
    clinic.report_outcomes(made, drawn(made), days=90)
    before = datetime(2025, 4, 30, tzinfo=UTC)
    assert before.date() == CLOSES
    (year,) = performance(clinic, before)
    assert year.judged.reason == "no closed window until 2025-04-30"
    (year,) = performance(clinic, before + timedelta(days=1))
    assert year.judged.reason is None


def test_unreported_outcomes_are_not_taken_as_none(clinic: Clinic) -> None:
    made = clinic.record(FIRST, 400)
    clinic.report_outcomes(made[:300], drawn(made)[:300], days=90)
    (year,) = performance(clinic)
    assert year.judged.unreported == 100
    assert (
        year.judged.reason == "not claimed: the outcomes of 100 of 400 predictions are unreported"
    )
    low, high = year.bounds["event_rate"]
    assert (low, high) == (year.judged.events / 400, (year.judged.events + 100) / 400)
    assert year.bounds["auroc"][0] < 0.5 < year.bounds["auroc"][1]


def test_the_latest_of_contradictory_reports_counts(clinic: Clinic) -> None:
    (made,) = clinic.record(FIRST, 1)
    clinic.report_outcomes([made], [True], days=10)
    clinic.report_outcomes([made], [False], days=90)
    Outcome.objects.filter(happened=True).update(reported_at=NOW - timedelta(days=1))
    (year,) = performance(clinic)
    assert (year.judged.events, year.judged.non_events) == (0, 1)
    Outcome.objects.filter(happened=True).update(reported_at=NOW + timedelta(days=1))
    (year,) = performance(clinic)
    assert (year.judged.events, year.judged.non_events) == (1, 0)


def test_an_outcome_is_joined_by_patient_where_no_prediction_is_named(clinic: Clinic) -> None:
    first, second = clinic.record(FIRST, 2)
    for prediction, days in ((first, 30), (second, -1)):
        Outcome.objects.create(
            model=clinic.model,
            patient=prediction.patient,
            happened=True,
            known_at=prediction.predicted_at + timedelta(days=days),
            reported_at=NOW,
            client="client",
        )
    (year,) = performance(clinic)
    assert (year.judged.events, year.judged.unreported) == (1, 1)


def test_a_patient_has_one_mark_in_all_months_and_nobody_shares_that_of_nobody(
    clinic: Clinic,
) -> None:
    for step, patient in ((0, "b" * 64), (1, ""), (2, "a" * 64), (366, "b" * 64), (367, "")):
        clinic.record(FIRST + timedelta(days=step), 1, patient=patient)
    with followed(clinic) as months:
        first, later = (rows.patients.tolist() for rows in months)
    assert len({*first, *later}) == 4
    assert later[0] == first[0]


def test_of_no_predictions_there_are_no_windows(clinic: Clinic) -> None:
    assert performance(clinic) == ()


def test_very_many_rows_give_the_figures_of_few_at_once(
    clinic: Clinic, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = clinic.record(FIRST, 1200)
    clinic.report_outcomes(made[:1100], drawn(made)[:1100], days=90)
    clinic.report_outcomes(made[1100:1160], [False] * 60, days=30.5)
    (whole,) = performance(clinic)
    monkeypatch.setattr("monitoring.performance.CONDENSED_ABOVE", 1000)
    (condensed,) = performance(clinic)
    assert whole.judged.censored == 60
    assert {*whole.figures} == {*condensed.figures} >= {"ici", "auroc"}
    for name, figure in whole.figures.items():
        width = figure["high"] - figure["low"]
        found = condensed.figures[name]
        assert found["value"] == pytest.approx(figure["value"], abs=VALUES_WITHIN)
        assert found["low"] == pytest.approx(figure["low"], abs=0.03 * width)
        assert found["high"] == pytest.approx(figure["high"], abs=0.03 * width)


def watched_outcomes(clinic: Clinic, shift: float) -> Alarm | None:
    """Twenty days of predictions whose outcomes are drawn with other log-odds than were said."""
    generator = np.random.default_rng(8)
    for step in range(20):
        made = clinic.record(FIRST + timedelta(days=step), 60)
        odds = np.array([prediction.margin for prediction in made]) + shift
        happened = generator.random(60) < 1 / (1 + np.exp(-odds))
        clinic.report_outcomes(made, [bool(one) for one in happened], days=90)
    clinic.watch(FIRST + timedelta(days=19))
    return Alarm.objects.filter(stream="calibration").first()


def test_risks_that_became_too_low_raise_an_alarm(clinic: Clinic) -> None:
    alarm = watched_outcomes(clinic, 1.0)
    assert alarm is not None
    assert alarm.summary.startswith("Risks are too low: ")
    assert alarm.details["size"]["low"] > alarm.details["size"]["before"]
    clinic.watch(FIRST + timedelta(days=19))
    assert Alarm.objects.filter(stream="calibration").count() == 1
    assert alarm.details["later"]["last"] == "2024-01-20"
    Alarm.objects.update(state="closed")
    clinic.watch(FIRST + timedelta(days=19))
    assert Alarm.objects.filter(stream="calibration").count() == 1


def test_risks_that_hold_raise_no_alarm_on_calibration(clinic: Clinic) -> None:
    assert watched_outcomes(clinic, 0.0) is None


def test_nothing_is_claimed_where_events_seem_dated_by_when_they_became_known(
    clinic: Clinic,
) -> None:
    made = clinic.record(FIRST, 600)
    happened = drawn(made)
    events = [one for one, did in zip(made, happened, strict=True) if did]
    others = [one for one, did in zip(made, happened, strict=True) if not did]
    half = len(events) // 2
    clinic.report_outcomes(events[:half], [True] * half, days=60)
    clinic.report_outcomes(events[half:], [True] * (len(events) - half), days=100)
    clinic.report_outcomes(others, [False] * len(others), days=120)
    (year,) = performance(clinic)
    assert year.judged.after_horizon == len(events) - half
    assert year.judged.figures == {}
    assert "dated by when they became known" in (year.judged.reason or "")
    again = WindowPerformance.from_dict(year.to_dict())
    assert again.judged.after_horizon == len(events) - half
    before = {name: one for name, one in year.to_dict().items() if name != "after_horizon"}
    assert WindowPerformance.from_dict(before).judged.after_horizon == 0
