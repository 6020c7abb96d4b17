"""What monitoring weighed: streams' states and day counts, noted by the run that wrote them.

A row holds the SHA-256 of what it says (`leaf`), the chain that of all leaves of a day, and of all
streams of a version. So a row that was changed is named, and one that was changed with its leaf
disagrees with the chain. Days before a version's first note aren't covered.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from hashlib import sha256
from itertools import groupby
from typing import Any, Final

from records import audit
from records.agreement.alarms import MONITOR
from records.agreement.compared import Disagreement, events
from records.canonical import canonical
from records.day_counts import CountedDay
from records.models import AuditEvent, DayCount, Stream

EVIDENCE: Final = "monitoring.evidence"
ROWS_AT_ONCE = 2_000
# how many rows there are, and the SHA-256 of their leaves
Sum = tuple[int, str]


@dataclass
class Noted:
    """What the chain holds of a version's evidence, the latest of each.

    `since` is the first day whose counts are covered, None where all are; `forged` are the tables
    and words of what runs found to be changed, before they wrote over it.
    """

    model: str
    version: str
    since: date | None
    streams: Sum = (0, "")
    days: dict[date, Sum] = field(default_factory=dict)
    forged: list[Disagreement] = field(default_factory=list)

    def covers(self, day: date) -> bool:
        """Say whether the chain speaks of a day's counts."""
        return self.since is None or day >= self.since

    def add(self, details: dict[str, Any]) -> None:
        """Take what a later event says for what is noted."""
        self.streams = _sum_of(details["streams"])
        found = details["days"].items()
        self.days |= {date.fromisoformat(day): _sum_of(one) for day, one in found}
        forged = (Disagreement(*one) for one in details["forged"])
        self.forged += [one for one in forged if one not in self.forged]


def stream_leaf(row: Stream) -> bytes:
    """Return the SHA-256 of all that a stream's row says."""
    days = [str(row.closed_through or ""), str(row.opened_on or "")]
    said = [row.model, row.version, row.name, row.kind, row.epoch, *days, bytes(row.state).hex()]
    return sha256(canonical(said)).digest()


def count_leaf(row: DayCount | CountedDay) -> bytes:
    """Return the SHA-256 of all that a stream's row of a day says."""
    said = [row.model, row.version, row.stream, row.day.isoformat(), int(row.total)]
    said += [int(row.missing), row.mean, row.evidence, bytes(row.counts).hex()]
    return sha256(canonical(said)).digest()


def noted(model: str, version: str) -> Noted | None:
    """Return what the chain holds of a version's evidence, None where that is nothing."""
    found = _noted(events(EVIDENCE).filter(details__model=model, details__version=version))
    return found.get((model, version))


def forged_streams(model: str, version: str, rows: Sequence[Stream]) -> list[Disagreement]:
    """Return which of a version's streams are others than noted, before a run writes over them."""
    known = noted(model, version)
    return list(_of_streams(known, rows)) if known else []


def forged_days(model: str, version: str, days: Iterable[date]) -> list[Disagreement]:
    """Return which counts of some days are others than noted, before a run counts those again."""
    known = noted(model, version)
    if known is None:
        return []
    again = sorted(set(days))
    found = DayCount.objects.filter(model=model, version=version, day__in=again)
    rows = {day: list(some) for day, some in groupby(found.order_by("day"), key=_day)}
    return [one for day in again for one in _of_day(known, day, rows.get(day, []))]


def weighed(model: str, version: str, days: Iterable[date]) -> dict[tuple[str, date], float | None]:
    """Return the evidence that streams had on some days, which counting them again leaves alone."""
    found = DayCount.objects.filter(model=model, version=version, day__in=set(days))
    return {
        (stream, day): one for stream, day, one in found.values_list("stream", "day", "evidence")
    }


