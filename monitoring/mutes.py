"""What a mute may last: until a day, or until something happens sooner."""

from datetime import timedelta

from monitoring import chapters
from monitoring.outcome_alarms import BY_OUTCOMES
from records.decisions import ASSIGNED, BACK, GRAVER_THAN, OTHER_THAN
from records.models import Alarm

LONGEST_MUTE = timedelta(days=90)
# a stream is as before when it was so over as many of the latest days with rows
BACK_DAYS = 7


def conditions(alarm: Alarm, in_use: str | None) -> list[str]:
    """Return what may end a mute of an alarm sooner; `in_use` is the version that is."""
    found = []
    if alarm.severity != "critical":
        found.append(f"{GRAVER_THAN}{alarm.severity}")
    if alarm.stream not in BY_OUTCOMES and not chapters.is_ended(alarm):
        found.append(BACK)
    return [*found, f"{OTHER_THAN}{in_use}"] if in_use else found


def state_words(alarm: Alarm) -> str:
    """Word an alarm's state, with its mute's end and with whom it is assigned to."""
    words = "" if alarm.state == ASSIGNED else str(alarm.state)
    if alarm.muted_until:
        words += f" until {alarm.muted_until}"
    if alarm.muted_unless:
        words += f", or until {condition_words(alarm.muted_unless)}"
    assigned = f"assigned to {alarm.assigned_to}" if alarm.assigned_to else ""
    return "; ".join(part for part in (words, assigned) if part)


def condition_words(condition: str) -> str:
    """Word what ends a mute, to follow "until"."""
    if condition.startswith(GRAVER_THAN):
        return f"it is graver than a {condition.removeprefix(GRAVER_THAN)}"
    if condition.startswith(OTHER_THAN):
        return f"another version than {condition.removeprefix(OTHER_THAN)} is in use"
    return f"the stream is as before, for {BACK_DAYS} days with requests"
