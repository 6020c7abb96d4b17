"""The pages of models: all of them, and one with its traffic, drift, alarms and performance."""

from typing import Any

from django.conf import settings as django_settings
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from models.catalogue import definitions
from models.definition import Definition
from monitoring.console.accounts import viewers
from monitoring.console.overview import (
    ModelSummary,
    assurance,
    by_site,
    summaries,
    summary,
    undefined,
)
from monitoring.console.performance_tables import performance_tables
from monitoring.console.references import references
from monitoring.console.trends import (
    Drawn,
    days_of,
    draw,
    draw_features,
    quantities,
    traffic_by_month,
)
from monitoring.dossier import Dossier, find_dossier
from monitoring.feedback import feedback
from monitoring.flags import FLAGS
from monitoring.override_streams import OVERRIDES
from monitoring.sites import standing
from monitoring.streams import TRAFFIC, site_of
from monitoring.wards import watched_since
from records import corrections, tenure
from records.models import Alarm, RetrainingRequest, Tenure
from records.settings import Settings

CLOSED_SHOWN = 10
SITES_SHOWN = 50


@require_safe
@viewers
def all_models(request: HttpRequest) -> HttpResponse:
    """Show every model."""
    settings = auscult_settings()
    context = {
        "models": summaries(settings, timezone.now()),
        "undefined": undefined(settings),
    }
    return render(request, "console/models.html", context)


@require_safe
@viewers
def one_model(request: HttpRequest, name: str) -> HttpResponse:
    """Show one model in use."""
    settings = auscult_settings()
    definition = known_definition(name)
    overview = summary(definition, timezone.now())
    dossier = find_dossier(settings, name, overview.version or "")
    assured = assurance(name, overview.version)
    context = {
        "model": overview,
        "definition": definition,
        "dossier": dossier,
        "review_overdue": definition.review_by < timezone.now().date(),
        "tenures": tenure.history(name)[:CLOSED_SHOWN],
        "closed": Alarm.objects.filter(model=name, state="closed").order_by("-raised_on")[
            :CLOSED_SHOWN
        ],
        "performance": performance_tables(
            dossier.definition if dossier else definition, overview.run
        ),
        "assurance": assured,
        "silence": by_site(assured),
        "references": references(name, overview.version, assured),
        "retraining_open": RetrainingRequest.objects.filter(model=name, decision="").exists(),
        "feedback": feedback(definition, overview.version),
        "wards_watched": watched_since(name, overview.version or ""),
        "corrections_open": corrections.open_of(name).count(),
        "links": outside_links(settings, overview, tenure.history(name)),
        **(_trends(overview, dossier) if dossier else {}),
    }
    return render(request, "console/model.html", context)


def auscult_settings() -> Settings:
    """Return the settings that the console was started with."""
    settings: Settings = django_settings.AUSCULT
    return settings


def known_definition(name: str) -> Definition:
    """Return a model's definition, or answer that there is none."""
    found = definitions(auscult_settings().models).get(name)
    if found is None:
        raise Http404(f"there is no model {name}")
    return found.definition


def _trends(overview: ModelSummary, dossier: Dossier) -> dict[str, Any]:
    name, version = overview.definition.name, overview.version or ""
    known = quantities(dossier.definition, dossier.profile)
    days = days_of(name, version, [*known, TRAFFIC])
    alarms: dict[str, list[Alarm]] = {}
    for alarm in overview.alarms:
        alarms.setdefault(alarm.stream, []).append(alarm)
    scores: list[Drawn] = [
        draw(quantity, days.get(key, ()), alarms.get(key, ()))
        for key, quantity in known.items()
        if key == "score" or key.startswith("alerts:")
    ]
    others = [
        draw(quantity, days[key], alarms.get(key, ()))
        for key, quantity in known.items()
        if key.startswith((FLAGS, OVERRIDES)) and key in days
    ]
    return {
        "features": draw_features(dossier.definition, known, days, alarms),
        "scores": scores,
        "others": others,
        "sites": [
            (site, sum(site_of(alarm.stream) == site.name for alarm in overview.alarms))
            for site in standing(name, version)[:SITES_SHOWN]
        ],
        "traffic": traffic_by_month(days.get(TRAFFIC, [])),
    }


def outside_links(
    settings: Settings, overview: ModelSummary, tenures: list[Tenure]
) -> dict[str, str]:
    """Return the links to MLflow and Evidently, where their addresses are set."""
    links = {}
    if settings.mlflow_url:
        base = settings.mlflow_url.rstrip("/")
        runs = [t.evidence.get("run_id") for t in tenures if t.version == overview.version]
        run = next((run for run in runs if run), None)
        version = f"/#/models/{overview.definition.name}/versions/{overview.version}"
        links["MLflow run"] = f"{base}/#/runs/{run}" if run else f"{base}{version}"
    if settings.evidently_url:
        links["Evidently, all reports"] = settings.evidently_url.rstrip("/")
    return links
