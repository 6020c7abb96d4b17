"""What the commands print at their end: figures with their intervals, alarms in words."""

import json
from types import MappingProxyType
from typing import TYPE_CHECKING

from rich.markup import escape
from rich.table import Table

from auscult.screen import out
from models.amounts import counted
from models.figure_names import MINUS_BASELINE, MINUS_CHAMPION, SCALAR_TITLES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from models.evaluation.evaluation import Evaluation
    from monitoring.epochs import Epoch
    from monitoring.heartbeat import Heartbeat
    from monitoring.job import MonitorResult
    from monitoring.outbox import Outbox
    from records.models import Alarm
    from training.retraining import Retrained
    from training.run import TrainedVersion
    from training.validation import Validation

_SHOWN = {
    name: SCALAR_TITLES[name]
    for name in ("auroc", "auprc", "brier", "calibration_slope", "calibration_in_the_large")
}


def show_trained(trained: "TrainedVersion") -> None:
    """Show a trained version's headline figures."""
    from training.beside_baseline import not_better  # here, as no other command needs it to start

    out.print(f"\n[bold]{trained.name} version {trained.version}[/bold] (run {trained.run_id})")
    out.print(_figures(trained.evaluation))
    if trained.earlier is not None and trained.earlier.count:
        out.print(f"Bear in mind: {trained.earlier.words}.")
    evidence = json.loads((trained.directory / "evidence.json").read_bytes())
    out.print(f"How it is judged: {evidence['split']['method']}.", markup=False)
    beside = not_better(evidence)
    if beside is not None:
        out.print(f"Bear in mind: {beside}.", markup=False)
    if evidence["stability"] is not None:
        _show_stability(evidence["stability"], evidence["model_evidence"]["trials"])
    _show_evidence(evidence)


def _show_stability(stable: "Mapping[str, Any]", trials: int) -> None:
    """Show how far risks depend on who happened to be in the table, and what that rests on."""
    from training.stability import ENOUGH_RUNS  # here, as no other command needs it to start

    out.print(
        f"Stability: made again from {counted(stable['runs'], 'bootstrap sample')} of the training "
        f"patients, each person's risk differs by {stable['mape']:.3f} on average (mean absolute "
        f"prediction error, over {counted(stable['people'], 'row')}); for one in ten by more than "
        f"{stable['mape_quantiles']['0.9']:.3f}."
    )
    if stable["trials"] < trials:
        out.print(
            f"  Each sample's search had {counted(stable['trials'], 'trial')} and the model's "
            f"{trials:,}, so a repetition may differ somewhat more."
        )
    if stable["quick_look"]:
        out.print(f"  Fewer than {ENOUGH_RUNS} samples are a quick look: rely on neither figure.")


def _show_evidence(evidence: "Mapping[str, Any]") -> None:
    """Show what of the sealed evidence asks for somebody: rows left out, suspicions, gates."""
    quality = evidence["data_quality"]
    for reason, rows in quality["exclusions"]:
        count = "withheld" if rows is None else counted(rows, "row")
        out.print(f"Left out, {count}: {reason}", markup=False)
    for title, values in quality["set_to_missing"]:
        count = counted(values, "value")
        out.print(
            f"Set to missing, {count}: {title}, implausible (the rows are kept)", markup=False
        )
    for words in quality["suspicions"]:
        out.print(f"To be looked into: {words}", markup=False)
    for title, reason in evidence["not_assessed"].items():
        out.print(f"Not assessed, {title}: {reason}", markup=False)
    show_gates(evidence["gates"])


def show_gates(gates: "Sequence[Mapping[str, Any]]") -> None:
    """Show how many gates passed, those that didn't, and always those beside the regression."""
    passed = sum(gate["result"] == "passed" for gate in gates)
    out.print(f"Gates: {passed} of {len(gates)} passed.")
    for gate in gates:
        if gate["result"] != "passed" or gate["metric"].endswith(MINUS_BASELINE):
            out.print(f"  {gate['result']}: {gate['words']}", markup=False)


def show_retrained(found: "Retrained") -> None:
    """Show what a challenger was made from, how it did, and how it stands to the champion."""
    made = found.made_from
    out.print(
        f"\n{made['recorded']:,} recorded predictions of windows closed through "
        f"{made['closed_through']}: {made['shown']:,} shown, {made['silent']:,} silent. The "
        f"earlier {made['training']:,} taught the challenger beside the original table; of the "
        f"{made['test']:,} later ones, those of other patients judge it."
    )
    if made["censored"]:
        out.print(f"Lost before the horizon, and weighted for that: {made['censored']:,}.")
    for note in found.notes:
        out.print(f"Bear in mind: {note}.", markup=False)
    show_trained(found.trained)
    _show_differences(found)
    out.print("Nothing was promoted. Next, by somebody else: [bold]auscult promote[/bold]")


