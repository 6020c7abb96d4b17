"""Writing a batch of closed days: streams, counts and alarms, and what the chain says of them."""

from collections.abc import Sequence
from datetime import date, datetime

from django.db import transaction

from models.errors import RecordError
from monitoring.ledger import Ledger
from monitoring.watchlist import Watchlist
from records.agreement import evidence
from records.agreement.alarms import note_alarms, words_of
from records.day_counts import write_days
from records.models import Alarm, Stream

# what describing an alarm anew may change
DESCRIBED = ("kind", "severity", "since", "summary", "details")


def write(
    ledger: Ledger,
    watched: Watchlist,
    closed_through: date,
    alarms: Sequence[Alarm],
    now: datetime,
) -> None:
    """Write a batch of closed days, all or nothing; refuse if another run closed days meanwhile."""
    kinds = {one.key: one.kind for one in watched}
    streams = [_row(ledger, name, kinds[name], closed_through) for name in ledger.states]
    with transaction.atomic():
        _refuse_rivals(ledger)
        before = words_of([*alarms, *ledger.turned])
        _write_evidence(ledger, streams, now)
        for alarm in alarms:
            alarm.save(update_fields=["details"] if alarm.pk else None)
        for alarm in ledger.turned:
            alarm.save(update_fields=DESCRIBED)
        note_alarms([*alarms, *ledger.turned], now, before)
    ledger.closed_through = closed_through
    ledger.day_counts.clear()
    ledger.turned.clear()
    ledger.forged.clear()


def _write_evidence(ledger: Ledger, streams: Sequence[Stream], now: datetime) -> None:
    """Write streams and day counts, and note them."""
    closed = ledger.closed_through
    again = {row.day for row in ledger.day_counts if closed and row.day <= closed}
    forged = [*ledger.forged, *evidence.forged_days(ledger.model, ledger.version, again)]
    # what is counted again keeps the evidence that it had
    weighed = evidence.weighed(ledger.model, ledger.version, again)
    for count in ledger.day_counts:
        count.evidence = weighed.get((count.stream, count.day), count.evidence)
        count.leaf = evidence.count_leaf(count)
    write_days(ledger.day_counts)
    Stream.objects.bulk_create(
        streams,
        update_conflicts=True,
        update_fields=["epoch", "state", "closed_through", "leaf"],
        unique_fields=["model", "version", "name"],
    )
    new = [row for row in ledger.day_counts if row.day not in again]
    evidence.note_evidence(streams, new, again, forged, closed, now)


def _row(ledger: Ledger, name: str, kind: str, closed_through: date) -> Stream:
    state = ledger.states[name]
    row = Stream(
        model=ledger.model,
        version=ledger.version,
        name=name,
        kind=kind,
        epoch=state.epoch,
        state=state.to_bytes(),
        closed_through=closed_through,
        opened_on=ledger.opened.get(name),
    )
    row.leaf = evidence.stream_leaf(row)
    return row


def _refuse_rivals(ledger: Ledger) -> None:
    rows = Stream.objects.select_for_update().filter(model=ledger.model, version=ledger.version)
    days = {row.closed_through for row in rows}
    if days != ({ledger.closed_through} if ledger.closed_through else set()):
        raise RecordError(
            f"{ledger.model} version {ledger.version}: another run closed days meanwhile; "
            "nothing of this batch was kept, run the job again"
        )
