"""The Evidently report of a window, for a person to read: HTML, and a snapshot in a workspace."""

import json
import os
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from models.definition import Definition
from monitoring.windows import ONE_DAY, start_of
from records import predictions
from records.models import DayCount
from records.settings import Settings

if TYPE_CHECKING:
    import pandas as pd

MOST_ROWS = 20_000
LEAST_ROWS = 10
SEED = 20261
STEP = timedelta(days=31)
RISK = "risk"


@dataclass(frozen=True)
class Report:
    """A window's report: its HTML file, how many rows it rests on, and what was left out.

    `left_out` maps a column to why Evidently can't show it.
    """

    year: int
    path: Path
    rows: int
    sampled: int
    left_out: dict[str, str]

    def to_dict(self) -> dict[str, Any]:
        """Return plain values that JSON can hold."""
        return {**vars(self), "path": self.path.name}


def write_reports(
    definition: Definition,
    version: str,
    reference: Path,
    through: date,
    settings: Settings,
    progress: Callable[[str, int, int], None],
) -> tuple[Report, ...]:
    """Write the report of each calendar year whose rows changed since its last one.

    Days after `through` haven't closed and are left out.
    """
    import pandas as pd

    directory = settings.reports / definition.name / version
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    years = rows_a_year(definition.name, version)
    stale = {year: rows for year, rows in years.items() if _rows_of(directory, year) != rows}
    for done, (year, rows) in enumerate(sorted(stale.items()), start=1):
        frame = window_sample(definition.name, version, year, through, rows)
        earlier = pd.read_parquet(reference)
        numeric, categorical, left_out = showable(definition, frame, earlier)
        with _quiet():
            snapshot = run_report(frame, earlier, numeric, categorical, _end(year, through))
            snapshot.save_html(os.fspath(directory / f"{year}.html"))
            _keep_snapshot(definition, f"version {version}, {year}", snapshot, settings)
        facts = {"rows": rows, "sampled": len(frame), "left_out": left_out}
        (directory / f"{year}.json").write_text(json.dumps(facts), encoding="utf-8")
        progress("reports by year", done, len(stale))
    return tuple(read_report(directory, year) for year in sorted(years) if years[year])


def rows_a_year(model: str, version: str) -> dict[int, int]:
    """Return how many predictions of closed days each year holds, where there are enough."""
    found: dict[int, int] = {}
    days = DayCount.objects.filter(model=model, version=version, stream="score")
    for day, total in days.values_list("day", "total"):
        found[day.year] = found.get(day.year, 0) + total
    return {year: rows for year, rows in found.items() if rows >= LEAST_ROWS}


def read_report(directory: Path, year: int) -> Report:
    """Read what is known of a report that was written."""
    facts = json.loads((directory / f"{year}.json").read_text(encoding="utf-8"))
    path = directory / f"{year}.html"
    return Report(year, path, facts["rows"], facts["sampled"], facts["left_out"])


def _rows_of(directory: Path, year: int) -> int | None:
    return read_report(directory, year).rows if (directory / f"{year}.json").is_file() else None


def window_sample(model: str, version: str, year: int, through: date, rows: int) -> "pd.DataFrame":
    """Read a year's features and risks; of many rows, a sample that is the same every time."""
    import pandas as pd

    chosen = np.arange(rows)
    if rows > MOST_ROWS:
        generator = np.random.Generator(np.random.PCG64(SEED + year))
        chosen = np.sort(generator.choice(rows, MOST_ROWS, replace=False))
    parts, passed = [], 0
    for first, last in _steps(year, through):
        frame = predictions.window(model, version, start_of(first), start_of(last))
        size = len(frame.risk)
        own = chosen[(chosen >= passed) & (chosen < passed + size)] - passed
        columns = {name: column[own] for name, column in frame.features.items()}
        parts.append(pd.DataFrame({**columns, RISK: frame.risk[own]}))
        passed += size
    return pd.concat([part for part in parts if len(part)], ignore_index=True)


def _steps(year: int, through: date) -> Iterator[tuple[date, date]]:
    first, end = date(year, 1, 1), min(date(year + 1, 1, 1), through + ONE_DAY)
    while first < end:
        last = min(first + STEP, end)
        yield first, last
        first = last


