"""Every model as the console's first page lists it: in use or not, watched, alarmed, valid."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils.safestring import SafeString

from models.catalogue import definitions
from models.definition import Definition
from monitoring.alarms import OPEN_STATES, by_cause
from monitoring.console.trends import days_of, traffic_spark
from monitoring.heartbeat import (
    Heartbeat,
    heartbeat,
    last_run,
    models_in_records,
    version_in_use,
)
from monitoring.streams import TRAFFIC
from monitoring.validity import Validity, validity
from records.models import Alarm, MonitorRun, Prediction
from records.settings import Settings

MOST_REASONS = 3
GRAVEST = ("critical", "warning", "notice")


@dataclass(frozen=True)
class ModelSummary:
    """A model on the first page."""

    definition: Definition
    version: str | None
    predictions: int
    spark: SafeString
    alarms: tuple[Alarm, ...]
    validity: Validity
    run: MonitorRun | None
    beat: Heartbeat | None
    earlier: tuple[Alarm, ...]

    @property
    def watched(self) -> bool:
        """Return whether a day was closed; until then nothing is known of the people it meets."""
        return self.beat is not None and self.beat.closed_through is not None

    @property
    def reasons(self) -> tuple[str, ...]:
        """Return the gravest reasons for being outside the validated use; the rest are alarms."""
        return self.validity.reasons[:MOST_REASONS]

    @property
    def cases(self) -> list[tuple[Alarm, list[Alarm]]]:
        """Return the alarms that stand alone, each with those that follow from it."""
        return by_cause(self.alarms)

    @property
    def gravest(self) -> str | None:
        """Return the severity of the gravest open alarm."""
        found = {alarm.severity for alarm in self.alarms}
        return next((severity for severity in GRAVEST if severity in found), None)


def summaries(settings: Settings, now: datetime) -> list[ModelSummary]:
    """Return every known model, those with open alarms first."""
    known = definitions(settings.models)
    found = [summary(file.definition, now) for file in known.values()]
    return sorted(found, key=lambda one: (-len(one.cases), one.definition.title))


def undefined(settings: Settings) -> list[str]:
    """Return the models that the records know and whose definition isn't found."""
    known = definitions(settings.models)
    return [name for name in models_in_records() if name not in known]


def summary(definition: Definition, now: datetime) -> ModelSummary:
    """Summarise one model in use."""
    name = definition.name
    version = version_in_use(name, now)
    alarms = open_alarms(name, version)
    beat = heartbeat(name, version, now) if version else None
    days = days_of(name, version or "", [TRAFFIC]).get(TRAFFIC, [])
    recorded = Prediction.objects.filter(model=name, version=version or "", is_test=False)
    return ModelSummary(
        definition,
        version,
        recorded.count(),
        traffic_spark(days),
        tuple(alarms),
        validity(alarms),
        last_run(name, version),
        beat,
        tuple(earlier_alarms(name, version)),
    )


def earlier_alarms(name: str, version: str | None) -> Sequence[Alarm]:
    """Return what is still open of versions that are no longer in use, the newest first."""
    found = Alarm.objects.filter(model=name, state__in=OPEN_STATES)
    return list(found.exclude(version=version or "").order_by("-raised_on", "-pk"))


def open_alarms(name: str, version: str | None) -> Sequence[Alarm]:
    """Return a version's alarms that are not closed, the gravest and newest first."""
    found = Alarm.objects.filter(model=name, version=version or "", state__in=OPEN_STATES)
    return sorted(
        found, key=lambda alarm: (GRAVEST.index(alarm.severity), -alarm.raised_on.toordinal())
    )


def assurance(name: str, version: str | None) -> dict[str, Any]:
    """Return what the latest run that measured it says of a version's silence, or nothing."""
    runs = MonitorRun.objects.filter(
        model=name, version=version or "", summary__assurance__has_key="claim"
    )
    run = runs.order_by("-pk").first()
    found: dict[str, Any] = run.summary["assurance"] if run else {}
    return found


def by_site(assured: Mapping[str, Any]) -> list[tuple[str, list[dict[str, Any]]]]:
    """Return what each stream's silence is worth: first of all rows, then of each site's."""
    found: dict[str, list[dict[str, Any]]] = {}
    for one in assured.get("streams", {}).values():
        found.setdefault(one.get("site") or "", []).append(one)
    return sorted(found.items())
