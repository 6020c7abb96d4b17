"""Performance over time: every window of a version, those that haven't changed as they were."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import date
from typing import Any

from models.definition import Definition
from monitoring.apart import TREATMENT, judge_apart
from monitoring.followed import COLUMNS, Followed, FollowedMonths
from monitoring.performance import WindowPerformance, evaluate_window
from monitoring.periods import Choice, Period, periods
from records.models import MonitorRun

# groups are judged apart in so many of the latest closed windows
APART_WINDOWS = 12
# raised whenever the same rows get other figures or words
FORMAT = 3


def performance_over_time(
    definition: Definition,
    followed: FollowedMonths,
    choice: Choice,
    today: date,
    *,
    earlier: Sequence[WindowPerformance] = (),
    progress: Callable[[str, int, int], None] = lambda stage, done, total: None,
) -> tuple[WindowPerformance, ...]:
    """Evaluate each window of predictions that has closed, and say of the others that they haven't.

    The rows of one window are all that is held at a time. One of `earlier` whose rows are the same
    still is taken as it is.
    """
    known = {one.seen: one for one in earlier}
    windows = periods(followed.months, choice.length)
    closed = [one for one in windows if definition.outcome.closes_on(one.last) < today]
    latest = set(closed[-APART_WINDOWS:])
    found = []
    for done, (period, months) in enumerate(windows.items(), start=1):
        rows = followed.of(months)
        seen = _digest(rows, period, closed=period in closed)
        window = known.get(seen)
        if window is None:
            window = evaluate_window(definition, period, rows, today)
            apart = judge_apart(definition, rows) if period in latest else []
            window = replace(window, seen=seen, apart=tuple(one.to_dict() for one in apart))
        found.append(window if period in latest else replace(window, apart=()))
        progress("performance over time", done, len(windows))
    return tuple(found)


def windows_in(summary: Mapping[str, Any]) -> tuple[WindowPerformance, ...]:
    """Return the windows that a run's summary holds; one of an earlier format holds none."""
    rows = summary.get("performance", [])
    return tuple(WindowPerformance.from_dict(row) for row in rows if row.get("seen"))


def performance_report(run: MonitorRun) -> dict[str, Any]:
    """Return what a run found of performance as plain values, with what must be said beside it."""
    chosen = run.summary.get("performance_window", {})
    return {
        "model": run.model,
        "version": run.version,
        "found_at": run.finished_at.isoformat() if run.finished_at else None,
        "window": chosen.get("length", "window"),
        "because": chosen.get("because", "the run is of an earlier format; watch it again"),
        "treatment": TREATMENT,
        "windows": [_told(window) for window in windows_in(run.summary)],
    }


def _told(window: WindowPerformance) -> dict[str, Any]:
    """Return a window as plain values, without how many were shown where that is withheld."""
    return {**window.to_dict(), **({"shown": None} if window.withholds_shown else {})}


def _digest(rows: Followed, period: Period, *, closed: bool) -> str:
    found = hashlib.blake2b(f"{FORMAT} {period.label} {closed}".encode(), digest_size=16)
    for name in COLUMNS:
        found.update(getattr(rows, name).tobytes())
    return found.hexdigest()
