"""Closing a day: its rows are counted and weighed in every stream, and alarms are raised."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime

import numpy as np

from models.definition import Definition
from monitoring import ledger as books
from monitoring import strata, windows
from monitoring.cases import Cases
from monitoring.evidence.detector import Budget, Closing, close_day, own_stratum
from monitoring.evidence.state import Counts
from monitoring.ledger import Ledger
from monitoring.streams import TRAFFIC, DayRows, Seen, Watched
from monitoring.traffic import silent_since
from records.models import Alarm


@dataclass(frozen=True, eq=False)
class Job:
    """What stays the same during a run."""

    definition: Definition
    version: str
    watched: Sequence[Watched]
    budget: Budget
    cases: Cases
    now: datetime

    @property
    def model(self) -> str:
        """Return the name of the model that is watched."""
        return self.definition.name


def late_counts(job: Job, ledger: Ledger, late: Mapping[date, int]) -> dict[str, Counts]:
    """Return what closed days hold more than was counted of them, and correct their counts."""
    extra: dict[str, Counts] = {}
    for day in late:
        for _, rows in windows.rows_by_day(job.model, job.version, day, day):
            for one in job.watched:
                if not one.is_twin:
                    _add_late(ledger, one, day, one.see(rows), extra)
            books.note_traffic(ledger, day, rows.requests)
    return extra


def _add_late(
    ledger: Ledger, one: Watched, day: date, seen: Seen, extra: dict[str, Counts]
) -> None:
    known = strata.local(books.day_counts(ledger, one.key, day, day), one.stream.bins)
    # a late row may come before the one of its stay that was counted, which stays counted
    more = np.maximum(strata.local([(day, seen.counts)], one.stream.bins) - known, 0)
    extra[one.key] = extra.get(one.key, 0) + more
    books.note_day(ledger, one.key, day, seen, -np.inf)


def close_rows(
    job: Job, ledger: Ledger, day: date, rows: DayRows, late: Mapping[str, Counts]
) -> list[Alarm]:
    """Weigh a day's rows in every stream; return the alarms that this raises."""
    raised = []
    found: dict[str, Seen] = {}
    for one in job.watched:
        seen = found.setdefault(one.base, one.see(rows)) if not one.is_twin else found[one.base]
        counts = strata.local([(day, seen.counts)], one.stream.bins) + late.get(one.base, 0)
        if not counts.any():  # nothing to weigh: evidence stays as it was
            continue
        joins = one.base not in ledger.open_alarms
        closing = _weigh(job, ledger, one, day, counts, joins)
        if closing is None:
            continue
        if one.is_twin:
            books.note_evidence(ledger, one.key, day, closing.log_total)
        elif seen.total:
            books.note_day(ledger, one.key, day, seen, closing.log_total)
        if closing.alarm and joins and closing.leading is not None and closing.onset is not None:
            bet = one.stream.bets.index(closing.leading)
            raised.append(_raise(job, ledger, one.base, day, closing.onset, bet, one.is_twin))
    return raised


def _weigh(
    job: Job, ledger: Ledger, one: Watched, day: date, counts: Counts, joins: bool
) -> Closing | None:
    """Weigh a day's rows, [strata, bins]; None where a fixed reference doesn't hold enough."""
    state = ledger.states[one.key]
    rows = np.flatnonzero(counts.any(axis=1)).tolist()
    bag = own_stratum if one.is_twin else strata.bag
    if one.is_twin and day < ledger.began.setdefault(one.base, day) + strata.YEAR:
        filled = strata.admitted(state, counts) if joins else state
        ledger.states[one.key] = replace(filled, closed_through=day.toordinal())
        return None
    if not all(one.weighs(bag(state.reference, row)) for row in rows):
        return None
    for row in rows:
        state = state.observe(counts[row], row)
    closing = close_day(one.stream, state, day, job.budget, joins=joins, bag=bag)
    ledger.states[one.key] = closing.state
    return closing


def watch_traffic(
    job: Job, ledger: Ledger, day: date, rows: DayRows, requests: dict[date, int]
) -> list[Alarm]:
    """Note a day's requests; return an alarm where the feed has fallen silent."""
    requests[day] = rows.requests
    books.note_traffic(ledger, day, rows.requests)
    if TRAFFIC in ledger.open_alarms:
        return []
    first = silent_since(requests, day, job.budget.log_limit)
    return [_raise(job, ledger, TRAFFIC, day, first, None)] if first else []


def _raise(
    job: Job,
    ledger: Ledger,
    stream: str,
    day: date,
    onset: date,
    bet: int | None,
    fixed: bool = False,
) -> Alarm:
    """Make the alarm of a stream that has none open; `fixed` if its twin raised it."""
    ledger.open_alarms.add(stream)
    alarm = Alarm(
        model=job.model,
        version=job.version,
        stream=stream,
        raised_on=day,
        recorded_at=job.now,
        details={"onset": onset.isoformat(), "bet": bet, "fixed": fixed, "settled": False},
    )
    job.cases.describe(alarm, ledger, day)
    return alarm
