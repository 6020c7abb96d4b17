"""Performance over several windows: by their length, in groups apart, and not computed twice."""

from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import numpy as np
import pytest

from models.definition import Definition, parse_definition
from monitoring.followed import follow
from monitoring.over_time import performance_over_time, windows_in
from monitoring.performance import WindowPerformance
from monitoring.periods import Choice, WindowLength
from records.models import MonitorRun, Prediction
from tests.monitoring.clinic import DEFINITION, FIRST, NOW, Clinic

WARDS = """
[[subgroups]]
name = "ward"
title = "Ward"
feature = "ward"
"""


def judged(
    clinic: Clinic,
    length: WindowLength = "month",
    definition: Definition | None = None,
    earlier: tuple[WindowPerformance, ...] = (),
) -> tuple[WindowPerformance, ...]:
    definition = definition or clinic.definition
    with follow(definition, "1", clinic.settings.cache) as months:
        choice = Choice(length, "")
        return performance_over_time(definition, months, choice, NOW.date(), earlier=earlier)


def record(clinic: Clinic, month: int, rows: int = 300, **fields: Any) -> list[Prediction]:
    """Record a month whose outcomes are as likely as the risks say."""
    made = clinic.record(date(2024, month, 3), rows, **fields)
    generator = np.random.default_rng(month)
    happened = [bool(generator.random() < 2 * one.risk) for one in made]
    clinic.report_outcomes(made, happened, days=90)
    return made


def test_each_window_is_judged_by_its_own_predictions(clinic: Clinic) -> None:
    for month, rows in ((1, 300), (2, 400), (3, 500), (4, 200)):
        record(clinic, month, rows)
    by_month = judged(clinic)
    assert [one.judged.predictions for one in by_month] == [300, 400, 500, 200]
    assert [one.label for one in by_month] == ["2024-01", "2024-02", "2024-03", "2024-04"]
    first, second = judged(clinic, "quarter")
    assert first.judged.events == sum(one.judged.events for one in by_month[:3])
    assert (first.first, first.closes_on) == (FIRST, date(2024, 3, 31) + timedelta(days=120))
    assert second.figures == by_month[3].figures


def test_what_acting_at_a_threshold_was_worth_is_said(clinic: Clinic) -> None:
    made = record(clinic, 1, 500)
    (window,) = judged(clinic)
    found = window.judged.at_thresholds["0.2"]
    alerts = [one.risk >= 0.2 for one in made]
    assert found["alerts_per_100"]["value"] == pytest.approx(100 * np.mean(alerts))
    generator = np.random.default_rng(1)
    events = np.array([generator.random() < 2 * one.risk for one in made])
    assert found["ppv"]["value"] == pytest.approx(events[alerts].mean())
    benefit = events[alerts].sum() / 500 - (~events[alerts]).sum() / 500 * 0.2 / 0.8
    assert found["net_benefit"]["value"] == pytest.approx(benefit)


def test_shown_and_silent_predictions_are_judged_apart(clinic: Clinic) -> None:
    record(clinic, 1, 300)
    record(clinic, 1, 200, shown=False)
    (window,) = judged(clinic)
    assert window.shown == 300
    silent, shown = window.apart
    assert (silent["group"], silent["predictions"]) == ("Silent", 200)
    assert (shown["group"], shown["predictions"]) == ("Shown", 300)
    assert silent["figures"]["auroc"]["value"] != shown["figures"]["auroc"]["value"]


def test_where_all_were_shown_nothing_is_apart(clinic: Clinic) -> None:
    record(clinic, 1)
    (window,) = judged(clinic)
    assert (window.shown, window.apart) == (300, ())


def test_a_handful_of_silent_ones_is_withheld_and_does_not_follow_from_the_rest(
    clinic: Clinic,
) -> None:
    record(clinic, 1, 300)
    record(clinic, 1, 4, shown=False)
    (window,) = judged(clinic)
    assert [row["predictions"] for row in window.apart] == [None, None]
    assert {row["reason"] for row in window.apart} == {
        "withheld: it or a group beside it has fewer than 10 patients, or fewer than 5 with or "
        "without the event"
    }