def _show_differences(found: "Retrained") -> None:
    """Show the challenger's figures minus the champion's on the same people, or why there's none.

    A difference of slopes is no better or worse by its sign, so the figures' ideal is said.
    """
    if not found.differences:
        out.print(
            f"It can't be compared with the champion, version {found.champion}, which refuses some "
            "of these people; no gate on a difference to it can pass."
        )
        return
    table = Table(f"Minus the champion, version {found.champion}", "", "95 % interval", box=None)
    for name, title in _SHOWN.items():
        value, low, high = (
            found.differences.get(f"{name}{MINUS_CHAMPION}{end}") for end in ("", "_low", "_high")
        )
        if value is not None and low is not None and high is not None:
            table.add_row(title, f"{value:+z.3f}", f"{low:+z.3f} to {high:+z.3f}")
    out.print(table)
    if found.used is not None:
        out.print(
            f"This comparison is no evidence, and no gate passes on it: of version "
            f"{found.champion}, {found.used}.",
            markup=False,
        )
    out.print(
        "On the same people, paired. Better is above 0 for AUROC and AUPRC, below 0 for the Brier "
        "score; a difference in slope or in the large is judged by which of the two is nearer 1 "
        "or 0. An interval that holds 0 shows no difference."
    )


def show_validated(found: "Validation") -> None:
    """Show how a version did on another population."""
    version = f"{found.version.name} version {found.version.version}"
    out.print(f"\n[bold]{version}[/bold] on {counted(found.people, 'row')} (run {found.run_id})")
    out.print(_figures(found.evaluation))
    if found.compared is not None:
        out.print(f"Beside those it was made from: {found.compared}.", markup=False)
    for words in found.suspicions:
        out.print(f"To be looked into: {words}", markup=False)
    if found.untold is not None:
        out.print(f"Bear in mind: {found.untold}.", markup=False)
    if found.seen_before is None:
        out.print(
            "Nothing tells that the version was made from people who are among these, but that "
            "some are isn't ruled out: without times, or under other ids, rows in which a value "
            "was changed aren't known again."
        )
    else:
        seen = found.seen_before
        means = (
            "These figures look better than those of other people will."
            if seen.learnt
            else "No tree has learnt from them, but the version's own figures are of them: these "
            "say nothing new."
        )
        out.print(
            f"[bold red]THIS IS NO VALIDATION[/bold red] by other people: {seen.words}. {means}"
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
    """Show what a run of the monitoring saw, and what it weighed where that is far less."""
    from monitoring.report import LEAST_ROWS

    days = counted(result.days, "day")
    out.print(f"\nWatched {counted(result.predictions, 'prediction')} on {days}.")
    if 2 * result.weighed < result.predictions:
        rows = counted(result.weighed, "row")
        out.print(f"Weighed {rows} of them: a patient's days on end count once.")
    if result.shared_id:
        out.print(f"[red]NOT WATCHED[/red] {result.shared_id}")
    show_alarms(result.open_alarms)
    if result.report_path:
        out.print(f"Report: {result.report_path}")
    elif not result.fault:
        why = f"no year has {LEAST_ROWS} predictions" if result.closed else "no day closed"
        out.print(f"No report: {why}.")


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


def show_status(
    found: "Sequence[Heartbeat]",
    references: "Mapping[str, Sequence[tuple[str, Epoch]]]" = MappingProxyType({}),
) -> None:
    """Show whether each model in use is watched as it should be, and what it's compared with.

    `references` has each model's streams whose reference isn't in its first epoch, by their titles.
    """
    if not found:
        out.print("No model is in use.")
    for one in found:
        last = f"through {one.stopped_at} alone" if one.stopped_at else "never"
        if one.finished_at:
            last = f"{one.finished_at:%Y-%m-%d %H:%M} UTC"
        alarms = counted(len(one.alarms), "alarm")
        out.print(f"{one.model} version {one.version}: watched {last}, {alarms}")
        for fault in one.faults:
            out.print(f"[red]NOT WATCHED[/red] {fault}")
        if one.outcomes_note:
            out.print(f"[yellow]OUTCOMES[/yellow] {one.outcomes_note}")
        if one.outcomes_lost:
            out.print(f"Outcomes: {one.outcomes_lost}")
        for title, epoch in references.get(one.model, ()):
            since = f" since {epoch.since}" if epoch.since else ""
            left_out = "; ".join(days.words for days in epoch.left_out) or "not known"
            words = f"{title} is in epoch {epoch.number}{since}; left out: {left_out}"
            out.print(f"[yellow]REFERENCE[/yellow] {escape(words)}")


def show_undelivered(outbox: "Outbox") -> None:
    """Show whom notifications couldn't reach yet, and why not when that was last tried."""
    for receiver, (notices, why) in outbox.failed().items():
        verb = "waits" if notices == 1 else "wait"
        words = f"{counted(notices, 'notification')} {verb} for {receiver}: {why}"
        out.print(f"[red]NOT TOLD[/red] {escape(words)}")
