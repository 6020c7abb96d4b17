"""The page of one prediction: its explanation, what was found in its inputs, its provenance."""

from dataclasses import dataclass
from uuid import UUID

import numpy as np
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.safestring import SafeString
from django.views.decorators.http import require_safe

from models.definition import Definition
from models.errors import RecordError
from models.feature import Feature
from monitoring.console.accounts import person, viewers
from monitoring.console.charts import Bar, Step, waterfall, waterfall_bar
from monitoring.console.forms import FindForm
from monitoring.console.model_pages import auscult_settings, known_definition
from monitoring.console.wording import with_unit
from monitoring.dossier import find_dossier
from records import audit
from records.models import Prediction


@dataclass(frozen=True)
class Part:
    """A feature's part of the explanation, worded and drawn."""

    bar: Bar
    chart: SafeString


@require_safe
@viewers
def find_prediction(request: HttpRequest) -> HttpResponse:
    """Go to the prediction whose id was entered."""
    form = FindForm(request.GET or None)
    if form.is_valid():
        return redirect("prediction", prediction_id=form.cleaned_data["id"])
    return render(request, "console/find.html", {"form": form}, status=422 if form.errors else 200)


@require_safe
@viewers
def one_prediction(request: HttpRequest, prediction_id: UUID) -> HttpResponse:
    """Show a prediction without anything that identifies the patient, and note who looked."""
    found = get_object_or_404(Prediction, pk=prediction_id)
    audit.note(
        "prediction.read",
        person(request).get_username(),
        {"prediction": str(prediction_id)},
        timezone.now(),
    )
    definition = _definition(found)
    context = {
        "prediction": found,
        "definition": definition,
        "band": next((band for band in definition.bands if band.name == found.band), None),
        "parts": explanation(found, definition),
    }
    return render(request, "console/prediction.html", context)


def _definition(found: Prediction) -> Definition:
    dossier = find_dossier(auscult_settings(), found.model, found.version)
    return dossier.definition if dossier else known_definition(found.model)


def explanation(found: Prediction, definition: Definition) -> list[Part]:
    """Return every feature's contribution, the largest first."""
    contributions = np.frombuffer(bytes(found.contributions), dtype="<f8")
    if contributions.size != len(definition.features):
        raise RecordError(
            f"prediction {found.pk} has {contributions.size} contributions, its definition "
            f"{len(definition.features)} features"
        )
    steps = [
        Step(feature.title, value_words(feature, found.features.get(feature.name)), float(part))
        for feature, part in zip(definition.features, contributions, strict=True)
    ]
    steps.sort(key=lambda step: -abs(step.contribution))
    return [Part(bar, waterfall_bar(bar)) for bar in waterfall(found.base, steps)]


def value_words(feature: Feature, value: float | str | None) -> str:
    """Word a feature's value with its unit."""
    if value is None:
        return "missing"
    if isinstance(value, str):
        return feature.categories.get(value, value)
    return with_unit(value, feature.decimals, feature.unit)
