"""Reports and model cards: pages made elsewhere, shown in a sandbox of their own."""

from pathlib import Path

import markdown
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.clickjacking import xframe_options_sameorigin
from django.views.decorators.http import require_safe

from models.catalogue import definitions
from monitoring.console.accounts import viewers
from monitoring.console.model_pages import auscult_settings, known_definition
from monitoring.dossier import Dossier, find_dossier

# the sandbox has an origin of its own: its scripts reach neither the session nor any address
SANDBOX = (
    "sandbox allow-scripts; default-src 'none'; script-src 'unsafe-inline' 'unsafe-eval'; "
    "style-src 'unsafe-inline'; img-src data: blob:; font-src data:; worker-src blob:; "
    "frame-ancestors 'self'"
)


@require_safe
@viewers
def report_page(request: HttpRequest, name: str, version: str, year: int) -> HttpResponse:
    """Show a year's Evidently report inside the console."""
    dossier = _dossier(name, version)
    if dossier.report(year) is None:
        raise Http404("there is no report of this year")
    context = {"definition": dossier.definition, "version": version, "year": year}
    return render(request, "console/report.html", {**context, "years": dossier.years})


@require_safe
@viewers
@xframe_options_sameorigin
def report_file(request: HttpRequest, name: str, version: str, year: int) -> HttpResponse:
    """Give the report itself, in its sandbox."""
    path = _dossier(name, version).report(year)
    if path is None:
        raise Http404("there is no report of this year")
    return _sandboxed(path)


@require_safe
@viewers
def card_page(request: HttpRequest, name: str, version: str) -> HttpResponse:
    """Show a version's model card inside the console."""
    definition = known_definition(name)
    dossier = find_dossier(auscult_settings(), name, version)
    written = definitions(auscult_settings().models)[name].card
    context = {
        "definition": definition,
        "version": version,
        "trained": dossier is not None and dossier.card is not None,
        "written": markdown.markdown(written, extensions=["tables"]),
    }
    return render(request, "console/card.html", context)


@require_safe
@viewers
@xframe_options_sameorigin
def card_file(request: HttpRequest, name: str, version: str) -> HttpResponse:
    """Give the card that training wrote, in its sandbox."""
    path = _dossier(name, version).card
    if path is None:
        raise Http404("this version has no card")
    return _sandboxed(path)


def _dossier(name: str, version: str) -> Dossier:
    found = find_dossier(auscult_settings(), name, version)
    if found is None:
        raise Http404("this version was not watched")
    return found


def _sandboxed(path: Path) -> HttpResponse:
    response = HttpResponse(path.read_bytes(), content_type="text/html; charset=utf-8")
    response.headers["Content-Security-Policy"] = SANDBOX
    return response
