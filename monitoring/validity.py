"""Whether a model is used on the population that it was validated on, as far as alarms show."""

from collections.abc import Iterable
from dataclasses import dataclass

from monitoring import chapters
from monitoring.alarms import OPEN_STATES, by_cause
from monitoring.streams import TRAFFIC
from records.models import Alarm

# alarms on these say that requests fail, stop or come otherwise, not that the people are others
NOT_ABOUT_PEOPLE = (TRAFFIC, "refusals:", "flags:", "overrides")


@dataclass(frozen=True)
class Validity:
    """Whether a model is within its validated use; outside it, `reasons` says what is seen."""

    inside: bool
    reasons: tuple[str, ...]


def validity(alarms: Iterable[Alarm]) -> Validity:
    """Judge by the open alarms on inputs and score.

    One that follows from another adds nothing, nor does one whose stream turned since.
    """
    still_open = [
        alarm for alarm in alarms if alarm.state in OPEN_STATES and not chapters.is_ended(alarm)
    ]
    reasons = tuple(
        alarm.summary
        for alarm, _ in by_cause(still_open)
        if not alarm.stream.startswith(NOT_ABOUT_PEOPLE)
    )
    return Validity(not reasons, reasons)
