"""Runs of the monitoring job: each is noted as it ends, with all that people are shown of it."""

from collections.abc import Iterator
from datetime import datetime
from typing import Final

from django.db.models import Max, QuerySet

from records import audit
from records.agreement.alarms import MONITOR
from records.agreement.compared import Disagreement, digest, events
from records.models import MonitorRun

RUN: Final = "monitoring.run"
TABLE: Final = "records_monitorrun"
# a summary may be large
RUNS_AT_ONCE = 50


def note_run(run: MonitorRun, now: datetime) -> None:
    """Note what an ended run says, in the transaction that saved it.

    The first one noted says which run was the last before, since none up to that one is covered.
    """
    stored = MonitorRun.objects.get(pk=run.pk)
    details = {"run": run.pk, "model": run.model, "version": run.version}
    if not events(RUN).exists():
        earlier = _ended().exclude(pk=run.pk).aggregate(last=Max("pk"))["last"]
        details["earlier"] = earlier or 0
    audit.note(RUN, MONITOR, {**details, "digest": _digest(stored)}, now)


def disagreements() -> Iterator[Disagreement]:
    """Yield ended runs that say something else than was noted, or of which nothing was."""
    noted = {event.details["run"]: event.details["digest"] for event in events(RUN)}
    if not noted:
        return
    earlier, seen = _earlier(), set()
    for row in _ended().order_by("pk").iterator(RUNS_AT_ONCE):
        seen.add(row.pk)
        words = f"run {row.pk} of {row.model} version {row.version}"
        if row.pk in noted and noted[row.pk] != _digest(row):
            yield Disagreement(TABLE, f"{words} was changed")
        elif row.pk not in noted and row.pk > earlier:
            yield Disagreement(TABLE, f"{words} was inserted")
    for key in sorted(noted.keys() - seen):
        yield Disagreement(TABLE, f"run {key} was deleted, or is said not to have ended")


def uncovered() -> Iterator[str]:
    """Yield of which runs the chain says nothing."""
    first = events(RUN).first()
    if first is None:
        if _ended().exists():
            yield "monitoring runs: none has been noted"
    elif _ended().filter(pk__lte=_earlier()).exists():
        yield f"monitoring runs before {first.recorded_at.date()}"


def _ended() -> QuerySet[MonitorRun]:
    return MonitorRun.objects.exclude(finished_at=None)


def _earlier() -> int:
    first = events(RUN).first()
    return int(first.details["earlier"]) if first else 0


def _digest(run: MonitorRun) -> str:
    """Return the digest of all that a stored run says."""
    return digest(
        *(run.model, run.version, str(run.started_at), str(run.finished_at), str(run.first_day)),
        *(str(run.last_day), run.predictions, run.report, run.summary),
    )
