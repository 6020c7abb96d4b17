"""Whether monitoring itself is alive: completed in time, over the version that answers, and heard.

A feed that fell silent, a version that gets no requests while another answers them, and one most of
whose predictions carry one patient id, aren't.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from django.db.models import Max

from monitoring.alarms import OPEN_STATES, by_cause
from monitoring.answering import answering
from monitoring.patient_ids import SharedId
from monitoring.streams import TRAFFIC
from records import tenure
from records.models import Alarm, MonitorRun, Stream, Tenure

CHAMPION = "champion"
# in the summary of a run that was asked for days before the last that could be closed
STOPPED_EARLY = "stopped_early"
# how often the job runs where it wasn't told; one run may be missed, then nobody should rely on it
EACH_DAY = timedelta(days=1)
MISSED = 2
# by so much may the clocks of two machines differ
CLOCKS_APART = timedelta(minutes=10)


@dataclass(frozen=True)
class Heartbeat:
    """When a version was last watched, how often it should be, and what is wrong with that.

    `answered_by` are other versions that answer requests, of which `unwatched` are those that
    nobody watches; their open alarms are among `alarms`. `unheard` tells that this one was never
    asked; `dated_ahead` that the last run is dated later than now, and `closed_ahead` that days are
    closed which haven't ended: a clock was wrong. `stopped_at` is the day at which the last run was
    told to stop, if later ones had ended. `shared_id` says that most of the latest predictions
    carry one patient id, if they do.
    """

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
    outcomes_censored: int = 0
    outcomes_weighed: int = 0
    outcomes_doubts: tuple[str, ...] = ()
    answered_by: tuple[str, ...] = ()
    unwatched: tuple[str, ...] = ()
    unheard: bool = False
    dated_ahead: bool = False
    closed_ahead: bool = False
    stopped_at: str = ""
    shared_id: str = ""

    @property
    def alive(self) -> bool:
        """Whether silence of this version's alarms means anything."""
        return not self.faults

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
    def outcomes_lost(self) -> str:
        """Say which part of the due outcomes is censored, where all are weighed and any is."""
        if not self.outcomes_censored or self._left_out:
            return ""
        share = per_cent(self.outcomes_censored, self.outcomes_due)
        return f"{share} of due outcomes were lost before the horizon, and are weighted for"

    @property
    def _left_out(self) -> str:
        if self.outcomes_weighed == self.outcomes_due:
            return ""
        share = f"{per_cent(self.outcomes_unreported, self.outcomes_due)} of due outcomes"
        lost = per_cent(self.outcomes_censored, self.outcomes_due)
        rest = f", {lost} lost before the horizon" if self.outcomes_censored else ""
        if self.outcomes_unwatched:
            return f"calibration and discrimination are not watched: {share} unreported{rest}"
        left_out = per_cent(self.outcomes_due - self.outcomes_weighed, self.outcomes_due)
        return (
            "calibration and discrimination are watched in part: "
            f"{left_out} of due predictions left out, {share} unreported{rest}"
        )

    @property
    def faults(self) -> tuple[str, ...]:
        """Say what is wrong, in words for people."""
        faults = []
        last = f"{self.finished_at:%Y-%m-%d %H:%M} UTC" if self.finished_at else "never"
        if self.dated_ahead:
            faults.append(
                f"the last run is dated {last}, which is later than now: a clock was or is wrong; "
                "set it and run again"
            )
        elif self.overdue:
            until = (
                f"; the last run was told to stop at {self.stopped_at}" if self.stopped_at else ""
            )
            faults.append(f"monitoring is overdue: last completed {last}{until}")
        if self.closed_ahead:
            faults.append(
                f"days are closed through {self.closed_through}, which hasn't ended: a run had a "
                "wrong clock, and what comes until then isn't weighed; register the version anew"
            )
        if self.silent_since is not None:
            faults.append(f"no request has come since {self.silent_since.isoformat()}")
        if self.unheard:
            faults.append(f"no request has come to version {self.version}")
        if self.shared_id:
            faults.append(self.shared_id)
        return (*faults, *self.serving_faults)

    @property
    def serving_faults(self) -> tuple[str, ...]:
        """Say which other versions answer requests while nobody watches them."""
        return tuple(
            f"requests are answered by version {one}, which isn't watched: package and serve "
            f"version {self.version}, or watch the other by `auscult monitor {self.model} "
            f"--version {one}`"
            for one in self.unwatched
        )


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
    run, pulse = last_run(name, version), _pulse(name, version)
    answers = answering(name)
    others = tuple(sorted(answers - {version}))
    alarms = Alarm.objects.filter(model=name, version__in=[version, *others], state__in=OPEN_STATES)
    own = alarms.filter(version=version, stream=TRAFFIC)
    outcomes = run.summary.get("outcomes", {}) if run else {}
    shared = run.summary.get("shared_id") if run else None
    closed_through = Stream.objects.filter(model=name, version=version).aggregate(
        last=Max("closed_through")
    )["last"]
    return Heartbeat(
        name,
        version,
        pulse.finished_at if pulse else None,
        pulse.interval if pulse else EACH_DAY,
        closed_through,
        pulse is None or pulse.missed(now),
        next((alarm.since for alarm in own), None),
        tuple(alarm for alarm, _ in by_cause(alarms.order_by("raised_on", "pk"))),
        outcomes.get("due", 0),
        outcomes.get("unreported", 0),
        outcomes.get("censored", 0),
        outcomes.get("weighed", 0),
        tuple(outcomes.get("doubts", ())),
        others,
        tuple(one for one in others if not _watched_since(name, one, version, now)),
        closed_through is None and version not in answers,
        pulse is not None and pulse.is_ahead(now),
        closed_through is not None and closed_through >= (now + CLOCKS_APART).date(),
        run.summary.get(STOPPED_EARLY, "") if run else "",
        SharedId(**shared).words if shared else "",
    )


