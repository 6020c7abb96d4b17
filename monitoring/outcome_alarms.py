"""The alarms that rest on outcomes: raised unless one is open, each beginning after the last's."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import numpy as np
from django.db import transaction
from numpy.typing import NDArray

from models.definition import Definition
from monitoring.alarms import OPEN_STATES, Severity
from monitoring.calibration import CALIBRATION, Miscalibration, miscalibration
from monitoring.closing import Job
from monitoring.discrimination import (
    DISCRIMINATION,
    ChangedDiscrimination,
    changed_discrimination,
)
from monitoring.followed import Followed, FollowedMonths
from monitoring.independence import Outcomes
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


def watch_outcomes(job: Job, followed: FollowedMonths) -> tuple[list[Alarm], Weighed]:
    """Raise the alarms on calibration and on discrimination, and say what they rest on."""
    due = DueOutcomes(job.definition, followed, job.now.date())
    alarms: list[Alarm] = []
    for stream, look in ((CALIBRATION, miscalibration), (DISCRIMINATION, changed_discrimination)):
        earlier = Alarm.objects.filter(model=job.model, version=job.version, stream=stream)
        last = earlier.order_by("-pk").first()
        if last is not None and last.state in OPEN_STATES:
            continue
        after = date.fromisoformat(last.details["through"]) if last else None
        found: Found | None = look(due, job.budget, job.definition.outcome.horizon_days, after)
        if found is not None:
            alarms.append(_alarm(job, stream, found))
    with transaction.atomic():
        for alarm in alarms:
            alarm.save()
        note_alarms(alarms, job.now, {})
    return alarms, due.weighed()


@dataclass(frozen=True, eq=False)
class DueOutcomes:
    """The outcomes that are weighed of those that must be known by today, month by month.

    Left out are the months of a site in which more than 5 % of them are unreported: a feed that
    reports next to none is no sign of health, nor of disease, and says nothing of other sites.
    """

    definition: Definition
    followed: FollowedMonths
    today: date

    def __iter__(self) -> Iterator[Outcomes]:
        """Read each month's outcomes anew."""
        for rows in self._due():
            events, known = self._known(rows)
            weighed = _reported(rows, known)
            outcomes = Outcomes(rows.predicted_on, rows.patients, rows.risk, events, known)
            yield outcomes if weighed.all() else outcomes.part(weighed)

    def weighed(self) -> Weighed:
        """Count what the last days' outcomes are, up to the last prediction that is due."""
        counted: dict[date, tuple[int, ...]] = {}
        for rows in self._due():
            _, known = self._known(rows)
            weighed = _reported(rows, known)
            for day in np.unique(rows.predicted_on):
                own = rows.predicted_on == day
                counts = (own, own & ~known, own & weighed)
                counted[day.astype(object)] = tuple(int(chosen.sum()) for chosen in counts)
        if not counted:
            return Weighed(0, 0, 0)
        since = max(counted) - timedelta(days=LATELY_DAYS)
        return Weighed(
            *map(sum, zip(*(c for day, c in counted.items() if day > since), strict=True))
        )

    def _due(self) -> Iterator[Followed]:
        """Read the predictions whose outcomes must be known, by month."""
        last = np.datetime64(self.definition.outcome.closed_through(self.today))
        for month in self.followed.months:
            if np.datetime64(month) > last:
                return
            rows = self.followed.of([month])
            due = rows.predicted_on <= last
            if due.any():
                yield rows if due.all() else rows.part(due)

    def _known(self, rows: Followed) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        horizon = self.definition.outcome.horizon_days
        return rows.events(horizon), rows.settled(horizon)


def _reported(rows: Followed, known: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Say which rows of a month are of a site whose outcomes are reported."""
    _, group = np.unique(rows.sites, return_inverse=True)
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
