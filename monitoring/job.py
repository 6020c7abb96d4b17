"""The monitoring job: closes recorded days, weighs their evidence and raises alarms."""

import hashlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

from django.db import transaction

from models.definition import Definition, parse_definition
from models.errors import ArtefactError, RecordError
from models.profile import ReferenceProfile
from monitoring import batches, chapters, retraining, sites, wards, windows
from monitoring import ledger as books
from monitoring.alarms import OPEN_STATES
from monitoring.cases import Cases
from monitoring.closing import Job, close_rows, late_counts, late_reports, watch_traffic
from monitoring.consequences import Consequences
from monitoring.due_outcomes import Weighed
from monitoring.explained import settle
from monitoring.followed import follow
from monitoring.heartbeat import STOPPED_EARLY
from monitoring.late_rows import LateRows
from monitoring.ledger import Ledger
from monitoring.outcome_alarms import BY_OUTCOMES, watch_outcomes
from monitoring.over_time import performance_over_time, windows_in
from monitoring.patient_ids import shared_id
from monitoring.performance import WindowPerformance
from monitoring.periods import Choice, WindowLength, choose
from monitoring.report import Report, write_for_people
from monitoring.transportability import found_at_commissioning, transportability
from monitoring.unmuting import lift
from monitoring.watchlist import watched_streams
from monitoring.whereabouts import Whereabouts
from records.agreement.alarms import note_alarms, words_of
from records.agreement.runs import note_run
from records.models import Alarm, MonitorRun
from records.retraining import open_request
from records.settings import Settings

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class MonitorResult:
    """What a run saw: all alarms that it raised, those open now, and where the report lies.

    `weighed` are the rows of the predictions that were weighed, the first of each stay; `closed`
    whether any day is. `fault` says why what people read couldn't be written, which nothing else
    waits for, `shared_id` that most predictions carry one patient id; both are empty else.
    """

    alarms: tuple[Alarm, ...]
    open_alarms: tuple[Alarm, ...]
    report_path: Path | None
    days: int
    predictions: int
    late: int
    weighed: int
    closed: bool
    fault: str = ""
    shared_id: str = ""


def monitor(
    name: str,
    *,
    version: str,
    profile: ReferenceProfile,
    reference: Path,
    through: date,
    settings: Settings,
    now: datetime,
    progress: Progress,
    with_reports: bool = True,
    interval: timedelta | None = None,
    window: WindowLength | None = None,
    stops_early: bool = False,
) -> MonitorResult:
    """Watch a model version through a closed day; a run over the same days changes nothing.

    `reference` is the version's `reference.parquet`, beside which its `model.toml` lies. Reports
    take seconds a year, so a run that only looks for alarms may go without. `interval` is when
    the next run is due, if it's known; from the second that is missed, monitoring counts as dead.
    `window` is the length of the windows of performance, where it isn't to be the definition's.
    `stops_early` tells that later days have ended: such a run is no sign of life, nor is one
    through a day before what is closed already.
    """
    begun = time.monotonic()
    if through >= now.date():
        raise RecordError(f"{through} hasn't closed yet (UTC); watch through an earlier day")
    definition = read_watched_definition(name, profile, reference)
    watched = watched_streams(definition, profile)
    job = Job(definition, version, watched, Cases(definition, version, watched, reference), now)
    ledger = books.load(name, version, watched)
    plan = windows.plan(name, version, ledger.closed_through, through)
    stops_early |= ledger.closed_through is not None and through < ledger.closed_through
    run = MonitorRun.objects.create(model=name, version=version, started_at=now)
    closed = _close(job, ledger, plan, progress)
    shared = shared_id(name, version, closed.through)
    _refresh(job, ledger)
    performance = _follow(job, ledger, settings.cache, window, progress)
    raised = [*closed.alarms, *performance.alarms]
    lift(job, ledger)
    _ask_to_retrain(job, performance.windows)
    years = closed.through if with_reports else None
    reports, fault = write_for_people(definition, version, reference, years, settings, progress)
    assured = _assure(job, ledger) if years is not None else {}
    run.summary = {
        "interval_s": interval.total_seconds() if interval else 0,
        "assurance": assured,
        **performance.to_dict(),
        "transportability": _commission(job, profile),
        "reports": [report.to_dict() for report in reports],
        "late": sum(plan.late.values()),
        "alarms": len(raised),
        "shared_id": shared.to_dict() if shared else {},
        **({STOPPED_EARLY: through.isoformat()} if stops_early else {}),
    }
    return replace(
        _finish(job, run, plan, closed, raised, reports, begun),
        fault=fault,
        shared_id=shared.words if shared else "",
    )


@dataclass(frozen=True)
class Performance:
    """How the version's risks agree with outcomes, and the alarms that rest on these."""

    choice: Choice
    windows: Sequence[WindowPerformance]
    alarms: Sequence[Alarm]
    weighed: Weighed

    def to_dict(self) -> dict[str, Any]:
        """Return plain values that JSON can hold."""
        return {
            "outcomes": self.weighed.to_dict(),
            "performance_window": vars(self.choice),
            "performance": [window.to_dict() for window in self.windows],
        }


def _follow(
    job: Job, ledger: Ledger, place: Path, window: WindowLength | None, progress: Progress
) -> Performance:
    """Judge performance and calibration; what they rest on is let go of before reports are made."""
    runs = MonitorRun.objects.filter(model=job.model, version=job.version)
    last = runs.exclude(finished_at=None).order_by("-pk").first()
    today = job.now.date()
    with follow(job.definition, job.version, place) as followed:
        choice = choose(job.definition, followed.tallies, today)
        if window is not None:
            choice = Choice(window, "it was asked for")
        windows = performance_over_time(
            job.definition,
            followed,
            choice,
            today,
            earlier=windows_in(last.summary) if last else (),
            progress=progress,
        )
        watched_through = ledger.closed_through or date.min
        return Performance(choice, windows, *watch_outcomes(job, followed, watched_through))


