"""The Evidently workspace: a project for each model, with panels over its reports' history."""

import os
from pathlib import Path
from typing import Any

from models.definition import Definition

RISK = "risk"


class Workspace:
    """A model's own project in an Evidently workspace, made when it's first needed."""

    def __init__(self, directory: Path, definition: Definition) -> None:
        from evidently.ui.workspace import Workspace as EvidentlyWorkspace

        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        # Evidently takes a relative path for one beside its own package
        self._workspace = EvidentlyWorkspace(os.fspath(directory.resolve()))
        found = self._workspace.search_project(definition.name)
        self._project = found[0] if found else self._create(definition)

    def keep(self, snapshot: Any, name: str, replaces: str | None) -> str:
        """Add a snapshot, in place of an earlier one if it `replaces` one, and return its id."""
        if replaces in {str(run) for run in self._workspace.list_runs(self._project.id)}:
            self._workspace.delete_run(self._project.id, replaces)
        return str(self._workspace.add_run(self._project.id, snapshot, name=name).id)

    def _create(self, definition: Definition) -> Any:
        project = self._workspace.create_project(definition.name, description=definition.title)
        for panel in _panels(definition):
            project.dashboard.add_panel(panel)
        return project


def _panels(definition: Definition) -> list[Any]:
    from evidently.sdk.models import PanelMetric
    from evidently.sdk.panels import line_plot_panel, text_panel

    def trend(legend: str, metric: str, **labels: str) -> Any:
        return PanelMetric(legend=legend, metric=metric, metric_labels=labels)

    features = definition.features
    missing = [
        trend(f.title, "MissingValueCount", column=f.name, value_type="share") for f in features
    ]
    distance = [trend(f.title, "ValueDrift", column=f.name) for f in features]
    drifted = [trend("Share of columns", "DriftedColumnsCount", value_type="share")]
    words = (
        "For a person to read. Alarms are raised by Auscult itself and shown in its console: "
        "Evidently drops missing values before its drift tests."
    )
    return [
        text_panel(title=definition.title, description=words),
        line_plot_panel(
            "Predictions in the report", [trend("Predictions", "RowCount")], size="half"
        ),
        line_plot_panel("Mean risk", [trend("Risk", "MeanValue", column=RISK)], size="half"),
        line_plot_panel("Share of missing values", missing),
        line_plot_panel("Distance from the reference", distance),
        line_plot_panel("Columns that Evidently calls drifted", drifted),
    ]
