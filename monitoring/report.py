"""The Evidently reports of a model in use, for a person to read: one HTML page a year."""

import json
import os
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from models.definition import Definition
from monitoring.dossier import keep_dossier
from monitoring.stays import ONE_DAY, start_of
from monitoring.streams import TRAFFIC
from monitoring.workspace import RISK, Workspace
from records.answers import answers
from records.models import DayCount
from records.settings import Settings

if TYPE_CHECKING:
    import pandas as pd

Progress = Callable[[str, int, int], None]
MOST_ROWS = 20_000
LEAST_ROWS = 10
SEED = 20261


@dataclass(frozen=True)
class Report:
    """A year's report: its HTML file, the rows that it rests on, and what was left out.

    `requests` are those that the year's closed days had, answered or refused; `rows` the
    predictions that were read, each of a stay, of which it shows as many as `sampled`. `left_out`
    maps a column to why Evidently can't show it; `snapshot` is its workspace's id.
    """

    year: int
    requests: int
    rows: int
    sampled: int
    left_out: dict[str, str]
    snapshot: str
    path: Path

    def to_dict(self) -> dict[str, Any]:
        """Return plain values that JSON can hold; the path is relative to its version's."""
        return {**vars(self), "path": self.path.name}


@dataclass(frozen=True)
class Columns:
    """The columns that a report can hold, and why the others can't be in it."""

    numeric: list[str]
    categorical: list[str]
    left_out: dict[str, str]


def write_for_people(
    definition: Definition,
    version: str,
    reference: Path,
    through: date | None,
    settings: Settings,
    progress: Progress,
) -> tuple[tuple[Report, ...], str]:
    """Write the dossier and the reports; return these, and why not all could be written, if so.

    Nothing else that monitoring does may depend on them. Without `through` there are no reports.
    """
    try:
        keep_dossier(settings, definition.name, version, reference.parent)
        if through is None:
            return (), ""
        return write_reports(definition, version, reference, through, settings, progress), ""
    except OSError as error:
        why = f"{error.filename}: {error.strerror}" if error.filename else type(error).__name__
    except ValueError as error:  # what a full disk left in part can't be read
        why = type(error).__name__
    return (), f"all was watched, but the reports can't be written ({why})"


def write_reports(
    definition: Definition,
    version: str,
    reference: Path,
    through: date,
    settings: Settings,
    progress: Progress,
) -> tuple[Report, ...]:
    """Write the report of each calendar year that had requests since its last one.

    Days after `through` haven't closed and are left out, and so are years of few predictions.
    """
    directory = settings.reports / definition.name / version
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    years = requests_a_year(definition.name, version)
    found = {year: read_report(directory, year) for year in years}
    stale = [y for y, report in sorted(found.items()) if not report or report.requests != years[y]]
    for done, year in enumerate(stale, start=1):
        sample = window_sample(definition, version, year, through)
        if sample.rows >= LEAST_ROWS:
            old = found[year]
            found[year] = _write(
                definition,
                version,
                sample,
                reference,
                directory,
                settings,
                Window(year, min(date(year, 12, 31), through), years[year], year == max(years)),
                old.snapshot if old else None,
            )
        progress("reports by year", done, len(stale))
    return tuple(report for _, report in sorted(found.items()) if report)


@dataclass(frozen=True)
class Window:
    """A year with its last closed day and its requests; the latest one is shown in full."""

    year: int
    last: date
    requests: int
    latest: bool


@dataclass(frozen=True, eq=False)
class Sample:
    """A window's predictions as a report shows them, and how many `rows` they are drawn from."""

    frame: "pd.DataFrame"
    rows: int


def _write(
    definition: Definition,
    version: str,
    sample: Sample,
    reference: Path,
    directory: Path,
    settings: Settings,
    window: Window,
    replaces: str | None,
) -> Report:
    import pandas as pd

    current, earlier = sample.frame, pd.read_parquet(reference)
    columns = showable(definition, current, earlier)
    path = directory / f"{window.year}.html"
    with quiet():
        snapshot = run_report(current, earlier, columns, start_of(window.last), window.latest)
        snapshot.save_html(os.fspath(path))
        name = f"version {version}, {window.year}"
        kept = Workspace(settings.evidently_workspace, definition).keep(snapshot, name, replaces)
    report = Report(
        window.year,
        window.requests,
        sample.rows,
        len(current),
        columns.left_out,
        kept,
        path,
    )
    path.with_suffix(".json").write_text(json.dumps(report.to_dict()), encoding="utf-8")
    return report