def usual_interval(name: str, version: str) -> timedelta:
    """Return how often a version's job runs, as far as its last runs tell; a day where none do."""
    pulse = _pulse(name, version)
    return pulse.interval if pulse else EACH_DAY


@dataclass(frozen=True)
class _Pulse:
    """The last run that kept monitoring going, and how soon the next one is due."""

    started_at: datetime
    finished_at: datetime | None
    interval: timedelta

    def missed(self, now: datetime) -> bool:
        """Whether more than one run is overdue, or this one is dated later than now."""
        return self.is_ahead(now) or now - self.started_at > MISSED * self.interval

    def is_ahead(self, now: datetime) -> bool:
        """Whether it is dated later than now."""
        return self.started_at - now > CLOCKS_APART


def _pulse(name: str, version: str) -> _Pulse | None:
    """Find the last run that didn't stop before the last day; None where there is none.

    One that was told no interval, by hand as well as by cron, leaves that of the one before it: a
    single run in between doesn't make up for a job that should run each hour.
    """
    finished = MonitorRun.objects.filter(model=name, version=version, finished_at__isnull=False)
    last = list(
        finished.exclude(summary__has_key=STOPPED_EARLY)
        .order_by("-pk")
        .values_list("started_at", "finished_at", "summary__interval_s")[:2]
    )
    if not last:
        return None
    started_at, finished_at, _ = last[0]
    told = next((seconds for *_, seconds in last if seconds), 0)
    return _Pulse(started_at, finished_at, timedelta(seconds=told) or EACH_DAY)


def _watched_since(name: str, other: str, version: str, now: datetime) -> bool:
    """Say whether another version goes on being watched since this one came into use."""
    pulse = _pulse(name, other)
    if pulse is None or pulse.missed(now):
        return False
    champion = tenure.tenure_at(name, CHAMPION, now)
    if champion is not None and champion.version == version:
        return pulse.started_at > champion.since
    first = MonitorRun.objects.filter(model=name, version=version).order_by("pk").first()
    return first is None or pulse.started_at > first.started_at


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
