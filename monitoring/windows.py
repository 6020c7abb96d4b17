"""Which days are closed next, which rows came late, and the recorded rows of each day."""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, timedelta
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from models.definition import Definition
from models.errors import RecordError
from monitoring.flags import flags_of
from monitoring.overrides import reports_by_day
from monitoring.stays import ONE_DAY, firsts, start_of
from monitoring.streams import TRAFFIC, DayRows, no_reports
from records.answers import Answers, answers, joined
from records.models import DayCount, Prediction, Refusal
from records.predictions import days

ROWS_AT_ONCE = 100_000
# what streams count beside features and scores
COUNTED = ("site", "contributions", "findings")
DAYS_AT_ONCE = 92
# between days with requests; what is dated before such a one counts as what comes late does
LONGEST_PAUSE = timedelta(days=1827)


@dataclass(frozen=True)
class Plan:
    """The days to close, in batches of bounded memory, and the closed days that rows came to late.

    `late` maps such a day to how many of its requests are not counted yet.
    """

    batches: tuple[tuple[date, date], ...]
    late: Mapping[date, int]

    @property
    def days(self) -> int:
        """Return how many days are to be closed."""
        return sum((last - first).days + 1 for first, last in self.batches)


def plan(model: str, version: str, closed_through: date | None, through: date) -> Plan:
    """Find the days still to be closed through a day, and the late rows of those that are."""
    recorded = requests_a_day(model, version, through)
    if not recorded:
        return Plan((), {})
    first = closed_through + ONE_DAY if closed_through else _begin(recorded)
    counted = dict(
        DayCount.objects.filter(model=model, version=version, stream=TRAFFIC).values_list(
            "day", "total"
        )
    )
    late = {
        day: rows - counted.get(day, 0)
        for day, rows in sorted(recorded.items())
        if day < first and rows != counted.get(day, 0)
    }
    gone = [day for day, rows in late.items() if rows < 0]
    if gone:
        raise RecordError(
            f"{model} version {version}: requests of {gone[0]} were counted that are no longer "
            "recorded; restore them, or register the version anew to begin its evidence again"
        )
    return Plan(tuple(_batches(recorded, first, through)), late)


def _begin(recorded: Collection[date]) -> date:
    """Return the first day to close: the first with a request, or the first after a long pause.

    Otherwise one prediction of the past would open decades of days in which nobody was seen.
    """
    asked = sorted(recorded)
    after_pauses = (day for before, day in pairwise(asked) if day - before > LONGEST_PAUSE)
    return max(after_pauses, default=asked[0])


def requests_a_day(model: str, version: str, through: date) -> Counter[date]:
    """Return how many predictions and refusals were recorded for each day."""
    found: Counter[date] = Counter(dict(days(model, version, date.min, through)))
    for day, reasons in refusals_a_day(model, version, None, through).items():
        found[day] += sum(reasons.values())
    return found


def refusals_a_day(
    model: str, version: str, first: date | None, last: date
) -> dict[date, Counter[str]]:
    """Return how many requests were refused for each reason on each day."""
    rows = Refusal.objects.filter(
        model=model, version=version, is_test=False, predicted_at__lt=start_of(last + ONE_DAY)
    )
    if first is not None:
        rows = rows.filter(predicted_at__gte=start_of(first))
    found: dict[date, Counter[str]] = {}
    for moment, reason in rows.values_list("predicted_at", "reason").iterator():
        found.setdefault(moment.astimezone(UTC).date(), Counter())[reason] += 1
    return found


def rows_by_day(
    definition: Definition,
    version: str,
    first: date,
    last: date,
    more: Collection[str] = COUNTED,
) -> Iterator[tuple[date, DayRows]]:
    """Yield every day from first to last with its rows, days without any included."""
    start, end = start_of(first), start_of(last + ONE_DAY)
    frame = joined(list(answers(definition, version, start, end, more=more)))
    counted = first_of_stay(definition.name, version, frame, first)
    refused = refusals_a_day(definition.name, version, first, last)
    flags = flags_of(frame.findings.tolist())
    reports = reports_by_day(definition, version, first, last)
    span = _span(first, last)
    moments = np.asarray(frame.predicted_at, dtype="datetime64[us]")
    order = np.argsort(moments, kind="stable")
    edges = np.array([*span, last + ONE_DAY], dtype="datetime64[us]")
    cuts = np.searchsorted(moments[order], edges)
    for day, (low, high) in zip(span, pairwise(cuts), strict=True):
        chosen = order[low:high][counted[order[low:high]]]
        yield (
            day,
            DayRows(
                {name: column[chosen] for name, column in frame.features.items()},
                frame.margin[chosen],
                frame.risk[chosen],
                refused.get(day, Counter()),
                int(high - low),
                frame.contributions[chosen],
                {group: marked[chosen] for group, marked in flags.items()},
                frame.site[chosen],
                reports.get(day, no_reports()),
                *(
                    column[chosen] if column.size else column
                    for column in (frame.client, frame.ward, frame.codes)
                ),
            ),
        )


def first_of_stay(model: str, version: str, frame: Answers, first: date) -> NDArray[np.bool_]:
    """Return which predictions are the first of a patient's stay, from the day `first` on.

    Nothing recorded names a stay, so predictions of a patient on days on end count as one. They
    aren't independent, and counting each would break the budget. Without a patient, each counts.
    """
    before = Prediction.objects.filter(
        model=model,
        version=version,
        is_test=False,
        predicted_at__gte=start_of(first - ONE_DAY),
        predicted_at__lt=start_of(first),
    ).exclude(patient="")
    eve = set(before.values_list("patient", flat=True).distinct())
    days = np.asarray(frame.predicted_at, dtype="datetime64[D]")
    return firsts(frame.patient.tolist(), days, eve, first)


def _batches(
    recorded: Mapping[date, int], first: date, through: date
) -> Iterator[tuple[date, date]]:
    """Divide the days into runs of at most so many rows and days, at least a day each."""
    start, rows = first, 0
    for day in _span(first, through):
        more = recorded.get(day, 0)
        if day > start and (rows + more > ROWS_AT_ONCE or (day - start).days >= DAYS_AT_ONCE):
            yield start, day - ONE_DAY
            start, rows = day, 0
        rows += more
    if start <= through:
        yield start, through


def _span(first: date, last: date) -> Sequence[date]:
    return [first + ONE_DAY * step for step in range((last - first).days + 1)]