def test_many_predictions_of_one_patient_with_the_event_are_withheld(clinic: Clinic) -> None:
    record(clinic, 1, 300)
    clinic.report_outcomes(
        clinic.record(date(2024, 1, 4), 40, shown=False, patient="f" * 64), [True] * 40, days=90
    )
    clinic.report_outcomes(clinic.record(date(2024, 1, 5), 60, shown=False), [False] * 60, days=90)

    (window,) = judged(clinic)

    assert [row["predictions"] for row in window.apart] == [None, None]


def test_a_group_whose_outcomes_nobody_reported_is_said_to_be_that_and_no_small_one(
    clinic: Clinic,
) -> None:
    record(clinic, 1, 300)
    silent = clinic.record(date(2024, 1, 4), 100, shown=False)
    clinic.report_outcomes(silent[:2], [False, True], days=90)
    (window,) = judged(clinic)
    reasons = {row["group"]: row["reason"] for row in window.apart}
    unreported = "withheld: 98 % of its outcomes are unreported, and too few are known"
    beside = (
        "withheld: it or a group beside it has fewer than 10 patients, or fewer than 5 with or "
        "without the event"
    )
    assert reasons == {"Silent": unreported, "Shown": beside}


def test_subgroups_of_the_definition_are_judged_apart(clinic: Clinic) -> None:
    definition = parse_definition(
        DEFINITION.replace("[smallest_group]", f"{WARDS}[smallest_group]").encode(), source="tests"
    )
    made = record(clinic, 1, 900)
    (window,) = judged(clinic, definition=definition)
    rows = {row["group"]: row for row in window.apart if row["characteristic"] == "ward"}
    assert list(rows) == ["Medical", "Surgical", "Other"]
    for code, group in (("medical", "Medical"), ("surgical", "Surgical")):
        own = [one for one in made if one.features["ward"] == code]
        assert rows[group]["predictions"] == len(own)
        assert rows[group]["figures"]["mean_risk"]["value"] == pytest.approx(
            np.mean([one.risk for one in own])
        )


def test_a_window_that_did_not_change_is_not_judged_again(
    clinic: Clinic, monkeypatch: pytest.MonkeyPatch
) -> None:
    for month in (1, 2):
        record(clinic, month)
    before = judged(clinic)
    record(clinic, 2, 10)
    anew: list[str] = []
    from monitoring import over_time

    evaluate = over_time.evaluate_window

    def noted(definition: Any, period: Any, rows: Any, today: date) -> WindowPerformance:
        anew.append(period.label)
        return evaluate(definition, period, rows, today)

    monkeypatch.setattr(over_time, "evaluate_window", noted)
    after = judged(clinic, earlier=before)
    assert anew == ["2024-02"]
    assert after[0] == before[0]
    assert after == judged(clinic)


def test_a_window_of_before_people_were_counted_is_judged_again(
    clinic: Clinic, monkeypatch: pytest.MonkeyPatch
) -> None:
    record(clinic, 1)
    with monkeypatch.context() as earlier:
        earlier.setattr("monitoring.over_time.FORMAT", 2)
        (before,) = judged(clinic)
    (told,) = judged(clinic, earlier=(replace(before, shown=0),))
    assert told.shown == 300


def test_a_run_keeps_its_windows_and_the_next_one_reads_them(clinic: Clinic) -> None:
    record(clinic, 1)
    clinic.watch(FIRST + timedelta(days=9))
    run = MonitorRun.objects.latest("pk")
    assert run.summary["performance_window"]["length"] == "year"
    (window,) = windows_in(run.summary)
    assert (window.label, window.judged.predictions) == ("2024", 300)
    assert windows_in({"performance": [{"year": 2024}]}) == ()
    clinic.watch(FIRST + timedelta(days=9))
    assert windows_in(MonitorRun.objects.latest("pk").summary) == (window,)
