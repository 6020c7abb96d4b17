"""Closing a day: its rows are counted and weighed in every stream, and alarms are raised."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime

import numpy as np

from models.definition import Definition
from monitoring import chapters, overrides, sites, strata, wards, windows
from monitoring import ledger as books
from monitoring.cases import Cases
from monitoring.evidence.bets import Bet
from monitoring.evidence.detector import Budget, Closing, alike, close_alike, own_stratum
from monitoring.evidence.state import Counts, Rows, with_rows
from monitoring.late_rows import MOST_OF_IT, LateRows
from monitoring.ledger import Ledger
from monitoring.streams import TRAFFIC, DayRows, Seen, Watched
from monitoring.traffic import silent_since
from monitoring.watchlist import Watchlist, budget_of
from records.models import Alarm

# streams are weighed at once while their references hold so many counts, which the cache can hold
COUNTS_AT_ONCE = 50_000
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


def late_counts(job: Job, ledger: Ledger, late: Mapping[date, int]) -> LateRows:
    """Return what closed days hold more than was counted of them, and correct their counts."""
    extra = LateRows()
    for day in late:
        for _, rows in windows.rows_by_day(job.definition, job.version, day, day):
            for one in job.watched:
                if not one.is_twin and books.is_open(ledger, one.key, day):
                    _add_late(ledger, one, day, one.see(rows), extra)
            books.note_traffic(ledger, day, rows.requests)
            sites.note_sites(ledger, day, rows)
            wards.note_wards(ledger, day, rows.reports)
    return extra


def late_reports(job: Job, ledger: Ledger, before: date, extra: LateRows) -> None:
    """Add to `extra` what clinicians reported since on days before one, and correct the counts."""
    streams = [one for one in job.watched if one.subject == "overrides"]
    for day in overrides.late_days(job.model, job.version, before):
        chosen = [one for one in streams if books.is_open(ledger, one.key, day)]
        if not chosen:
            continue
        reports = overrides.reports_by_day(job.definition, job.version, day, day)
        rows = replace(NO_ROWS, reports=reports[day])
        wards.note_wards(ledger, day, rows.reports)
        for one in chosen:
            _add_late(ledger, one, day, one.see(rows), extra)


def _add_late(ledger: Ledger, one: Watched, day: date, seen: Seen, extra: LateRows) -> None:
    known = sum(counts for _, counts in books.day_counts(ledger, one.key, day, day))
    # a late row may come before the one of its stay that was counted, which stays counted
    extra.add(one.key, day, np.maximum(seen.counts - known, 0))
    books.note_day(ledger, one.key, day, seen, -np.inf)


def close_rows(job: Job, ledger: Ledger, day: date, rows: DayRows, late: LateRows) -> list[Alarm]:
    """Weigh a day's rows and late ones in every stream; return the alarms that this raises."""
    seen = {one.key: one.see(rows) for one in job.watched if not one.is_twin}
    counts = dict(_with_rows(day, seen, late))
    closings = _weigh(job, ledger, day, counts)
    raised = []
    for one in job.watched:
        if one.base not in counts:  # nothing to weigh: evidence stays as it was
            continue
        if one.is_twin and _is_filled(ledger, one, day):
            _fill(ledger, one, day, counts[one.base])
        if one.key not in closings:
            continue
        closing = closings[one.key]
        _keep(ledger, one, closing)
        if one.is_twin:
            books.note_evidence(ledger, one.key, day, closing.log_total)
        elif seen[one.key].total:
            books.note_day(ledger, one.key, day, seen[one.key], closing.log_total)
        if closing.alarm:
            raised += _alarmed(job, ledger, one, closing, late)
    return raised


def _with_rows(day: date, seen: Mapping[str, Seen], late: LateRows) -> Iterator[tuple[str, Rows]]:
    """Yield each stream that has rows or late ones with its rows of both."""
    own = strata.stratum(day)
    for key, one in seen.items():
        rows: dict[int, Counts] = {own: one.counts} if one.counts.any() else {}
        for at, counts in late.rows(key).items():
            rows[at] = rows[at] + counts if at in rows else counts
        if rows:
            yield key, rows


