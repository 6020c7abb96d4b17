import json
from datetime import date, timedelta
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import pytest

from monitoring.report import LEAST_ROWS, window_sample
from records.answers import answers
from records.models import MonitorRun, Prediction
from tests.monitoring.clinic import FIRST, Clinic, older


def odd(columns: dict[str, Any], generator: np.random.Generator) -> None:
    columns["creatinine"][:] = np.nan
    columns["lactate"][:] = 1.5
    columns["ward"][:] = "medical"


def test_each_year_has_a_report_and_one_snapshot_that_odd_columns_do_not_break(
    clinic: Clinic,
) -> None:
    clinic.record(date(2024, 12, 31), 60, change=odd)
    clinic.record(date(2025, 1, 1), 30)
    result = clinic.watch(date(2025, 1, 1), with_reports=True)
    directory = clinic.settings.reports / clinic.model / "1"
    assert result.report_path == directory / "2025.html"
    page = (directory / "2024.html").read_text(encoding="utf-8")
    assert "lactate" in page
    assert "creatinine" not in page
    report, _ = MonitorRun.objects.get().summary["reports"]
    assert report["left_out"] == {"creatinine": "Creatinine in serum: no value in this window"}
    assert (report["rows"], report["sampled"]) == (60, 60)
    clinic.record(date(2025, 1, 2), 20)
    clinic.watch(date(2025, 1, 2), with_reports=True)
    # imported only now, since the job keeps its warnings quiet
    from evidently.ui.workspace import Workspace

    workspace = Workspace(str(clinic.settings.evidently_workspace))
    (project,) = workspace.search_project(clinic.model)
    runs = [workspace.get_run(project.id, run) for run in workspace.list_runs(project.id)]
    assert sorted(run.name for run in runs if run) == ["version 1, 2024", "version 1, 2025"]
    assert len(project.dashboard.model().panels) == 6


def test_a_report_shows_each_prediction_of_a_stay_through_the_last_closed_day(
    clinic: Clinic,
) -> None:
    # the same patients are scored on 20 days on end, so that streams count their first day alone
    patients = [one.patient for one in clinic.record(FIRST, 30)]
    for step in range(1, 20):
        made = clinic.record(FIRST + timedelta(days=step), 30, older(20 if step > 9 else 0))
        for one, patient in zip(made, patients, strict=True):
            one.patient = patient
        Prediction.objects.bulk_update(made, ["patient"])
    clinic.watch(FIRST + timedelta(days=17), with_reports=True)
    (report,) = MonitorRun.objects.get().summary["reports"]
    assert (report["rows"], report["sampled"]) == (540, 540)
    sample = window_sample(clinic.definition, "1", 2024, FIRST + timedelta(days=17))
    recorded = [one.features["age"] for one in Prediction.objects.order_by("predicted_at", "id")]
    assert sample.frame["age"].tolist() == recorded[:540]
    assert sample.rows == 540


def test_rows_that_came_late_are_in_the_report_beside_as_many_refusals(clinic: Clinic) -> None:
    clinic.record_days(FIRST, 3, 20)
    clinic.refuse(FIRST, 25)
    clinic.watch(FIRST + timedelta(days=2), with_reports=True)
    clinic.record(FIRST + timedelta(days=1), 15)
    clinic.watch(FIRST + timedelta(days=3), with_reports=True)
    *_, last = MonitorRun.objects.order_by("pk")
    (report,) = last.summary["reports"]
    assert (report["rows"], report["requests"]) == (75, 100)


def test_a_report_that_does_not_say_of_how_many_requests_it_is_is_written_anew(
    clinic: Clinic,
) -> None:
    clinic.record(FIRST, 30)
    clinic.watch(FIRST, with_reports=True)
    path = clinic.settings.reports / clinic.model / "1" / "2024.json"
    facts = json.loads(path.read_text(encoding="utf-8"))
    del facts["requests"]
    path.write_text(json.dumps({**facts, "rows": 12}), encoding="utf-8")
    clinic.watch(FIRST, with_reports=True)
    assert json.loads(path.read_text(encoding="utf-8"))["rows"] == 30


def test_a_large_year_is_sampled_the_same_way_every_time(
    clinic: Clinic, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("monitoring.report.MOST_ROWS", 25)
    clinic.record_days(FIRST, 40, 5)
    last = FIRST + timedelta(days=39)
    one, again = (window_sample(clinic.definition, "1", 2024, last) for _ in range(2))
    pd.testing.assert_frame_equal(one.frame, again.frame)
    assert (len(one.frame), one.rows) == (25, 200)
    assert one.frame["risk"].nunique() > 20


def test_each_row_of_a_large_year_is_as_likely_to_be_sampled(
    clinic: Clinic, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("monitoring.report.MOST_ROWS", 40)
    read_in_parts = partial(answers, rows=30)
    monkeypatch.setattr("monitoring.report.answers", read_in_parts)
    clinic.record_days(FIRST, 20, 10)
    last = FIRST + timedelta(days=19)
    recorded = list(Prediction.objects.order_by("predicted_at", "id"))
    for place, one in enumerate(recorded):
        one.risk = float(place)
    Prediction.objects.bulk_update(recorded, ["risk"])
    drawn = np.zeros(200)
    for seed in range(300):
        monkeypatch.setattr("monitoring.report.SEED", seed)
        sample = window_sample(clinic.definition, "1", 2024, last).frame
        places = sample["risk"].astype(int).tolist()
        assert places == sorted(places)
        drawn[places] += 1
    # each row is in a fifth of the samples: by the hypergeometric law, 60 of 300
    assert drawn.sum() == 300 * 40
    by_part = drawn.reshape(20, 10).sum(axis=1)
    assert abs(by_part - 600).max() < 4.5 * np.sqrt(300 * 10 * 0.2 * 0.8)


def test_days_that_have_not_closed_are_not_in_the_sample(clinic: Clinic) -> None:
    clinic.record_days(FIRST, 3, 20)
    assert window_sample(clinic.definition, "1", 2024, FIRST).rows == 20


def test_a_year_of_few_predictions_gets_no_report(clinic: Clinic) -> None:
    clinic.record(FIRST, LEAST_ROWS - 1)
    clinic.refuse(FIRST, LEAST_ROWS)
    result = clinic.watch(FIRST, with_reports=True)
    assert result.report_path is None
    assert MonitorRun.objects.get().summary["reports"] == []
    clinic.record(FIRST, 1)
    assert clinic.watch(FIRST, with_reports=True).report_path is not None
