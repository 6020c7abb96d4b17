"""A feed that fell silent: days without requests where the earlier weeks leave no doubt of some."""

import math
from collections.abc import Mapping
from datetime import date, timedelta

WEEKS = 8
# watched before a silence counts, its days included, so that one that begins earlier counts then
LEAST_DAYS = 14


def silent_since(requests: Mapping[date, int], day: date, log_limit: float) -> date | None:
    """Return the first day of a silence that chance would not bring, or None.

    Each weekday's rate comes from the eight weeks before the silence, as a Gamma posterior
    (Jeffreys' prior): the chance that m weeks with n requests are followed by k silent ones of
    that weekday is (m / (m + k)) ** (n + 1/2). A silence counts from a chance of exp(-log_limit),
    and not before two weeks were watched.
    """
    if requests.get(day, 0) or (day - min(requests, default=day)).days + 1 < LEAST_DAYS:
        return None
    first = _start_of_silence(requests, day)
    if first is None:
        return None
    log_chance = 0.0
    for weekday in range(7):
        silent = _weekdays(first, day, weekday)
        weeks, seen = _before(requests, first, weekday)
        if silent and weeks:
            log_chance += (seen + 0.5) * math.log(weeks / (weeks + silent))
    return first if log_chance <= -log_limit else None


def _start_of_silence(requests: Mapping[date, int], day: date) -> date | None:
    """Walk back to the day after the last one with requests, None if there was none."""
    first = day
    while requests.get(first, 0) == 0:
        if first not in requests:
            return None
        first -= timedelta(days=1)
    return first + timedelta(days=1)


def _weekdays(first: date, last: date, weekday: int) -> int:
    """Count the days of one weekday from first to last."""
    days = (last - first).days + 1
    offset = (weekday - first.weekday()) % 7
    return max(0, (days - offset + 6) // 7)


def _before(requests: Mapping[date, int], first: date, weekday: int) -> tuple[int, int]:
    """Return how many weeks of a weekday were watched before a day, and their requests."""
    nearest = first - timedelta(days=1 + (first.weekday() - 1 - weekday) % 7)
    days = [nearest - timedelta(days=7 * back) for back in range(WEEKS)]
    watched = [requests[day] for day in days if day in requests]
    return len(watched), sum(watched)