def _alarmed(
    job: Job, ledger: Ledger, one: Watched, closing: Closing, late: LateRows
) -> list[Alarm]:
    """Return the alarm that a closing raised, if it isn't of a change that has one already."""
    if closing.leading is None or closing.onset is None:
        return []
    earlier = ledger.open_alarms.get(one.base, [])
    if not earlier:
        details = details_of(one, closing.leading, closing.onset)
        details |= _of_late_rows(one, closing, closing.leading, late)
        return [_raise(job, ledger, one.base, closing.day, details)]
    if not chapters.may_turn(earlier[-1], one.stream, closing.leading, closing.onset):
        return []
    begun = date.fromisoformat(earlier[-1].details["onset"])
    days = books.day_counts(ledger, one.base, begun, closing.day)
    found = chapters.turn_of(earlier[-1], one.stream, days, job.budget)
    if found is None:
        return []
    onset, bet = found
    turned = [row for row in days if row[0] >= onset]
    reference = _without(ledger, one, earlier, closing.day)
    if not chapters.is_beside(earlier[-1], one.stream, reference, turned, job.budget):
        return []
    details = details_of(one, bet, onset)
    details |= {"held_from": onset.isoformat(), "against": begun.isoformat()}
    turn = _described(job, ledger, one.base, closing.day, details)
    chapters.end(earlier[-1], turn, lambda one: job.cases.describe(one, ledger, closing.day))
    ledger.turned.append(earlier[-1])
    earlier.append(turn)
    return [turn]


def _without(ledger: Ledger, one: Watched, alarms: list[Alarm], through: date) -> Counts:
    """Return a stream's reference without the days of its alarms that had joined it."""
    reference = ledger.states[one.base].reference
    joined = [
        row
        for alarm in alarms
        for row in chapters.had_joined(
            alarm,
            books.day_counts(ledger, one.base, date.fromisoformat(alarm.details["onset"]), through),
        )
    ]
    return strata.without(reference, strata.local(joined, one.stream.bins))


def _of_late_rows(
    one: Watched, closing: Closing, leading: Bet, late: LateRows
) -> dict[str, object]:
    """Return since when an alarm is of rows that came late, nothing where most came in time."""

    def compared(day: date) -> Counts:
        choose = own_stratum if one.is_twin else strata.bag
        return choose(closing.state.reference, strata.stratum(day))

    divisor = closing.state.dispersion.divisor(one.stream.tau)
    found = late.change(one.base, one.stream, leading, compared, divisor)
    if found is None or found.log_evidence < MOST_OF_IT * closing.log_total:
        return {}
    came_late = {"rows": found.rows, "through": found.last.isoformat()}
    return {"onset": found.first.isoformat(), "late": came_late}


def _weigh(job: Job, ledger: Ledger, day: date, counts: Mapping[str, Rows]) -> dict[str, Closing]:
    """Weigh a day's rows by stream, those of streams that are alike together.

    What closes hangs on the days before alone, so that streams may be taken in any order.
    """
    groups: dict[tuple[object, ...], list[Watched]] = {}
    for one in job.watched:
        if one.base in counts and _is_weighed(ledger, one, day, counts[one.base]):
            groups.setdefault((one.is_twin, *alike(one.stream)), []).append(one)
    budget = job.budget
    found: dict[str, Closing] = {}
    for group in groups.values():
        many = max(1, COUNTS_AT_ONCE // (strata.ROWS * group[0].stream.bins))
        for start in range(0, len(group), many):
            some = group[start : start + many]
            closings = close_alike(
                [one.stream for one in some],
                [ledger.states[one.key] for one in some],
                [counts[one.base] for one in some],
                day,
                budget,
                joins=[one.base not in ledger.open_alarms for one in some],
                bag=own_stratum if some[0].is_twin else strata.bag,
            )
            found |= zip([one.key for one in some], closings, strict=True)
    return found


def _is_weighed(ledger: Ledger, one: Watched, day: date, rows: Rows) -> bool:
    """Whether rows are weighed: those of a twin, once its fixed reference holds enough."""
    if not one.is_twin:
        return True
    if _is_filled(ledger, one, day):
        return False
    reference = ledger.states[one.key].reference
    return all(one.weighs(own_stratum(reference, row)) for row in rows)


def _is_filled(ledger: Ledger, one: Watched, day: date) -> bool:
    """Whether a day is of the first year, with whose rows a twin's reference is filled."""
    return day < ledger.began.setdefault(one.base, day) + strata.YEAR


def _fill(ledger: Ledger, one: Watched, day: date, rows: Rows) -> None:
    state, known = ledger.states[one.key], ledger.states[one.base].dispersion
    if one.base not in ledger.open_alarms:
        state = state.changed(reference=with_rows(state.reference, rows))
    ledger.states[one.key] = state.changed(closed_through=day.toordinal(), dispersion=known)


def _keep(ledger: Ledger, one: Watched, closing: Closing) -> None:
    ledger.states[one.key] = closing.state
    if one.is_twin:  # how days differ is known of the stream itself, from its first day on
        known = ledger.states[one.base].dispersion
        ledger.states[one.key] = closing.state.changed(dispersion=known)


def details_of(one: Watched, bet: Bet, onset: date) -> dict[str, object]:
    """Return what an alarm holds of the bet that leads in a stream since an onset."""
    bet = chapters.plain(one.stream, bet)
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
