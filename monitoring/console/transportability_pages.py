"""The page of transportability: who was met in the first weeks, beside whom training knew."""

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from monitoring.console.accounts import viewers
from monitoring.console.model_pages import known_definition
from monitoring.heartbeat import version_in_use
from monitoring.transportability import by_size, found_at_commissioning


@require_safe
@viewers
def page(request: HttpRequest, name: str) -> HttpResponse:
    """Show the effect sizes of the version in use, the largest first."""
    definition = known_definition(name)
    version = version_in_use(name, timezone.now()) or ""
    found = found_at_commissioning(name, version)
    context = {
        "definition": definition,
        "version": version,
        "found": found,
        "contrasts": by_size(found),
    }
    return render(request, "console/transportability.html", context)


@require_safe
@viewers
def as_json(request: HttpRequest, name: str) -> HttpResponse:
    """Give the same as JSON."""
    known_definition(name)
    version = version_in_use(name, timezone.now()) or ""
    return JsonResponse(
        {"model": name, "version": version, **found_at_commissioning(name, version)}
    )
