"""What the commands print at their end: figures with their intervals, alarms in words."""

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from rich.markup import escape
from rich.table import Table

from auscult.screen import out
from models.amounts import counted
from models.errors import AuscultError
from models.figure_names import MINUS_CHAMPION

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from models.evaluation.evaluation import Evaluation
    from monitoring.heartbeat import Heartbeat
    from monitoring.job import MonitorResult
    from records.models import Alarm
    from training.retraining import Retrained
    from training.run import TrainedVersion
    from training.validation import Validation

_SHOWN = {
    "auroc": "AUROC",
    "auprc": "AUPRC",
    "brier": "Brier score",
    "calibration_slope": "Calibration slope",
    "calibration_in_the_large": "Calibration in the large",
}


def show_trained(trained: "TrainedVersion") -> None:
    """Show a trained version's headline figures."""
    out.print(f"\n[bold]{trained.name} version {trained.version}[/bold] (run {trained.run_id})")
    out.print(_figures(trained.evaluation))
    if trained.earlier is not None and trained.earlier.count:
        out.print(f"Bear in mind: {trained.earlier.words}.")
    _show_evidence(json.loads((trained.directory / "evidence.json").read_bytes()))


def _show_evidence(evidence: "Mapping[str, Any]") -> None:
    """Show what of the sealed evidence asks for somebody: rows left out, suspicions, gates."""
    quality, gates = evidence["data_quality"], evidence["gates"]
    for reason, rows in quality["exclusions"]:
        count = "withheld" if rows is None else counted(rows, "row")
        out.print(f"Not taken as given, {count}: {reason}", markup=False)
    for words in quality["suspicions"]:
        out.print(f"To be looked into: {words}", markup=False)
    passed = sum(gate["result"] == "passed" for gate in gates)
    out.print(f"Gates: {passed} of {len(gates)} passed.")
    for gate in gates:
        if gate["result"] != "passed":
            out.print(f"  {gate['result']}: {gate['words']}", markup=False)


def show_retrained(found: "Retrained") -> None:
    """Show what a challenger was made from, how it did, and how it stands to the champion."""
    made = found.made_from
    out.print(
        f"\n{made['recorded']:,} recorded predictions of windows closed through "
        f"{made['closed_through']}: {made['shown']:,} shown, {made['silent']:,} silent; "
        f"{made['training']:,} trained, {made['test']:,} later ones tested."
    )
    for note in found.notes:
        out.print(f"Bear in mind: {note}.")
    show_trained(found.trained)
    if not found.differences:
        out.print(f"It can't be compared with the champion, version {found.champion}.")
        return
    table = Table(f"Minus the champion, version {found.champion}", "", "95 % interval", box=None)
    for name, title in _SHOWN.items():
        value, low, high = (
            found.differences.get(f"{name}{MINUS_CHAMPION}{end}") for end in ("", "_low", "_high")
        )
        if value is not None and low is not None and high is not None:
            table.add_row(title, f"{value:+.3f}", f"{low:+.3f} to {high:+.3f}")
    out.print(table)
    out.print("Nothing was promoted. Next, by somebody else: [bold]auscult promote[/bold]")


def show_validated(found: "Validation") -> None:
    """Show how a version did on another population."""
    version = f"{found.version.name} version {found.version.version}"
    out.print(f"\n[bold]{version}[/bold] on {found.people:,} rows (run {found.run_id})")
    out.print(_figures(found.evaluation))
    if found.seen_before is not None:
        out.print(
            f"[bold red]THIS IS NO VALIDATION[/bold red] by other people: {found.seen_before}. "
            "These figures look better than those of other people will."
        )


def _figures(evaluation: "Evaluation") -> Table:
    table = Table("Figure", "Value", "95 % interval", box=None)
    for name, estimate in evaluation.figures.items():
        if name not in _SHOWN:
            continue
        if estimate.value is None or estimate.low is None or estimate.high is None:
            table.add_row(_SHOWN[name], "not estimable", estimate.reason or "")
        else:
            interval = f"{estimate.low:z.3f} to {estimate.high:z.3f}"
            table.add_row(_SHOWN[name], f"{estimate.value:z.3f}", interval)
    return table


def show_monitored(result: "MonitorResult") -> None:
    """Show what a run of the monitoring saw."""
    days = counted(result.days, "day")
    out.print(f"\nWatched {counted(result.predictions, 'prediction')} on {days}.")
    show_alarms(result.open_alarms)
    out.print(
        f"Report: {result.report_path}" if result.report_path else "No report: no day closed."
    )


def show_alarms(found: "Sequence[Alarm]") -> None:
    """Show open alarms: what each says, where its change sits, its state, what follows from it."""
    from monitoring.alarms import by_cause, where_words
    from monitoring.mutes import state_words

    for alarm, consequences in by_cause(found):
        lines = [*where_words(alarm), f"{alarm.severity}, {state_words(alarm)}"]
        lines += [f"follows from it: {one.summary}" for one in consequences]
        out.print(f"[red]ALARM[/red] {alarm.raised_on}: {escape(alarm.summary)}")
        for line in lines:
            out.print(f"      {line}", markup=False)
    if not found:
        out.print("No alarm is open.")


def show_status(found: "Sequence[Heartbeat]") -> None:
    """Show whether each model in use is watched as it should be."""
    if not found:
        out.print("No model is in use.")
    for one in found:
        last = f"{one.finished_at:%Y-%m-%d %H:%M} UTC" if one.finished_at else "never"
        alarms = counted(len(one.alarms), "alarm")
        out.print(f"{one.model} version {one.version}: watched {last}, {alarms}")
        for fault in one.faults:
            out.print(f"[red]NOT WATCHED[/red] {fault}")
        if one.outcomes_note:
            out.print(f"[yellow]OUTCOMES[/yellow] {one.outcomes_note}")


def show_history(name: str, at: str) -> None:
    """Show who moved a model's aliases when and why, or which version was champion at a time."""
    from records import tenure

    rows = tenure.history(name)
    if at:
        moment = parse_time(at)
        if moment > datetime.now(UTC):
            raise AuscultError(f"{at} hasn't come yet; name a time up to now")
        found = tenure.tenure_at(name, "champion", moment)
        if found is None:
            out.print(f"no version of {name} was champion then")
            return
        rows = [found]
    table = Table("Since", "Alias", "Version", "By", "Because", box=None)
    for row in rows:
        because = f"{row.because} (gates overridden)" if row.overridden else row.because
        table.add_row(f"{row.since:%Y-%m-%d %H:%M:%S}", row.alias, row.version, row.by, because)
    out.print(table)


def parse_time(text: str) -> datetime:
    """Read an ISO 8601 time; one without an offset is taken as UTC."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise AuscultError(f"{text!r} is not a time such as 2026-01-31T08:00:00Z") from error
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
