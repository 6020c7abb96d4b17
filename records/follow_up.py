"""What is known of a model's predictions afterwards: the latest report of each outcome."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from records.models import Outcome

# above this share of unreported outcomes nothing is claimed or learnt: unreported is not censored
LARGEST_UNREPORTED: Final = 0.05
Report = tuple[datetime, bool]
ONE_DAY = timedelta(days=1)


@dataclass(frozen=True)
class FollowUp:
    """The latest report of each prediction by its id, and of each patient by the pseudonym.

    A report is when the event was, or the end of follow-up where none happened, and whether it
    did. Contradictory reports stay recorded; the latest counts.
    """

    by_prediction: Mapping[UUID, Report]
    by_patient: Mapping[str, Report]

    def of(self, prediction: UUID, patient: str, predicted_at: datetime) -> Report | None:
        """Return what is known of a prediction; nothing that was before it says anything of it."""
        report = self.by_prediction.get(prediction) or self.by_patient.get(patient)
        return report if report is not None and report[0] >= predicted_at else None


def follow_up(model: str, known_by: datetime | None = None) -> FollowUp:
    """Read every report of a model's outcomes, or all that were made by a time."""
    reports = Outcome.objects.filter(model=model, is_test=False).order_by("reported_at", "pk")
    if known_by is not None:
        reports = reports.filter(reported_at__lte=known_by)
    facts = ("known_at", "happened")
    named = reports.filter(prediction__isnull=False).values_list("prediction_id", *facts)
    others = reports.filter(prediction__isnull=True).values_list("patient", *facts)
    by_prediction = {key: (known_at, happened) for key, known_at, happened in named.iterator()}
    by_patient = {key: (known_at, happened) for key, known_at, happened in others.iterator()}
    by_patient.pop("", None)
    return FollowUp(by_prediction, by_patient)
