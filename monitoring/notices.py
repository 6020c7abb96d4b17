"""Telling people of new alarms and of predictions that were withdrawn, from what the records hold.

Each is told once, and an alarm once more each time that it is graver than ever before. A notice
says what the alarm says, and nothing of any patient.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from monitoring.alarms import OPEN_STATES, RANK, by_cause, where_words
from monitoring.channels import open_channels
from monitoring.corrections import Listed, open_listings
from monitoring.heartbeat import usual_interval
from monitoring.outbox import Delivery, Outbox
from monitoring.outcome_alarms import BY_OUTCOMES
from records.models import Alarm
from records.settings import Settings

RAISED, GRAVER = "alarm.raised", "alarm.graver"


def notify_of(
    model: str,
    version: str,
    settings: Settings,
    now: datetime,
    interval: timedelta | None = None,
) -> Delivery:
    """Tell of a version's open alarms, and of its model's withdrawn predictions that are open.

    All is looked for in the records, so that what an earlier run found and couldn't tell is told.
    An alarm waits until a run has found whether it follows from another one, but half an interval
    of the job at most (by default that of the last run): runs that keep failing silence none.
    """
    if not open_channels(settings):
        return Delivery(0, 0, ())
    outbox = Outbox(settings.outbox)
    for listed_at, listed in open_listings(model):
        notice = affected_notice(listed, model, version, settings, listed_at)
        outbox.keep(f"{notice['event']} {model} {notice['listed_at']}", notice, now)
    alarms = Alarm.objects.filter(model=model, version=version, state__in=OPEN_STATES)
    patience = (interval or usual_interval(model, version)) / 2
    ready = [
        alarm
        for alarm in alarms.order_by("raised_on", "pk")
        if _is_traced(alarm) or now - alarm.recorded_at >= patience
    ]
    return notify(ready, settings, now)


def notify(alarms: Iterable[Alarm], settings: Settings, now: datetime) -> Delivery:
    """Put a notice of every alarm that stands alone into the outbox, and deliver what is due.

    An alarm that has become graver than it was ever told to be is told again. Without a webhook and
    a mail server there is nobody to tell, and nothing is kept.
    """
    channels = open_channels(settings)
    if not channels:
        return Delivery(0, 0, ())
    outbox = Outbox(settings.outbox)
    for alarm, consequences in by_cause(alarms):
        notice = notice_of(alarm, consequences, settings)
        if not outbox.keep(_name(notice), notice, now):
            _keep_rise(outbox, notice, now)
    return outbox.deliver(channels, now)


def notice_of(alarm: Alarm, consequences: list[Alarm], settings: Settings) -> dict[str, Any]:
    """Return what is told of an alarm, as JSON may hold it."""
    base = (settings.console_url or "").rstrip("/")
    return {
        "event": RAISED,
        "alarm": alarm.pk,
        "model": alarm.model,
        "version": alarm.version,
        "severity": alarm.severity,
        "kind": alarm.kind,
        "summary": alarm.summary,
        "since": alarm.since.isoformat() if alarm.since else None,
        "raised_on": alarm.raised_on.isoformat(),
        "where": where_words(alarm),
        "follows_from_it": [one.summary for one in consequences],
        "link": f"{base}/alarms/{alarm.pk}/" if base else None,
    }


def affected_notice(
    listed: Listed, model: str, version: str, settings: Settings, listed_at: datetime
) -> dict[str, Any]:
    """Return what is told of predictions that were withdrawn, as JSON may hold it."""
    base = (settings.console_url or "").rstrip("/")
    return {
        "event": "predictions.withdrawn",
        "alarm": None,
        "listed_at": listed_at.isoformat(),
        "model": model,
        "version": version,
        "severity": "critical" if listed.band_changes or listed.unscored else "warning",
        "kind": "corrected sources",
        "summary": f"{listed.words}.",
        "since": None,
        "raised_on": listed_at.date().isoformat(),
        "where": [],
        "follows_from_it": [],
        "link": f"{base}/models/{model}/corrections/" if base else None,
    }


def _is_traced(alarm: Alarm) -> bool:
    """Say whether it was found what an alarm follows from; one on outcomes follows from none."""
    return alarm.stream in BY_OUTCOMES or "follows" in alarm.details


def _keep_rise(outbox: Outbox, notice: Mapping[str, Any], now: datetime) -> None:
    """Keep a notice that an alarm is graver than all that was told or waits of it."""
    first = outbox.kept(_name(notice), notice)
    told = [first["notice"]["severity"]] if first else []
    rises = [{**notice, "event": GRAVER, "severity": severity} for severity in RANK]
    told += [rise["severity"] for rise in rises if outbox.kept(_name(rise), rise)]
    graver = all(RANK[notice["severity"]] > RANK[severity] for severity in told)
    if told and graver:
        was = max(told, key=RANK.__getitem__)
        rise = {**notice, "event": GRAVER, "was": was}
        outbox.keep(_name(rise), rise, now)


def _name(notice: Mapping[str, Any]) -> str:
    """Return the name of a notice, the same for all that say the same of one alarm."""
    key = f"{notice['event']} {notice['model']} {notice['version']} {notice['alarm']}"
    return f"{key} {notice['severity']}" if notice["event"] == GRAVER else key
