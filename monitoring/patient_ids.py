"""Whether predictions carry their patients' own ids: one that most of them share hides the others.

A patient's days on end count once, so of a stand-in such as "unknown" next to nothing is weighed.
"""

from dataclasses import asdict, dataclass
from datetime import date, timedelta

from django.db.models import Count, Min, Sum

from models.amounts import counted
from monitoring.stays import ONE_DAY, start_of
from monitoring.streams import SCORE, TRAFFIC
from records.models import DayCount, Prediction

LATEST = timedelta(days=28)
# fewer predictions may well be of one patient
LEAST_PREDICTIONS = 50


@dataclass(frozen=True)
class SharedId:
    """One patient id that more than half of the latest closed days' predictions carry.

    Of `predictions` from the day `first` to `last`, both as ISO dates, `carrying` carry it; of all
    of them `weighed` rows were weighed, the first of each stay.
    """

    first: str
    last: str
    predictions: int
    carrying: int
    weighed: int

    def to_dict(self) -> dict[str, str | int]:
        """Return plain values that JSON can hold; the id itself is not among them."""
        return asdict(self)

    @property
    def words(self) -> str:
        """Say how many carry it, what that hides, and what to do."""
        were = "was" if self.weighed == 1 else "were"
        return (
            f"{self.carrying:,} of {counted(self.predictions, 'prediction')} from {self.first} to "
            f"{self.last} carry one patient id; a patient's days on end count once, so "
            f"{counted(self.weighed, 'row')} {were} weighed: send each patient's own id, or none"
        )


def shared_id(model: str, version: str, closed_through: date | None) -> SharedId | None:
    """Find a patient id that most predictions of the latest 28 closed days carry, if there is one.

    Test clients' don't count, and fewer than 50 say nothing.
    """
    if closed_through is None:
        return None
    counts = DayCount.objects.filter(
        model=model,
        version=version,
        day__gt=closed_through - LATEST,
        day__lte=closed_through,
    )
    watched = counts.filter(stream=TRAFFIC).aggregate(first=Min("day"), requests=Sum("total"))
    weighed = counts.filter(stream=SCORE).aggregate(rows=Sum("total"))["rows"] or 0
    # one id has a stay on every other day at most, so where more is weighed none has half
    if watched["first"] is None or 2 * weighed >= watched["requests"] + LATEST.days:
        return None
    made = Prediction.objects.filter(
        model=model,
        version=version,
        is_test=False,
        predicted_at__gte=start_of(watched["first"]),
        predicted_at__lt=start_of(closed_through + ONE_DAY),
    )
    predictions = made.count()
    if predictions < LEAST_PREDICTIONS:
        return None
    by_patient = made.exclude(patient="").order_by().values("patient").annotate(times=Count("pk"))
    carrying = by_patient.order_by("-times").values_list("times", flat=True).first() or 0
    if 2 * carrying <= predictions:
        return None
    first, last = watched["first"].isoformat(), closed_through.isoformat()
    return SharedId(first, last, predictions, carrying, weighed)
