"""The alarms that rest on outcomes: raised unless one is open, each beginning after the last's."""

from collections.abc import Mapping
from datetime import date
from typing import Any

import numpy as np
from django.db import transaction

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

Found = Miscalibration | ChangedDiscrimination


def watch_outcomes(job: Job, followed: Mapping[int, Followed]) -> list[Alarm]:
    """Raise the alarms on calibration and on discrimination, where they are due."""
    outcomes = outcomes_of(job.definition, followed, job.now.date())
    if outcomes is None:
        return []
    alarms = []
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
    return alarms


def outcomes_of(
    definition: Definition, years: Mapping[int, Followed], today: date
) -> Outcomes | None:
    """Return the outcomes that must be known by today; None where too few of them are."""
    horizon = definition.outcome.horizon_days
    last = definition.outcome.closed_through(today)
    parts = [years[year] for year in sorted(years)]
    if not parts:
        return None
    rows = parts[0] if len(parts) == 1 else Followed.joined(parts)
    closed = rows.predicted_on <= np.datetime64(last)
    if not closed.all():
        rows = rows.part(closed)
    events = rows.happened & (rows.days <= horizon)
    known = events | (rows.days >= horizon)
    # a feed of outcomes that reports next to none is no sign of health, nor of disease
    if not known.size or known.mean() < 1 - LARGEST_UNREPORTED:
        return None
    return Outcomes(rows.predicted_on, rows.patients, rows.risk, events, known)


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
