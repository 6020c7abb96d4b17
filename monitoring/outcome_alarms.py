"""The alarms that rest on outcomes: raised unless one is open, each beginning after the last's."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
from django.db import transaction
from numpy.typing import NDArray

from models.definition import Definition
from monitoring.alarms import OPEN_STATES, Severity
from monitoring.calibration import CALIBRATION, Miscalibration, Outcomes, miscalibration
from monitoring.closing import Job
from monitoring.discrimination import (
    DISCRIMINATION,
    ChangedDiscrimination,
    changed_discrimination,
)
from monitoring.performance import Followed
from records.agreement.alarms import note_alarms
from records.follow_up import LARGEST_UNREPORTED
from records.models import Alarm

# observed events half more or half fewer than expected are critical, and so is half the advantage
# over a coin lost
HALF, COIN = 0.5, 0.5
BY_OUTCOMES = (CALIBRATION, DISCRIMINATION)

# of so many days, up to the last prediction that is due, it's said what is weighed
LATELY_DAYS = 90

Found = Miscalibration | ChangedDiscrimination


@dataclass(frozen=True)
class Weighed:
    """How many of the latest due predictions lack their outcome, and how many are weighed at all.

    `due` are those of the 90 days up to the last prediction whose outcome must be known by now.
    """

    due: int
    unreported: int
    weighed: int

    def to_dict(self) -> dict[str, int]:
        """Return plain values that JSON can hold."""
        return dict(vars(self))


def watch_outcomes(job: Job, followed: Mapping[int, Followed]) -> tuple[list[Alarm], Weighed]:
    """Raise the alarms on calibration and on discrimination, and say what they rest on."""
    outcomes, weighed = outcomes_of(job.definition, followed, job.now.date())
    alarms: list[Alarm] = []
    if outcomes is None:
        return alarms, weighed
    for stream, look in ((CALIBRATION, miscalibration), (DISCRIMINATION, changed_discrimination)):
        earlier = Alarm.objects.filter(model=job.model, version=job.version, stream=stream)
        last = earlier.order_by("-pk").first()
        if last is not None and last.state in OPEN_STATES:
            continue
        after = date.fromisoformat(last.details["through"]) if last else None
        found: Found | None = look(outcomes, job.budget, job.definition.outcome.horizon_days, after)
        if found is not None:
            alarms.append(_alarm(job, stream, found))
    with transaction.atomic():
        for alarm in alarms:
            alarm.save()
        note_alarms(alarms, job.now, {})
    return alarms, weighed


def outcomes_of(
    definition: Definition, years: Mapping[int, Followed], today: date
) -> tuple[Outcomes | None, Weighed]:
    """Return the outcomes that are weighed of those that must be known by today.

    Left out are the months of a site in which more than 5 % of them are unreported: a feed that
    reports next to none is no sign of health, nor of disease, and says nothing of other sites.
    """
    horizon = definition.outcome.horizon_days
    last = definition.outcome.closed_through(today)
    parts = [_due(years[year], last) for year in sorted(years)]
    if not any(part.risk.size for part in parts):
        return None, Weighed(0, 0, 0)
    rows = parts[0] if len(parts) == 1 else Followed.joined(parts)
    events = rows.happened & (rows.days <= horizon)
    known = events | (rows.days >= horizon)
    weighed = _reported(rows, known)
    lately = rows.predicted_on > rows.predicted_on.max() - np.timedelta64(LATELY_DAYS, "D")
    counts = (lately, lately & ~known, lately & weighed)
    if not weighed.all():
        rows, events, known = rows.part(weighed), events[weighed], known[weighed]
    outcomes = Outcomes(rows.predicted_on, rows.patients, rows.risk, events, known)
    return outcomes, Weighed(*(int(chosen.sum()) for chosen in counts))


def _due(rows: Followed, last: date) -> Followed:
    """Return the predictions through the last day whose outcomes must be known."""
    closed = rows.predicted_on <= np.datetime64(last)
    return rows if closed.all() else rows.part(closed)


def _reported(rows: Followed, known: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Say which rows are of a month in which their site's outcomes are reported."""
    months = rows.predicted_on.astype("datetime64[M]").astype(np.int64)
    site_months = months * (int(rows.sites.max(initial=0)) + 1) + rows.sites
    _, group = np.unique(site_months, return_inverse=True)
    unknown = np.bincount(group, weights=~known) / np.bincount(group)
    return np.asarray((unknown <= LARGEST_UNREPORTED)[group], dtype=np.bool_)


def _alarm(job: Job, stream: str, found: Found) -> Alarm:
    rows = found.rows if isinstance(found, Miscalibration) else found.pairs
    size: dict[str, Any] = {"scale": "share", "now": found.observed, "before": found.expected}
    return Alarm(
        model=job.model,
        version=job.version,
        stream=stream,
        kind=stream,
        severity=_severity(found),
        raised_on=job.now.date(),
        recorded_at=job.now,
        since=found.onset,
        summary=found.sentence,
        details={
            "onset": found.onset.isoformat(),
            "through": found.day.isoformat(),
            "direction": found.direction,
            "size": {**size, "low": found.low, "high": found.high},
            "rows": rows,
            "settled": True,
        },
    )


def _severity(found: Found) -> Severity:
    if isinstance(found, Miscalibration):
        far = abs(found.observed / found.expected - 1) >= HALF
    else:
        far = found.observed - COIN <= HALF * (found.expected - COIN)
    return "critical" if far else "warning"
