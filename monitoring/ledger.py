"""The job's memory between runs: stream states, day counts and alarms."""

import math
from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import date

import numpy as np
from django.db.models import Min

from models.errors import RecordError
from monitoring import chapters, strata
from monitoring.alarms import OPEN_STATES
from monitoring.evidence.detector import open_stream
from monitoring.evidence.state import Counts, StreamState
from monitoring.stays import ONE_DAY
from monitoring.streams import TRAFFIC, Seen, Watched, site_of, ward_of
from monitoring.watchlist import Watchlist
from records.agreement import Disagreement, evidence
from records.day_counts import CountedDay
from records.decisions import ACCEPT, CLOSED, FALSE
from records.models import Alarm, DayCount, Review, Stream


@dataclass(eq=False)
class Ledger:
    """Where every stream of a model version stands, and what this batch of days adds.

    `began` has the first day of each stream's reference, with which its twin's year begins;
    `accepted` that of each whose reference began with an accepted change; `opened` the first day of
    each stream that opened later than the others; `open_alarms` each stream's, oldest first;
    `turned` those that a later one took over from; `forged` what is found to be others than the
    audit chain says, before it is written over.
    """

    model: str
    version: str
    states: dict[str, StreamState]
    closed_through: date | None
    open_alarms: dict[str, list[Alarm]]
    began: dict[str, date]
    accepted: dict[str, date]
    opened: dict[str, date]
    day_counts: list[CountedDay] = field(default_factory=list)
    turned: list[Alarm] = field(default_factory=list)
    forged: list[Disagreement] = field(default_factory=list)


def load(model: str, version: str, watched: Watchlist) -> Ledger:
    """Load every stream's state, opening those that are new with their reference.

    A stream that the records don't know yet, as after an upgrade, opens with the next day that is
    closed; what is known of the others stays as it is, to the bit. Sites and wards that are watched
    by themselves are added to what is watched.
    """
    rows = {row.name: row for row in Stream.objects.filter(model=model, version=version)}
    days = {row.closed_through for row in rows.values()}
    for name in rows:
        site, ward = site_of(name), ward_of(name)
        if ward is not None:
            watched.open_ward(site or "", ward)
        elif site is not None:
            watched.open(site)
    strange = sorted(set(rows) - {one.key for one in watched})
    if strange:
        raise RecordError(
            f"{model} version {version}: its recorded streams are others than its definition's "
            f"({strange[0]}); a version's definition can't change, register it anew"
        )
    if len(days) > 1:
        raise RecordError(f"{model} version {version}: its streams are closed to different days")
    closed_through = days.pop() if days else None
    states = {
        one.key: StreamState.from_bytes(bytes(rows[one.key].state))
        if one.key in rows
        else opened(one)
        for one in watched
    }
    later = {name: row.opened_on for name, row in rows.items() if row.opened_on}
    if closed_through:
        new = (one.key for one in watched if one.key not in rows)
        later |= dict.fromkeys(new, closed_through + ONE_DAY)
    alarmed: dict[str, list[Alarm]] = {}
    found = Alarm.objects.filter(model=model, version=version, state__in=OPEN_STATES)
    for alarm in found.order_by("pk"):
        alarmed.setdefault(alarm.stream, []).append(alarm)
    accepted = _accepted(model, version)
    return Ledger(
        model,
        version,
        states,
        closed_through,
        alarmed,
        _first_watched(model, version) | accepted,
        accepted,
        later,
        forged=evidence.forged_streams(model, version, list(rows.values())),
    )


def opened(watched: Watched) -> StreamState:
    """Return the state of a stream that has seen nothing but its reference."""
    return open_stream(watched.stream, strata.opened(watched.reference))


def is_open(ledger: Ledger, stream: str, day: date) -> bool:
    """Say whether a stream was open on a day; one that opened later leaves earlier rows alone."""
    return day >= ledger.opened.get(stream, day)


def _first_watched(model: str, version: str) -> dict[str, date]:
    """Return the first day of each stream on which it counted anything."""
    days = DayCount.objects.filter(model=model, version=version, counts__gt=b"")
    return {row["stream"]: row["first"] for row in days.values("stream").annotate(first=Min("day"))}


def _accepted(model: str, version: str) -> dict[str, date]:
    """Return the first day of each stream's last accepted change."""
    accepted = Alarm.objects.filter(
        model=model, version=version, review__decision=ACCEPT, details__settled=True
    )
    return {alarm.stream: alarm.since or alarm.raised_on for alarm in accepted.order_by("pk")}


def settle(ledger: Ledger, watched: Watchlist) -> list[Alarm]:
    """Apply what reviewers decided on closed alarms, and return those, to be saved as settled.

    The days of a false alarm join the reference, those of a fault leave it for good, and with an
    accepted change a new reference begins on the day of the change. What evidence gathered while
    a change lasted that was either is of what was signed, and begins anew.
    """
    closed = Alarm.objects.filter(
        model=ledger.model, version=ledger.version, state=CLOSED, details__settled=False
    )
    settled = []
    for alarm in closed.order_by("pk"):
        decisions = set(Review.objects.filter(alarm=alarm).values_list("decision", flat=True))
        before = ledger.open_alarms.get(alarm.stream, []) if FALSE in decisions else []
        given_back = chapters.rejoin(before, alarm)
        for one in watched:
            if one.base == alarm.stream and not given_back:
                ledger.states[one.key] = _settled(ledger, alarm, one, decisions)
        through = ledger.closed_through and ledger.closed_through.isoformat()
        alarm.details = {**alarm.details, "settled": True, "settled_through": through}
        settled += [*given_back, alarm]
    return settled


