from datetime import date, timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest

from monitoring.report import LEAST_ROWS, rows_a_year, window_sample
from records.models import MonitorRun
from tests.monitoring.clinic import FIRST, Clinic


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


def test_a_large_year_is_sampled_the_same_way_every_time(
    clinic: Clinic, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("monitoring.report.MOST_ROWS", 25)
    clinic.record_days(FIRST, 40, 5)
    samples = [
        window_sample(clinic.definition, "1", 2024, FIRST + timedelta(days=39), 200)
        for _ in range(2)
    ]
    pd.testing.assert_frame_equal(*samples)
    assert len(samples[0]) == 25
    assert samples[0]["risk"].nunique() > 20


def test_days_that_have_not_closed_are_not_in_the_sample(clinic: Clinic) -> None:
    clinic.record_days(FIRST, 3, 20)
    assert len(window_sample(clinic.definition, "1", 2024, FIRST, 20)) == 20


def test_a_year_of_few_predictions_gets_no_report(clinic: Clinic) -> None:
    clinic.record(FIRST, LEAST_ROWS - 1)
    result = clinic.watch(FIRST, with_reports=True)
    assert result.report_path is None
    assert rows_a_year(clinic.model, "1") == {}
