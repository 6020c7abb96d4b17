"""Which alarm stands for those that follow from it: the first of a chain, if none began before."""

import math
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any

from monitoring.alarms import RANK
from records.models import Alarm

# within these days an onset's estimate is never told from another
LEAST_SLACK, MOST_SLACK = timedelta(days=3), timedelta(days=90)
# a change-point's 95 % interval is so many rows each way, over the squared change in SDs (Bai,
# Review of Economics and Statistics 1997)
_ROWS_OFF = 11.0


def as_severe_as_what_follows(alarms: Sequence[Alarm]) -> None:
    """Let no alarm be less severe than its parts and consequences, since it alone is told."""
    known = {alarm.pk: alarm for alarm in alarms}
    for alarm in alarms:
        cause = known.get(alarm.details["follows"])
        while cause is not None:
            cause.severity = max(cause.severity, alarm.severity, key=RANK.__getitem__)
            cause = known.get(cause.details["follows"])


def begins_before(alarm: Alarm, cause: Alarm) -> bool:
    """Say whether an alarm begins before its cause, by more than their estimates are off."""
    if alarm.since is None or cause.since is None:
        return False
    return alarm.since < cause.since - slack(alarm, cause)


def slack(*alarms: Alarm) -> timedelta:
    """Return by how many days the estimates of alarms' onsets may be off, 3 to 90.

    A small change among few patients a day can't be dated to the day.
    """
    return min(MOST_SLACK, max(LEAST_SLACK, *(_off(alarm) for alarm in alarms)))


def _off(alarm: Alarm) -> timedelta:
    size, rows = alarm.details.get("size"), alarm.details.get("rows")
    if not size or not rows or alarm.since is None:
        return LEAST_SLACK
    shift = _in_sds(size)
    last = date.fromisoformat(alarm.details.get("ended") or alarm.details["through"])
    days = (last - alarm.since).days + 1
    if not shift:
        return MOST_SLACK
    return timedelta(days=min(MOST_SLACK.days, _ROWS_OFF / shift**2 * days / rows))


def _in_sds(size: Mapping[str, Any]) -> float:
    """Return a change's size as a shift in SDs that's as easily dated."""
    now, before = float(size["now"]), float(size["before"])
    if size["scale"] == "ratio of SDs":
        return math.sqrt(2) * math.log(now / before) if now > 0 and before > 0 else 0.0
    if size["scale"] == "share":
        mean = (now + before) / 2
        return (now - before) / math.sqrt(mean * (1 - mean)) if 0 < mean < 1 else 0.0
    return now - before


def to_roots(alarms: Sequence[Alarm]) -> None:
    """Let an alarm that follows from a consequence follow from its cause, unless it began before.

    Then it stands alone: what it is a part of changed for a reason that came later.
    """
    known = {alarm.pk: alarm for alarm in alarms}
    for alarm in alarms:
        cause = known.get(alarm.details["follows"])
        while cause is not None and (further := known.get(cause.details["follows"])):
            alarm.details["follows"], cause = further.pk, further
        if cause is not None and begins_before(alarm, cause):
            alarm.details |= {"follows": None, "together_with": []}
