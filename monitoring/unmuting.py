"""Ending mutes: on their day, or sooner, when what they were signed for isn't so any more."""

from datetime import date

from django.db import transaction

from monitoring import chapters
from monitoring.alarms import RANK
from monitoring.closing import Job
from monitoring.evidence.size import Size, fits_no_change
from monitoring.heartbeat import version_in_use
from monitoring.ledger import Ledger, traffic
from monitoring.mutes import BACK_DAYS
from monitoring.streams import TRAFFIC
from records import audit
from records.agreement.alarms import MONITOR, UNMUTED
from records.decisions import ASSIGNED, BACK, GRAVER_THAN, MUTED, OPEN, OTHER_THAN
from records.models import Alarm


def lift(job: Job, ledger: Ledger) -> None:
    """End the mutes of a model's alarms whose date or condition has come, and note why."""
    in_use = version_in_use(job.model, job.now)
    with transaction.atomic():
        muted = Alarm.objects.select_for_update().filter(model=job.model, state=MUTED)
        found = list(muted.order_by("pk"))
        ended = {
            alarm.pk: because for alarm in found if (because := _ended(alarm, job, ledger, in_use))
        }
        for alarm in found:
            # what was muted with its cause is shown with it again
            because = ended.get(alarm.pk) or ended.get(alarm.details.get("follows") or 0)
            if because:
                _open(alarm, because, job)


def _open(alarm: Alarm, because: str, job: Job) -> None:
    alarm.state = ASSIGNED if alarm.assigned_to else OPEN
    alarm.muted_until, alarm.muted_unless = None, ""
    alarm.save(update_fields=["state", "muted_until", "muted_unless"])
    details = {"alarm": alarm.pk, "model": alarm.model, "because": because}
    audit.note(UNMUTED, MONITOR, details, job.now)


def _ended(alarm: Alarm, job: Job, ledger: Ledger, in_use: str | None) -> str | None:
    """Say why a mute is over, or None while it isn't."""
    if alarm.muted_until and alarm.muted_until <= job.now.date():
        return f"its day came, {alarm.muted_until}"
    unless = alarm.muted_unless
    if unless.startswith(GRAVER_THAN):
        was = unless.removeprefix(GRAVER_THAN)
        graver = RANK[alarm.severity] > RANK[was]
        return f"it became {alarm.severity}, and was a {was}" if graver else None
    if unless.startswith(OTHER_THAN):
        was = unless.removeprefix(OTHER_THAN)
        return f"version {in_use} is in use, and {was} was" if in_use != was else None
    if unless == BACK and alarm.version == job.version and ledger.closed_through:
        return _back(alarm, job, ledger, ledger.closed_through)
    return None


def _back(alarm: Alarm, job: Job, ledger: Ledger, through: date) -> str | None:
    """Say since when a stream is as before its alarm, or None where it isn't."""
    if alarm.stream == TRAFFIC:
        onset = alarm.since or alarm.raised_on
        again = [day for day, rows in traffic(ledger).items() if rows and onset <= day <= through]
        return f"requests came again on {min(again)}" if again else None
    if chapters.is_ended(alarm):
        return None
    case = job.cases.case(alarm, ledger, through)
    latest = [row for row in case.days if row[0] > alarm.raised_on][-BACK_DAYS:]
    if len(latest) < BACK_DAYS:
        return None
    raised = case.size(row for row in case.days if row[0] <= alarm.raised_on)
    now = case.size(latest)
    if not is_back(now, raised, job.definition.monitoring.smallest_drift_sd):
        return None
    return f"since {latest[0][0]} it is as before"


def is_back(now: Size, raised: Size, tau: float) -> bool:
    """Say whether a size fits no change that matters, and no longer the one that raised an alarm.

    Few rows fit both, and so are no return.
    """
    low, high = now.ends
    if low <= raised.now <= high:
        return False
    return fits_no_change(now, tau)