def showable(
    definition: Definition, current: "pd.DataFrame", reference: "pd.DataFrame"
) -> tuple[list[str], list[str], dict[str, str]]:
    """Return the numeric and categorical columns that a report can hold, and the others' reasons.

    An empty column breaks a whole Evidently report, so it is left out and named.
    """
    numeric, categorical, left_out = [RISK], [], {}
    for feature in definition.features:
        if feature.name not in reference or reference[feature.name].isna().all():
            left_out[feature.name] = f"{feature.title}: no value in the reference"
        elif feature.name not in current or current[feature.name].isna().all():
            left_out[feature.name] = f"{feature.title}: no value in this window"
        elif feature.kind == "numeric":
            numeric.append(feature.name)
        else:
            categorical.append(feature.name)
    return numeric, categorical, left_out


def run_report(
    current: "pd.DataFrame",
    reference: "pd.DataFrame",
    numeric: list[str],
    categorical: list[str],
    at: datetime,
) -> Any:
    """Run Evidently's drift and summary presets over the columns."""
    from evidently import DataDefinition, Dataset
    from evidently import Report as EvidentlyReport
    from evidently.presets import DataDriftPreset, DataSummaryPreset

    columns = [*numeric, *categorical]
    schema = DataDefinition(numerical_columns=numeric, categorical_columns=categorical)
    report = EvidentlyReport([DataDriftPreset(), DataSummaryPreset()])
    return report.run(
        Dataset.from_pandas(current[columns].reset_index(drop=True), schema),
        Dataset.from_pandas(reference[columns].reset_index(drop=True), schema),
        timestamp=at,
    )


def _end(year: int, through: date) -> datetime:
    return start_of(min(date(year, 12, 31), through))


def _keep_snapshot(definition: Definition, name: str, snapshot: Any, settings: Settings) -> None:
    """Put a window's snapshot in place of the one that it had, in the model's own project."""
    from evidently.ui.workspace import Workspace

    settings.evidently_workspace.mkdir(mode=0o700, parents=True, exist_ok=True)
    workspace = Workspace(os.fspath(settings.evidently_workspace))
    found = workspace.search_project(definition.name)
    if found:
        project = found[0]
    else:
        project = workspace.create_project(definition.name, description=definition.title)
        for panel in _panels(definition):
            project.dashboard.add_panel(panel)
    for run in workspace.list_runs(project.id):
        kept = workspace.get_run(project.id, run)
        if kept is not None and kept.name == name:
            workspace.delete_run(project.id, run)
    workspace.add_run(project.id, snapshot, name=name)


def _panels(definition: Definition) -> list[Any]:
    from evidently.sdk.models import PanelMetric
    from evidently.sdk.panels import line_plot_panel, text_panel

    def trend(metric: str, labels: dict[str, str]) -> list[Any]:
        return [
            PanelMetric(
                legend=feature.title,
                metric=metric,
                metric_labels={"column": feature.name, **labels},
            )
            for feature in definition.features
        ]

    rows = [PanelMetric(legend="Predictions", metric="RowCount")]
    drifted = [
        PanelMetric(
            legend="Share of columns",
            metric="DriftedColumnsCount",
            metric_labels={"value_type": "share"},
        )
    ]
    risk = [PanelMetric(legend="Mean risk", metric="MeanValue", metric_labels={"column": RISK})]
    missing = trend("MissingValueCount", {"value_type": "share"})
    words = (
        "For a person to read. Alarms are raised by Auscult itself, in its console: "
        "Evidently drops missing values before its drift tests."
    )
    return [
        text_panel(title=definition.title, description=words),
        line_plot_panel(title="Predictions in the report", values=rows, size="half"),
        line_plot_panel(title="Mean risk", values=risk, size="half"),
        line_plot_panel(title="Share of missing values", values=missing),
        line_plot_panel(title="Distance from the reference", values=trend("ValueDrift", {})),
        line_plot_panel(title="Columns that Evidently calls drifted", values=drifted),
    ]


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence what Evidently divides by zero over constant and tiny columns."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        yield
