"""The evidence that an alarm would have without some of its rows, or without what explains it."""

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, date

import numpy as np

from monitoring.alarms import Case
from monitoring.evidence.detector import Budget, close_day, open_stream
from monitoring.evidence.state import Counts, Floats
from monitoring.refusals import refusal_group
from monitoring.stays import ONE_DAY, start_of
from monitoring.strata import kind
from records.models import Refusal

# the stream of requests that are refused for a value
BY_VALUE = "refusals:value"

Days = list[tuple[date, Counts]]


def most_evidence(case: Case, days: Iterable[tuple[date, Counts]], budget: Budget) -> float:
    """Return the most log evidence that a case's stream has over some days' counts, [bins]."""
    stream = case.watched.stream
    state, most = open_stream(stream, case.before), -np.inf
    for day, counts in days:
        if not counts.any():
            continue
        closing = close_day(stream, state.observe(counts, kind(day)), day, budget)
        state, most = closing.state, max(most, closing.log_total)
    return float(most)


def evidence_by_bet(case: Case, days: Iterable[tuple[date, Counts]], budget: Budget) -> Floats:
    """Return the most log evidence of each bet, [bets], over some days' counts, [bins]."""
    stream = case.watched.stream
    state = open_stream(stream, case.before)
    now = most = np.full(len(stream.bets), -np.inf)
    for day, counts in days:
        if not counts.any():
            continue
        closing = close_day(stream, state.observe(counts, kind(day)), day, budget)
        state, now = closing.state, closing.log_evidence + np.logaddexp(now, 0.0)
        most = np.maximum(most, now)
    return most


def without_refused(
    case: Case, model: str, version: str, feature: str, spans: Sequence[tuple[date, date]]
) -> Days:
    """Return a case's changed days as if no value of a feature had been refused in some spans."""
    first, last = case.changed[0][0], case.changed[-1][0]
    rows = Refusal.objects.filter(
        model=model,
        version=version,
        is_test=False,
        field=feature,
        predicted_at__gte=start_of(first),
        predicted_at__lt=start_of(last + ONE_DAY),
    ).values_list("predicted_at", "reason")
    refused = Counter(
        moment.astimezone(UTC).date()
        for moment, reason in rows.iterator()
        if BY_VALUE.endswith(f":{refusal_group(reason)}")
    )
    days = []
    for day, counts in case.changed:
        others, there = counts.sum(axis=0).tolist()
        own = any(start <= day <= until for start, until in spans)
        gone = min(there, refused[day]) if own else 0
        days.append((day, np.array([others + gone, there - gone], dtype=np.int64)))
    return days