def read_report(directory: Path, year: int) -> Report | None:
    """Read what is known of a year's report, if one was written to its end."""
    path = directory / f"{year}.json"
    try:
        facts = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return None
    # of an earlier Auscult it doesn't say of how many requests it is, so it's written anew
    return Report(**{"requests": 0, **facts, "path": directory / facts["path"]})


def requests_a_year(model: str, version: str) -> dict[int, int]:
    """Return how many requests the closed days of each year had, those that came late too."""
    found: dict[int, int] = {}
    days = DayCount.objects.filter(model=model, version=version, stream=TRAFFIC)
    for day, total in days.values_list("day", "total"):
        found[day.year] = found.get(day.year, 0) + total
    return found


def window_sample(definition: Definition, version: str, year: int, through: date) -> Sample:
    """Read a year's features and risks; of many rows, a sample that is the same every time.

    Each row draws a number, and the rows with the smallest ones stay, so that all have the same
    chance however many they turn out to be.
    """
    import pandas as pd

    generator = np.random.Generator(np.random.PCG64(SEED + year))
    kept, drawn, rows = pd.DataFrame(), np.zeros(0), 0
    end = min(date(year + 1, 1, 1), through + ONE_DAY)
    for part in answers(definition, version, start_of(date(year, 1, 1)), start_of(end)):
        numbers = generator.random(len(part))
        rows += len(part)
        own = numbers < (drawn.max() if len(drawn) == MOST_ROWS else 1.0)
        columns = {name: column[own] for name, column in part.features.items()}
        new = pd.DataFrame({**columns, RISK: part.risk[own]})
        drawn = np.concatenate([drawn, numbers[own]])
        smallest = np.sort(np.argsort(drawn)[:MOST_ROWS])
        kept = (pd.concat([kept, new], ignore_index=True) if len(kept) else new).iloc[smallest]
        drawn = drawn[smallest]
    return Sample(kept.reset_index(drop=True), rows)


def showable(definition: Definition, current: "pd.DataFrame", reference: "pd.DataFrame") -> Columns:
    """Sort the columns into those that a report can hold and those that it can't.

    An empty column breaks a whole Evidently report, so it is left out and named.
    """
    columns = Columns([RISK], [], {})
    for feature in definition.features:
        if feature.name not in reference or reference[feature.name].isna().all():
            columns.left_out[feature.name] = f"{feature.title}: no value in the reference"
        elif feature.name not in current or current[feature.name].isna().all():
            columns.left_out[feature.name] = f"{feature.title}: no value in this window"
        elif feature.kind == "numeric":
            columns.numeric.append(feature.name)
        else:
            columns.categorical.append(feature.name)
    return columns


def run_report(
    current: "pd.DataFrame",
    reference: "pd.DataFrame",
    columns: Columns,
    at: datetime,
    in_full: bool,
) -> Any:
    """Run Evidently's drift preset; in full its summary too, else what the dashboard shows."""
    from evidently import DataDefinition, Dataset
    from evidently import Report as EvidentlyReport
    from evidently.metrics import MeanValue, MissingValueCount, RowCount
    from evidently.presets import DataDriftPreset, DataSummaryPreset

    names = [*columns.numeric, *columns.categorical]
    schema = DataDefinition(
        numerical_columns=columns.numeric, categorical_columns=columns.categorical
    )
    brief = [RowCount(), MeanValue(column=RISK), *(MissingValueCount(column=n) for n in names)]
    summary = [DataSummaryPreset()] if in_full else brief
    return EvidentlyReport([DataDriftPreset(), *summary]).run(
        Dataset.from_pandas(current[names].reset_index(drop=True), schema),
        Dataset.from_pandas(reference[names].reset_index(drop=True), schema),
        timestamp=at,
    )


@contextmanager
def quiet() -> Iterator[None]:
    """Silence Evidently, which divides by zero over constant and tiny columns."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        yield
