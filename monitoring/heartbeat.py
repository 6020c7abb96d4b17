"""Whether monitoring itself is alive: completed in time, and not over a feed that fell silent."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from django.db.models import Max

from monitoring.alarms import OPEN_STATES, by_cause
from monitoring.streams import TRAFFIC
from records import tenure
from records.models import Alarm, MonitorRun, Stream, Tenure

CHAMPION = "champion"
# how often the job runs where it wasn't told; one run may be missed, then nobody should rely on it
EACH_DAY = timedelta(days=1)
MISSED = 2


@dataclass(frozen=True)
class Heartbeat:
    """When a version was last watched, how often it should be, and what is wrong with that."""

    model: str
    version: str
    finished_at: datetime | None
    interval: timedelta
    closed_through: date | None
    overdue: bool
    silent_since: date | None
    alarms: tuple[Alarm, ...]
    outcomes_due: int = 0
    outcomes_unreported: int = 0
    outcomes_weighed: int = 0
    outcomes_doubts: tuple[str, ...] = ()

    @property
    def alive(self) -> bool:
        """Whether silence of this version's alarms means anything."""
        return not self.overdue and self.silent_since is None

    @property
    def outcomes_unwatched(self) -> bool:
        """Whether outcomes are due, and calibration and discrimination see none of them."""
        return self.outcomes_due > 0 and not self.outcomes_weighed

    @property
    def outcomes_note(self) -> str:
        """Say which part of the due outcomes isn't weighed and why, and what makes them doubtful.

        Nothing where all are weighed and none is.
        """
        return "; ".join(part for part in (self._left_out, *self.outcomes_doubts) if part)

    @property
    def _left_out(self) -> str:
        if self.outcomes_weighed == self.outcomes_due:
            return ""
        share = f"{per_cent(self.outcomes_unreported, self.outcomes_due)} of due outcomes"
        if self.outcomes_unwatched:
            return f"calibration and discrimination are not watched: {share} unreported"
        left_out = per_cent(self.outcomes_due - self.outcomes_weighed, self.outcomes_due)
        return (
            "calibration and discrimination are watched in part: "
            f"{left_out} of due predictions left out, {share} unreported"
        )

    @property
    def faults(self) -> tuple[str, ...]:
        """Say what is wrong, in words for people."""
        faults = []
        if self.overdue:
            last = f"{self.finished_at:%Y-%m-%d %H:%M} UTC" if self.finished_at else "never"
            faults.append(f"monitoring is overdue: last completed {last}")
        if self.silent_since is not None:
            faults.append(f"no request has come since {self.silent_since.isoformat()}")
        return tuple(faults)


def version_in_use(name: str, now: datetime) -> str | None:
    """Return the champion, or the version that was watched last where there never was one."""
    champion = tenure.version_at(name, CHAMPION, now)
    if champion is not None:
        return champion
    run = MonitorRun.objects.filter(model=name).order_by("-pk").first()
    return run.version if run else None


def last_run(name: str, version: str | None) -> MonitorRun | None:
    """Return the last run of the job that came to its end."""
    finished = MonitorRun.objects.filter(
        model=name, version=version or "", finished_at__isnull=False
    )
    return finished.order_by("-pk").first()


def heartbeat(name: str, version: str, now: datetime) -> Heartbeat:
    """Judge whether a version is watched as it should be."""
    run = last_run(name, version)
    interval = timedelta(seconds=run.summary.get("interval_s", 0)) if run else EACH_DAY
    interval = interval or EACH_DAY
    alarms = Alarm.objects.filter(model=name, version=version, state__in=OPEN_STATES)
    silent = next((alarm.since for alarm in alarms if alarm.stream == TRAFFIC), None)
    outcomes = run.summary.get("outcomes", {}) if run else {}
    closed = Stream.objects.filter(model=name, version=version).aggregate(
        last=Max("closed_through")
    )
    return Heartbeat(
        name,
        version,
        run.finished_at if run else None,
        interval,
        closed["last"],
        run is None or now - run.started_at > MISSED * interval,
        silent,
        tuple(alarm for alarm, _ in by_cause(alarms.order_by("raised_on", "pk"))),
        outcomes.get("due", 0),
        outcomes.get("unreported", 0),
        outcomes.get("weighed", 0),
        tuple(outcomes.get("doubts", ())),
    )


def per_cent(part: int, whole: int) -> str:
    """Word a share, and never one that isn't all as 100 %, nor one that is any as 0 %."""
    if part and 100 * part < whole:
        return "less than 1 %"
    if part < whole and 100 * part > 99 * whole:
        return "more than 99 %"
    return f"{100 * part / whole:.0f} %"


def models_in_records() -> tuple[str, ...]:
    """Return every model that has been promoted or watched, whether its definition is found or not.

    The environment of a job may lack the directory of the definitions, and silence would read as
    health then.
    """
    tables = (Tenure.objects, MonitorRun.objects, Alarm.objects)
    names: set[str] = set()
    for rows in tables:
        names.update(rows.order_by().values_list("model", flat=True).distinct())
    return tuple(sorted(names))


def heartbeats(names: Iterable[str], now: datetime) -> tuple[Heartbeat, ...]:
    """Return the heartbeat of every model of these that has a version in use."""
    found = []
    for name in names:
        version = version_in_use(name, now)
        if version is not None:
            found.append(heartbeat(name, version, now))
    return tuple(found)
