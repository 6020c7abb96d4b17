"""What Prometheus may scrape of monitoring; no label names anything but models and severities."""

from collections import Counter

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.http import require_safe
from prometheus_client import CollectorRegistry, Gauge, generate_latest

from monitoring.heartbeat import Heartbeat, heartbeats, models_in_records
from records import corrections
from records.clients import authenticate

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
SEVERITIES = ("critical", "warning", "notice")


@login_not_required
@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """Answer a client whose API key has the scope `read` with the state of monitoring."""
    now = timezone.now()
    scheme, _, key = request.headers.get("Authorization", "").partition(" ")
    client = authenticate(key, now) if scheme == "Bearer" else None
    if client is None or "read" not in client.scopes:
        status = 401 if client is None else 403
        return HttpResponse("an API key with the scope `read` is needed\n", status=status)
    return HttpResponse(exposed(heartbeats(models_in_records(), now)), content_type=CONTENT_TYPE)


def exposed(found: tuple[Heartbeat, ...]) -> bytes:
    """Return the state of monitoring in Prometheus' text format."""
    registry = CollectorRegistry()

    def gauge(name: str, about: str, *labels: str) -> Gauge:
        return Gauge(f"auscult_{name}", about, ("model", "version", *labels), registry=registry)

    overdue = gauge("monitor_overdue", "1 where the job didn't complete within its interval")
    silent = gauge("feed_silent", "1 where requests stopped")
    elsewhere = gauge("version_unwatched", "1 where one answers that nobody watches")
    shared = gauge("patient_id_shared", "1 where most of 28 days' predictions carry one patient id")
    unwatched = gauge("outcomes_unwatched", "1 where outcomes are due and none is weighed")
    unreported = gauge("outcomes_unreported_ratio", "Of outcomes due lately, the share unreported")
    censored = gauge(
        "outcomes_censored_ratio", "Of outcomes due lately, the share lost before the horizon"
    )
    completed = gauge("monitor_completed_seconds", "When the job last completed, Unix time")
    affected = gauge("corrections_open", "Predictions on corrected sources not seen to yet")
    alarms = gauge("alarms_open", "Open alarms that follow from no other", "severity")
    for one in found:
        overdue.labels(one.model, one.version).set(one.overdue)
        silent.labels(one.model, one.version).set(one.silent_since is not None or one.unheard)
        for version in one.answered_by:
            elsewhere.labels(one.model, version).set(version in one.unwatched)
        shared.labels(one.model, one.version).set(bool(one.shared_id))
        unwatched.labels(one.model, one.version).set(one.outcomes_unwatched)
        if due := one.outcomes_due:
            unreported.labels(one.model, one.version).set(one.outcomes_unreported / due)
            censored.labels(one.model, one.version).set(one.outcomes_censored / due)
        affected.labels(one.model, one.version).set(corrections.open_of(one.model).count())
        if one.finished_at is not None:
            completed.labels(one.model, one.version).set(one.finished_at.timestamp())
        for version in (one.version, *one.answered_by):
            graded = Counter(alarm.severity for alarm in one.alarms if alarm.version == version)
            for severity in SEVERITIES:
                alarms.labels(one.model, version, severity).set(graded[severity])
    return generate_latest(registry)
