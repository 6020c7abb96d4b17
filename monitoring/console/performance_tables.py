"""The tables of performance on a model's page: by window, at thresholds, apart, and expected."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from models.definition import Definition
from monitoring.apart import TREATMENT
from monitoring.console.wording import share_words
from monitoring.over_time import windows_in
from monitoring.performance import Figure, WindowPerformance
from records.models import MonitorRun

Cells = list[tuple[str, str]]


@dataclass(frozen=True)
class Acting:
    """What acting at a threshold was worth in a window."""

    label: str
    threshold: str
    figures: dict[str, Figure]


@dataclass(frozen=True)
class PerformanceTables:
    """What a version's latest run found; `length` names the windows, `because` says why these.

    `apart` has, for each characteristic by which predictions are told apart, the rows of each
    window; `shown_words` says how many were shown at all.
    """

    length: str
    because: str
    windows: Sequence[WindowPerformance]
    acting: Sequence[Acting]
    shown_words: str
    apart: Sequence[tuple[str, list[dict[str, Any]]]]
    expected: Sequence[tuple[str, Cells]]
    treatment: str = TREATMENT


def performance_tables(definition: Definition, run: MonitorRun | None) -> PerformanceTables:
    """Return what there is to show of the latest run; without one, or of an old format, nothing."""
    summary = run.summary if run else {}
    windows = windows_in(summary)
    chosen = summary.get("performance_window", {})
    return PerformanceTables(
        chosen.get("length", "window"),
        chosen.get("because", ""),
        windows,
        list(_acting(windows)),
        _shown_words(windows),
        list(_apart(windows).items()),
        expectations(definition, windows),
    )


def _acting(windows: Sequence[WindowPerformance]) -> Iterator[Acting]:
    for window in windows:
        for threshold, figures in window.judged.at_thresholds.items():
            yield Acting(window.label, f"{100 * float(threshold):g} %", dict(figures))


def _apart(windows: Sequence[WindowPerformance]) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for window in windows:
        for row in window.apart:
            found.setdefault(row["title"], []).append({"label": window.label, **row})
    return found


def _shown_words(windows: Sequence[WindowPerformance]) -> str:
    told = [window for window in windows if not window.withholds_shown]
    made, shown = sum(w.judged.predictions for w in told), sum(w.shown for w in told)
    others = sum(w.judged.predictions for w in windows) - made
    if others and not made:
        return f"How many of {others:,} predictions were shown is withheld."
    if others:
        return (
            f"{shown:,} predictions were shown, {made - shown:,} recorded in silence. "
            f"How many of {others:,} others were shown is withheld."
        )
    if shown in (0, made):
        return f"All {made:,} predictions were {'shown' if shown else 'recorded in silence'}."
    return f"{shown:,} predictions were shown, {made - shown:,} recorded in silence."


def expectations(
    definition: Definition, windows: Sequence[WindowPerformance]
) -> list[tuple[str, Cells]]:
    """Word what each window's risks let expect, and how far that was from a truth that is known."""
    found = []
    for window in windows:
        expected, truth = window.expected, window.figures.get("auroc", {}).get("value")
        auroc = expected["auroc"]
        cells = [
            ("AUROC", "none" if auroc is None else f"{auroc:.3f}"),
            ("Brier score", f"{expected['brier']:.4f}"),
            ("Event rate", share_words(expected["event_rate"])),
        ]
        at_thresholds = zip(
            definition.thresholds, expected["alerts"], expected["precision"], strict=True
        )
        for threshold, alerts, precision in at_thresholds:
            risk = f"{100 * threshold.risk:g} %"
            cells.append((f"Alerts per 100 at {risk}", f"{100 * alerts:.1f}"))
            events = "no alert" if precision is None else share_words(precision)
            cells.append((f"Events among alerts at {risk}", events))
        known = auroc is not None and truth is not None
        cells.append(("AUROC less the true one", f"{auroc - truth:+.3f}" if known else "not known"))
        found.append((window.label, cells))
    return found
