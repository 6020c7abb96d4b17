"""Monitoring for the command: finds a version's reference, then hands over to monitoring."""

from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING

from auscult.screen import Step
from records.settings import Settings

if TYPE_CHECKING:
    from monitoring.job import MonitorResult


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
) -> "MonitorResult":
    """Monitor a registered version (or alias) through a day that has closed."""
    from models.profile import read_profile
    from monitoring.job import monitor
    from training.registry import download, find_version

    registered = find_version(name, version, settings=settings)
    place = settings.cache / "artefacts" / registered.artefact_digest
    artefact = download(registered, place, settings=settings)
    return monitor(
        name,
        version=registered.version,
        profile=read_profile(artefact / "profile.json"),
        reference=artefact / "reference.parquet",
        through=through,
        settings=settings,
        now=now,
        progress=step,
    )