def note_evidence(
    streams: Sequence[Stream],
    counts: Sequence[CountedDay],
    again: Iterable[date],
    forged: Sequence[Disagreement],
    before: date | None,
    now: datetime,
) -> None:
    """Note all streams of a version, and the counts of new days and of those counted again.

    `before` is the day through which the version had been closed; what was found `forged` is kept.
    Of new days only what this run has counted is noted, whatever else the table may hold of them.
    """
    model, version = streams[0].model, streams[0].version
    known = noted(model, version)
    since = known.since if known else before and before + timedelta(days=1)
    leaves: dict[date, dict[str, bytes]] = {}
    rows: list[DayCount | CountedDay] = [
        *DayCount.objects.filter(model=model, version=version, day__in=again),
        *counts,
    ]
    for row in rows:
        leaves.setdefault(row.day, {})[row.stream] = bytes(row.leaf)
    details = {
        "model": model,
        "version": version,
        "since": since and since.isoformat(),
        "streams": _sum(bytes(row.leaf) for row in streams),
        "days": {
            day.isoformat(): _sum(found.values())
            for day, found in leaves.items()
            if since is None or day >= since
        },
        "forged": [(one.table, one.words) for one in forged],
    }
    audit.note(EVIDENCE, MONITOR, details, now)


def disagreements() -> Iterator[Disagreement]:
    """Yield streams and day counts that are others than noted, and what runs found to be so."""
    known = _noted(events(EVIDENCE))
    for (model, version), said in known.items():
        yield from said.forged
        yield from _of_streams(said, list(Stream.objects.filter(model=model, version=version)))
        left = set(said.days)
        rows = DayCount.objects.filter(model=model, version=version).order_by("day")
        for day, some in groupby(rows.iterator(ROWS_AT_ONCE), key=_day):
            yield from _of_day(said, day, list(some))
            left.discard(day)
        for day in sorted(left):
            yield from _of_day(said, day, [])


def uncovered() -> Iterator[str]:
    """Yield what of the evidence the chain says nothing of."""
    known = _noted(events(EVIDENCE))
    stored = set(Stream.objects.values_list("model", "version").distinct())
    stored |= set(DayCount.objects.values_list("model", "version").distinct())
    for model, version in sorted(stored):
        said = known.get((model, version))
        if said is None:
            yield f"streams and day counts of {model} version {version}: no run has noted any"
        elif said.since:
            yield f"day counts of {model} version {version} before {said.since}"


def _noted(found: Iterable[AuditEvent]) -> dict[tuple[str, str], Noted]:
    known: dict[tuple[str, str], Noted] = {}
    for event in found:
        said = event.details
        since = date.fromisoformat(said["since"]) if said["since"] else None
        of = said["model"], said["version"]
        known.setdefault(of, Noted(*of, since)).add(said)
    return known


def _of_streams(known: Noted, rows: Sequence[Stream]) -> Iterator[Disagreement]:
    table, of = Stream._meta.db_table, f"{known.model} version {known.version}"
    changed = [row.name for row in rows if bytes(row.leaf) != stream_leaf(row)]
    for name in changed:
        yield Disagreement(table, f"stream {name} of {of} was changed or inserted")
    if not changed:
        yield from _of_sum(
            table, f"streams of {of}", known.streams, [bytes(row.leaf) for row in rows]
        )


def _of_day(known: Noted, day: date, rows: Sequence[DayCount]) -> Iterator[Disagreement]:
    if not known.covers(day):
        return
    table, of = DayCount._meta.db_table, f"{day} of {known.model} version {known.version}"
    changed = [row.stream for row in rows if bytes(row.leaf) != count_leaf(row)]
    for name in changed:
        yield Disagreement(table, f"the count of {name} on {of} was changed or inserted")
    if not changed:
        said = known.days.get(day, _sum([]))
        yield from _of_sum(table, f"counts on {of}", said, [bytes(row.leaf) for row in rows])


def _of_sum(table: str, what: str, said: Sum, leaves: Sequence[bytes]) -> Iterator[Disagreement]:
    if said == _sum(leaves):
        return
    if len(leaves) < said[0]:
        words = f"{said[0] - len(leaves)} of {said[0]} {what} were deleted"
    else:
        words = f"{what} were inserted, or changed together with their digests"
    yield Disagreement(table, words)


def _sum(leaves: Iterable[bytes]) -> Sum:
    """Return how many leaves there are, and the digest of them in an order of their own."""
    ordered = sorted(leaves)
    return len(ordered), sha256(b"".join(ordered)).hexdigest()


def _sum_of(said: Sequence[Any]) -> Sum:
    return int(said[0]), str(said[1])


def _day(row: DayCount) -> date:
    return row.day