def _settled(ledger: Ledger, alarm: Alarm, watched: Watched, decisions: set[str]) -> StreamState:
    state = ledger.states[watched.key]
    since, held = alarm.since or alarm.raised_on, chapters.held_from(alarm)
    last = chapters.last_day(alarm, ledger.closed_through or held)
    days = day_counts(ledger, alarm.stream, since, last)
    if ACCEPT in decisions:
        if ledger.began.get(watched.base, since) > since:  # a later change was accepted already
            return state
        new = open_stream(watched.stream, strata.local(days, watched.stream.bins))
        ledger.began[watched.base] = ledger.accepted[watched.base] = since
        return replace(
            new,
            epoch=state.epoch + 1,
            closed_through=state.closed_through,
            dispersion=state.dispersion,
        )
    if FALSE in decisions:
        kept_out = [one for one in days if one[0] >= held]
        if watched.is_twin:
            kept_out = _of_first_year(ledger, watched.base, kept_out)
        return strata.admitted(state, strata.local(kept_out, watched.stream.bins))
    joined = chapters.had_joined(alarm, days)
    if watched.is_twin:
        joined = _of_first_year(ledger, watched.base, joined)
    state = strata.withdrawn(state, strata.local(joined, watched.stream.bins))
    if alarm.stream in ledger.open_alarms or chapters.is_ended(alarm):
        return state  # what has gathered since is of the chapter after it
    return state.forget(state.run_start <= chapters.changed_through(alarm, last).toordinal())


def _of_first_year(ledger: Ledger, stream: str, days: chapters.Days) -> list[tuple[date, Counts]]:
    """Return the days that belong to a fixed reference."""
    began = ledger.began.get(stream, date.max - strata.YEAR)
    return [one for one in days if one[0] < began + strata.YEAR]


def accepted_since(ledger: Ledger, stream: str, before: date) -> date | None:
    """Return since when a stream is compared with an accepted change that began before a day."""
    since = ledger.accepted.get(stream)
    return since if since is not None and since < before else None


def day_counts(
    ledger: Ledger, stream: str, first: date, last: date | None
) -> list[tuple[date, Counts]]:
    """Return the counts of a stream's days that had rows, written or not yet, oldest first."""
    rows = DayCount.objects.filter(
        model=ledger.model, version=ledger.version, stream=stream, day__gte=first
    )
    found: dict[date, DayCount | CountedDay] = {row.day: row for row in rows.iterator()}
    found |= {row.day: row for row in ledger.day_counts if row.stream == stream}
    chosen = sorted(day for day in found if day >= first and (last is None or day <= last))
    counted = ((day, unpack(bytes(found[day].counts))) for day in chosen)
    return [(day, counts) for day, counts in counted if counts.any()]


def pack(counts: Counts) -> bytes:
    """Write a day's counts a bin as little-endian int32."""
    return counts.astype("<i4").tobytes()


def unpack(data: bytes) -> Counts:
    """Read what `pack` wrote."""
    return np.frombuffer(data, "<i4").astype(np.int64)


def note_day(ledger: Ledger, stream: str, day: date, seen: Seen, log_evidence: float) -> None:
    """Keep what a stream saw on a day, to be written with the batch."""
    ledger.day_counts.append(
        CountedDay(
            model=ledger.model,
            version=ledger.version,
            stream=stream,
            day=day,
            total=int(seen.total),
            missing=int(seen.missing),
            mean=seen.mean,
            evidence=log_evidence if math.isfinite(log_evidence) else None,
            counts=pack(seen.counts),
        )
    )


def totals(ledger: Ledger, prefix: str) -> Counter[str]:
    """Return the rows in all of each stream that begins so, by the rest of its key.

    Those of all days count, written or not yet.
    """
    rows = DayCount.objects.filter(
        model=ledger.model, version=ledger.version, stream__startswith=prefix
    )
    found = {(row.stream, row.day): row.total for row in rows.only("stream", "day", "total")}
    found |= {(row.stream, row.day): row.total for row in ledger.day_counts}
    counted: Counter[str] = Counter()
    for (stream, _), total in found.items():
        if stream.startswith(prefix):
            counted[stream.removeprefix(prefix)] += total
    return counted


def note_evidence(ledger: Ledger, twin: str, day: date, log_evidence: float) -> None:
    """Keep a twin's evidence on a day; its rows are those of the stream that it is the twin of."""
    nothing = np.zeros(0, dtype=np.int64)
    note_day(ledger, twin, day, Seen(nothing, 0, 0, None), log_evidence)


def traffic(ledger: Ledger) -> dict[date, int]:
    """Return how many requests each watched day had, written or not yet."""
    rows = DayCount.objects.filter(model=ledger.model, version=ledger.version, stream=TRAFFIC)
    written = dict(rows.values_list("day", "total"))
    return written | {row.day: row.total for row in ledger.day_counts if row.stream == TRAFFIC}


def note_traffic(ledger: Ledger, day: date, requests: int) -> None:
    """Keep how many requests a day had, to be written with the batch."""
    nothing = np.zeros(0, dtype=np.int64)
    note_day(ledger, TRAFFIC, day, Seen(nothing, requests, 0, None), -np.inf)
