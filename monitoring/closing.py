"""Closing a day: its rows are counted and weighed in every stream, and alarms are raised."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime

import numpy as np

from models.definition import Definition
from monitoring import chapters, overrides, sites, strata, windows
from monitoring import ledger as books
from monitoring.cases import Cases
from monitoring.evidence.bets import Bet
from monitoring.evidence.detector import Budget, Closing, close_day, own_stratum
from monitoring.evidence.state import Counts
from monitoring.ledger import Ledger
from monitoring.streams import TRAFFIC, DayRows, Seen, Watched
from monitoring.traffic import silent_since
from monitoring.watchlist import Watchlist, budget_of
from records.models import Alarm

NO_ROWS = DayRows({}, np.zeros(0), np.zeros(0), {}, 0)


@dataclass(frozen=True, eq=False)
class Job:
    """What stays the same during a run."""

    definition: Definition
    version: str
    watched: Watchlist
    cases: Cases
    now: datetime

    @property
    def budget(self) -> Budget:
        """Return the budget that all streams share, those that have opened by now."""
        return budget_of(self.definition, self.watched)

    @property
    def model(self) -> str:
        """Return the name of the model that is watched."""
        return self.definition.name


def late_counts(job: Job, ledger: Ledger, late: Mapping[date, int]) -> dict[str, Counts]:
    """Return what closed days hold more than was counted of them, and correct their counts."""
    extra: dict[str, Counts] = {}
    for day in late:
        for _, rows in windows.rows_by_day(job.definition, job.version, day, day):
            for one in job.watched:
                if not one.is_twin and books.is_open(ledger, one.key, day):
                    _add_late(ledger, one, day, one.see(rows), extra)
            books.note_traffic(ledger, day, rows.requests)
            sites.note_sites(ledger, day, rows)
    return extra


def late_reports(job: Job, ledger: Ledger, before: date, extra: dict[str, Counts]) -> None:
    """Add to `extra` what clinicians reported since on days before one, and correct the counts."""
    streams = [one for one in job.watched if one.subject == "overrides"]
    for day in overrides.late_days(job.model, job.version, before):
        chosen = [one for one in streams if books.is_open(ledger, one.key, day)]
        if not chosen:
            continue
        reports = overrides.reports_by_day(job.definition, job.version, day, day)
        rows = replace(NO_ROWS, reports=reports[day])
        for one in chosen:
            _add_late(ledger, one, day, one.see(rows), extra)


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
        if closing.alarm:
            raised += _alarmed(job, ledger, one, closing)
    return raised


def _alarmed(job: Job, ledger: Ledger, one: Watched, closing: Closing) -> list[Alarm]:
    """Return the alarm that a closing raised, if it isn't of a change that has one already."""
    if closing.leading is None or closing.onset is None:
        return []
    earlier = ledger.open_alarms.get(one.base, [])
    if not earlier:
        details = _details(one, closing.leading, closing.onset)
        return [_raise(job, ledger, one.base, closing.day, details)]
    if not chapters.may_turn(earlier[-1], closing.leading, closing.onset):
        return []
    begun = date.fromisoformat(earlier[-1].details["onset"])
    days = books.day_counts(ledger, one.base, begun, closing.day)
    found = chapters.turn_of(earlier[-1], one.stream, days, job.budget)
    if found is None:
        return []
    onset, bet = found
    details = _details(one, bet, onset)
    details |= {"held_from": onset.isoformat(), "against": begun.isoformat()}
    turn = _described(job, ledger, one.base, closing.day, details)
    chapters.end(earlier[-1], turn, lambda one: job.cases.describe(one, ledger, closing.day))
    ledger.turned.append(earlier[-1])
    earlier.append(turn)
    return [turn]


def _weigh(
    job: Job, ledger: Ledger, one: Watched, day: date, counts: Counts, joins: bool
) -> Closing | None:
    """Weigh a day's rows, [strata, bins]; None where a fixed reference doesn't hold enough."""
    state = ledger.states[one.key]
    bag = own_stratum if one.is_twin else strata.bag
    if one.is_twin and day < ledger.began.setdefault(one.base, day) + strata.YEAR:
        filled = strata.admitted(state, counts) if joins else state
        known = ledger.states[one.base].dispersion
        ledger.states[one.key] = filled.changed(closed_through=day.toordinal(), dispersion=known)
        return None
    rows = np.flatnonzero(counts.any(axis=1)).tolist()
    if one.is_twin and not all(one.weighs(own_stratum(state.reference, row)) for row in rows):
        return None
    closing = close_day(
        one.stream, state.observe_all(counts), day, job.budget, joins=joins, bag=bag
    )
    ledger.states[one.key] = closing.state
    if one.is_twin:  # how days differ is known of the stream itself, from its first day on
        known = ledger.states[one.base].dispersion
        ledger.states[one.key] = closing.state.changed(dispersion=known)
    return closing


def _details(one: Watched, bet: Bet, onset: date) -> dict[str, object]:
    return {
        "onset": onset.isoformat(),
        "bet": one.stream.bets.index(bet),
        "family": bet.family,
        "direction": bet.direction,
        "fixed": one.is_twin,
    }


def watch_traffic(
    job: Job, ledger: Ledger, day: date, rows: DayRows, requests: dict[date, int]
) -> list[Alarm]:
    """Note a day's requests; return an alarm where the feed has fallen silent."""
    requests[day] = rows.requests
    books.note_traffic(ledger, day, rows.requests)
    if TRAFFIC in ledger.open_alarms:
        return []
    first = silent_since(requests, day, job.budget.log_limit)
    details = {"onset": first.isoformat(), "bet": None, "fixed": False} if first else {}
    return [_raise(job, ledger, TRAFFIC, day, details)] if first else []


def _raise(
    job: Job, ledger: Ledger, stream: str, day: date, details: Mapping[str, object]
) -> Alarm:
    """Make the alarm of a stream that has none open."""
    alarm = _described(job, ledger, stream, day, details)
    ledger.open_alarms[stream] = [alarm]
    return alarm


def _described(
    job: Job, ledger: Ledger, stream: str, day: date, details: Mapping[str, object]
) -> Alarm:
    """Make an alarm and put it into words by what was seen until its day."""
    alarm = Alarm(
        model=job.model,
        version=job.version,
        stream=stream,
        raised_on=day,
        recorded_at=job.now,
        details={**details, "log_limit": job.budget.log_limit, "settled": False},
    )
    job.cases.describe(alarm, ledger, day)
    return alarm
