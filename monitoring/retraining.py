"""Whether a model should be retrained, by its definition's triggers, and what is known to decide.

A trigger opens a request with its evidence. Whoever signs it states how treatment was considered:
a risk that was shown and acted upon changes the outcome, and a model that learns from such outcomes
learns that those who were treated in time were never at risk.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from itertools import takewhile
from typing import Any

from django.db.models import Count, Q

from models.amounts import counted
from models.definition import Definition
from models.figure_names import SCALAR_TITLES
from models.retraining_triggers import WINDOWS, RetrainingTriggers
from monitoring.alarms import RANK, by_cause
from monitoring.flags import FLAGS
from monitoring.performance import WindowPerformance
from monitoring.streams import TRAFFIC
from records import tenure
from records.models import Alarm, Feedback, Prediction
from records.retraining import Cause

FIGURES = {
    name: SCALAR_TITLES[name].lower() for name in ("calibration_slope", "calibration_in_the_large")
}
CHAMPION = "champion"
# what comes before a score: requests that didn't come, that were refused, or whose values were left
# out or converted. Nothing can be learnt from these; what they do to values and scores alarms there
UNANSWERABLE = (TRAFFIC, "refusals:", FLAGS)


def causes(
    definition: Definition,
    version: str,
    alarms: Sequence[Alarm],
    windows: Sequence[WindowPerformance],
    now: datetime,
) -> list[Cause]:
    """Return every cause that the definition's triggers find in open alarms, windows and age.

    Alarms that no retraining can answer ask for none, however severe: `UNANSWERABLE`.
    """
    triggers = definition.retraining_triggers
    if triggers is None:
        return []
    return [
        *_grave(triggers, alarms),
        *_miscalibrated(triggers, version, windows),
        *_aged(triggers, definition.name, version, now),
    ]


def treatment(model: str, version: str) -> dict[str, Any]:
    """Count what is known of what clinicians did with a version's risks."""
    made = Prediction.objects.filter(model=model, version=version, is_test=False)
    shown = made.aggregate(shown=Count("pk", filter=Q(shown=True)), all=Count("pk"))
    told = Feedback.objects.filter(prediction__in=made, is_test=False).values("outcome")
    by_outcome = dict(told.annotate(times=Count("pk")).values_list("outcome", "times"))
    return {
        "shown": shown["shown"],
        "silent": shown["all"] - shown["shown"],
        "accepted": by_outcome.get("accepted", 0),
        "overridden": by_outcome.get("overridden", 0),
    }


def _grave(triggers: RetrainingTriggers, alarms: Sequence[Alarm]) -> Iterator[Cause]:
    if triggers.severity is None:
        return
    for alarm, _ in by_cause(alarms):
        if alarm.stream.startswith(UNANSWERABLE):
            continue
        if RANK[alarm.severity] >= RANK[triggers.severity]:
            yield Cause(f"alarm {alarm.pk}", f"A {alarm.severity} alarm is open: {alarm.summary}")


def _miscalibrated(
    triggers: RetrainingTriggers, version: str, windows: Sequence[WindowPerformance]
) -> Iterator[Cause]:
    """Compare the last closed windows; one of which nothing can be claimed says nothing."""
    closed = [one for one in windows if one.figures][-WINDOWS:]
    if len(closed) < WINDOWS:
        return
    for name, words in FIGURES.items():
        limits = getattr(triggers, name)
        if limits is not None and all(_outside(one.figures[name], limits) for one in closed):
            said = ", ".join(f"{_reading(one.figures[name])} in {one.label}" for one in closed)
            key = f"{name} {version} {closed[-1].label}"
            low, high = limits
            yield Cause(key, f"The {words} was outside {low:g} to {high:g} twice running: {said}")


def _outside(figure: Mapping[str, float | None], limits: tuple[float, float]) -> bool:
    low, high = figure["low"], figure["high"]
    return low is not None and high is not None and (high < limits[0] or low > limits[1])


def _reading(figure: Mapping[str, float | None]) -> str:
    value, low, high = (figure[part] for part in ("value", "low", "high"))
    return f"{value:.2f} ({low:.2f} to {high:.2f})"


def _aged(triggers: RetrainingTriggers, model: str, version: str, now: datetime) -> Iterator[Cause]:
    if triggers.oldest_days is None:
        return
    moves = [one for one in tenure.history(model) if one.alias == CHAMPION and one.since <= now]
    # the newest first: those of its own tenure, which ends where another version was champion
    own = list(takewhile(lambda one: one.version == version, moves))
    if not own or (now - own[-1].since).days <= triggers.oldest_days:
        return
    since = own[-1].since.date()
    before = any(one.version == version for one in moves[len(own) :])
    yield Cause(
        f"age {version} since {since}" if before else f"age {version}",
        f"Version {version} has been champion since {since}, for "
        f"{counted((now - own[-1].since).days, 'day')}; its definition allows "
        f"{triggers.oldest_days:,}",
    )
