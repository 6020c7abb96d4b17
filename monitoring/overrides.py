"""The reports of what clinicians did with shown risks, day by day, as streams count them.

A report belongs to the day on which it happened. The reports on a patient on days on end count as
one, by the first; silence is no report. The share that was accepted is what overriding leaves.
"""

from collections import Counter
from dataclasses import replace
from datetime import UTC, date

import numpy as np
from django.db.models import Count, DateField, Func, QuerySet
from numpy.typing import NDArray

from models.definition import Definition
from monitoring.feedback import ACCEPTED, OVERRIDDEN
from monitoring.override_streams import OVERRIDES
from monitoring.stays import ONE_DAY, firsts, start_of
from monitoring.streams import Reports
from records.answers import objects
from records.models import DayCount, Feedback


def reports_by_day(
    definition: Definition, version: str, first: date, last: date
) -> dict[date, Reports]:
    """Return the reports of each day from first to last that has any, in order of time."""
    told = _told(definition.name, version).filter(
        happened_at__gte=start_of(first - ONE_DAY), happened_at__lt=start_of(last + ONE_DAY)
    )
    reason = ("reason_system", "reason_code")
    place = ("prediction__site", "prediction__ward")
    columns = ("happened_at", "prediction__patient", "outcome", *reason, *place)
    rows = list(told.order_by("happened_at", "pk").values_list(*columns))
    if not rows:
        return {}
    moments, patients, outcomes, systems, codes, sites, wards = zip(*rows, strict=True)
    days = np.array([moment.astimezone(UTC).date() for moment in moments], dtype="datetime64[D]")
    own = days >= np.datetime64(first)
    eve = {patient for patient, later in zip(patients, own, strict=True) if not later and patient}
    about = definition.cds_hooks
    offered = [
        code if about and about.offered(system, code) else ""
        for system, code in zip(systems, codes, strict=True)
    ]
    table = Reports(
        np.array([outcome == OVERRIDDEN for outcome in outcomes], dtype=np.bool_)[own],
        objects(offered)[own],
        objects(sites)[own],
        int(own.sum()),
        objects(wards)[own],
    )
    counted = firsts(objects(patients)[own].tolist(), days[own], eve, first)
    return {
        day: _of_day(table, days[own] == day, counted)
        for day in np.unique(days[own]).astype(object)
    }


def _of_day(table: Reports, chosen: NDArray[np.bool_], counted: NDArray[np.bool_]) -> Reports:
    return replace(table.part(chosen & counted), received=int(chosen.sum()))


def late_days(model: str, version: str, before: date) -> list[date]:
    """Return the days before one of which more reports are recorded than were counted."""
    told = _told(model, version).filter(happened_at__lt=start_of(before))
    day = Func("happened_at", function="DATE", output_field=DateField())
    received = Counter(dict(told.annotate(day=day).values_list("day").annotate(Count("pk"))))
    counts = DayCount.objects.filter(model=model, version=version, stream=OVERRIDES)
    counted = dict(counts.values_list("day", "total"))
    return sorted(day for day, rows in received.items() if rows > counted.get(day, 0))


def _told(model: str, version: str) -> QuerySet[Feedback]:
    """Return the reports that say what was done with a version's risks."""
    return Feedback.objects.filter(
        model=model,
        prediction__version=version,
        is_test=False,
        outcome__in=(ACCEPTED, OVERRIDDEN),
    )
