"""Monitoring for the command: finds a version's reference, then hands over to monitoring."""

import re
import sys
import time
from collections.abc import Callable
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from auscult.database import close_connections, in_words
from auscult.screen import Step
from models.errors import AuscultError
from records.settings import Settings

if TYPE_CHECKING:
    from monitoring.job import MonitorResult
    from monitoring.periods import WindowLength
    from training.registry import RegisteredVersion

_INTERVAL = re.compile(r"(\d{1,4})([smhd])")
LONGEST_INTERVAL = timedelta(days=7)
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def yesterday(now: datetime) -> date:
    """Return the last day that has closed."""
    return now.date() - timedelta(days=1)


def monitor_model(
    name: str,
    version: str,
    through: date,
    *,
    settings: Settings,
    now: datetime,
    step: Step,
    interval: timedelta | None = None,
    window: "WindowLength | None" = None,
    replay: bool = False,
) -> "MonitorResult":
    """List what used corrected sources, then watch a registered version (or alias) through a day.

    The day must have closed. Listing comes first, so that it waits for nothing that watching does.
    Of a `replay` of years past it's the last day that there is.
    """
    from training.registry import download, find_version

    registered = find_version(name, version, settings=settings)
    place = settings.cache / "artefacts" / registered.artefact_digest
    artefact = download(registered, place, settings=settings)
    return list_and_watch(
        registered,
        artefact,
        through,
        settings=settings,
        now=now,
        step=step,
        interval=interval,
        window=window,
        replay=replay,
    )


def list_and_watch(
    registered: "RegisteredVersion",
    artefact: Path,
    through: date,
    *,
    settings: Settings,
    now: datetime,
    step: Step,
    interval: timedelta | None = None,
    window: "WindowLength | None" = None,
    replay: bool = False,
) -> "MonitorResult":
    """List and watch a version whose artefact was downloaded, and tell of what was found.

    Half a channel is refused before anything is listed. What was found is told at the end, even
    where watching fails, and watching waits for no receiver.
    """
    from models.profile import read_profile
    from monitoring.channels import open_channels
    from monitoring.job import monitor

    open_channels(settings)
    _list_affected(registered, artefact, now)
    try:
        result = monitor(
            registered.name,
            version=registered.version,
            profile=read_profile(artefact / "profile.json"),
            reference=artefact / "reference.parquet",
            through=through,
            settings=settings,
            now=now,
            progress=step,
            interval=interval,
            window=window,
            stops_early=through < yesterday(now) and not replay,
        )
    except Exception:
        _tell(registered, settings, now, interval)
        raise
    _tell(registered, settings, now, interval)
    return result


def _tell(
    registered: "RegisteredVersion", settings: Settings, now: datetime, interval: timedelta | None
) -> None:
    from monitoring.notices import notify_of

    delivered = notify_of(registered.name, registered.version, settings, now, interval)
    for fault in dict.fromkeys(delivered.faults):
        sys.stderr.write(f"auscult: a notification wasn't delivered and is kept: {fault}\n")


def _list_affected(registered: "RegisteredVersion", artefact: Path, now: datetime) -> None:
    from models.risk_model import RiskModel
    from monitoring.corrections import list_affected
    from records.corrections import unlisted

    if not unlisted(registered.name):
        return
    model = RiskModel.load(artefact, version=registered.version, digest=registered.artefact_digest)
    sys.stderr.write(f"auscult: {list_affected(model, now).words}\n")


def parse_interval(text: str) -> timedelta:
    """Read an interval such as 30m, 1h or 1d.

    Raises AuscultError for anything else and for more than a week: monitoring counts as overdue
    after two intervals, so that nobody would know for as long that nothing runs any more.
    """
    found = _INTERVAL.fullmatch(text)
    if found is None or not int(found[1]):
        raise AuscultError(f"{text!r} is no interval; give one such as 30m, 1h or 1d")
    interval = timedelta(**{_UNITS[found[2]]: int(found[1])})
    if interval > LONGEST_INTERVAL:
        raise AuscultError(
            f"{text!r} is longer than {LONGEST_INTERVAL.days}d, the longest interval: for twice as "
            f"long nobody would be told that nothing runs; give {LONGEST_INTERVAL.days}d or less"
        )
    return interval


def run_on(run: Callable[[], object], every: timedelta, wait: Callable[[float], None]) -> NoReturn:
    """Run at once and then again each interval; a later run that fails is told, and tried again.

    What nobody foresaw ends it all the same.
    """
    begun = time.monotonic()
    run()
    while True:
        wait(max(0.0, every.total_seconds() - (time.monotonic() - begun)))
        begun = time.monotonic()
        try:
            run()
        except Exception as error:
            words = in_words(error)
            if words is None:
                raise
            sys.stderr.write(f"auscult: {words}\n")
            close_connections()