def _ask_to_retrain(job: Job, windows: Sequence[WindowPerformance]) -> None:
    """Open a request to retrain where a trigger of the definition says so."""
    found = Alarm.objects.filter(model=job.model, version=job.version, state__in=OPEN_STATES)
    causes = retraining.causes(
        job.definition, job.version, list(found.order_by("pk")), windows, job.now
    )
    open_request(job.model, job.version, causes, job.now)


def _commission(job: Job, profile: ReferenceProfile) -> dict[str, Any]:
    """Compare local people with training's once; later runs leave what was found as it is."""
    found = found_at_commissioning(job.model, job.version)
    return {} if "contrasts" in found else transportability(job.definition, job.version, profile)


def _assure(job: Job, ledger: Ledger) -> dict[str, Any]:
    # its statistics take a second to load, which the console doesn't need
    from monitoring.assurance import assurances, overall_claim

    through = ledger.closed_through or job.now.date()
    found = assurances(job.watched, ledger, job.budget, through)
    return {
        "claim": overall_claim(list(found.values()), job.budget),
        "shared_by": job.budget.streams,
        "streams": {key: assurance.to_dict() for key, assurance in found.items()},
    }


def read_watched_definition(name: str, profile: ReferenceProfile, reference: Path) -> Definition:
    """Read the definition that a version was trained with, from beside its reference."""
    path = reference.with_name("model.toml")
    if not path.is_file() or not reference.is_file():
        raise ArtefactError(f"{path.parent}: reference.parquet and model.toml must lie together")
    text = path.read_bytes()
    definition = parse_definition(text, source=str(path))
    if hashlib.sha256(text).hexdigest() != profile.definition_digest:
        raise ArtefactError(f"{path}: the reference profile was made for another definition")
    if name != definition.name:
        raise ArtefactError(f"{path}: this is the definition of {definition.name}, not of {name}")
    return definition


@dataclass(frozen=True)
class Closed:
    """What closing days came to: alarms, predictions, rows weighed of them, and the last day."""

    alarms: Sequence[Alarm]
    predictions: int
    weighed: int
    through: date | None


def _close(job: Job, ledger: Ledger, plan: windows.Plan, progress: Progress) -> Closed:
    """Close every batch of days, each written whole or not at all."""
    raised: list[Alarm] = []
    seen = weighed = done = 0
    for first, last in plan.batches:
        settled: list[Alarm] = []
        late = LateRows()
        if not done:
            settled = settle(job, ledger)
            late = late_counts(job, ledger, plan.late)
            if ledger.closed_through:
                late_reports(job, ledger, first, late)
        requests, stays = books.traffic(ledger), sites.stays_by_site(ledger)
        reports = wards.reports_by_ward(ledger)
        news: list[Alarm] = []
        for day, rows in windows.rows_by_day(job.definition, job.version, first, last):
            sites.open_due(job.watched, ledger, day, stays)
            stays += sites.note_sites(ledger, day, rows)
            wards.open_due(job.watched, ledger, day, reports)
            reports += wards.note_wards(ledger, day, rows.reports)
            news += close_rows(job, ledger, day, rows, late)
            news += watch_traffic(job, ledger, day, rows, requests)
            late = LateRows()
            seen += rows.answered
            weighed += rows.margin.size
            done += 1
            progress("closing days", done, plan.days)
        batches.write(ledger, job.watched, last, [*settled, *news], job.now)
        raised += news
    return Closed(raised, seen, weighed, ledger.closed_through)


def _refresh(job: Job, ledger: Ledger) -> None:
    """Bring the figures of open alarms up to the last closed day; the same days, the same words."""
    if ledger.closed_through is None:
        return
    found = Alarm.objects.filter(model=job.model, version=job.version, state__in=OPEN_STATES)
    still_open = list(found.exclude(stream__in=BY_OUTCOMES).order_by("pk"))
    for alarm in still_open:
        if not chapters.is_ended(alarm):  # its reference may be another by now
            job.cases.describe(alarm, ledger, ledger.closed_through)
    Consequences(job.cases, ledger, job.budget, ledger.closed_through).find(still_open)
    Whereabouts(job.cases, ledger, ledger.closed_through).find(still_open)
    with transaction.atomic():
        before = words_of(still_open)
        for alarm in still_open:
            alarm.save(update_fields=batches.DESCRIBED)
        note_alarms(still_open, job.now, before)


def _finish(
    job: Job,
    run: MonitorRun,
    plan: windows.Plan,
    closed: Closed,
    raised: Sequence[Alarm],
    reports: tuple[Report, ...],
    begun: float,
) -> MonitorResult:
    latest = reports[-1].path if reports else None
    new = {alarm.pk for alarm in raised}
    run.first_day = plan.batches[0][0] if plan.batches else None
    run.last_day = plan.batches[-1][1] if plan.batches else None
    run.predictions = closed.predictions
    run.report = latest.name if latest else ""
    run.finished_at = job.now + timedelta(seconds=time.monotonic() - begun)
    with transaction.atomic():
        run.save()
        note_run(run, job.now)
    found = Alarm.objects.filter(model=job.model, version=job.version, state__in=OPEN_STATES)
    still_open = tuple(found.order_by("raised_on", "pk"))
    return MonitorResult(
        alarms=tuple(alarm for alarm in still_open if alarm.pk in new),
        open_alarms=still_open,
        report_path=latest,
        days=plan.days,
        predictions=closed.predictions,
        late=sum(plan.late.values()),
        weighed=closed.weighed,
        closed=closed.through is not None,
    )
