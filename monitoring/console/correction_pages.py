"""The page of predictions whose sources were corrected, open until somebody has seen to them."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_POST, require_safe

from models.errors import RecordError
from monitoring.console.accounts import may_sign, person, reviewers, viewers
from monitoring.console.forms import AcknowledgementForm
from monitoring.console.model_pages import known_definition
from records import corrections

SHOWN = 200


@require_safe
@viewers
def all_affected(request: HttpRequest, name: str) -> HttpResponse:
    """Show what corrected sources affect, and to reviewers the form that acknowledges it."""
    return _page(request, name, _form(request, name))


@sensitive_post_parameters("password")
@require_POST
@reviewers
def acknowledge(request: HttpRequest, name: str) -> HttpResponse:
    """Take a signed acknowledgement of the chosen predictions."""
    known_definition(name)
    form = AcknowledgementForm(request, person(request), _open(name), request.POST)
    if not form.is_valid():
        return _page(request, name, form, status=422)
    try:
        count = corrections.acknowledge(
            name,
            [int(one) for one in form.cleaned_data["affected"]],
            by=person(request).get_username(),
            because=form.cleaned_data["because"],
            now=timezone.now(),
        )
    except RecordError:  # somebody else was quicker
        messages.error(request, "None of these is open any more; nothing was signed.")
    else:
        messages.success(request, f"Signed and recorded: {count} acknowledged.")
    return redirect("corrections", name=name)


def _open(name: str) -> list[str]:
    chosen = corrections.affected_first(name).filter(acknowledged_at=None)[:SHOWN]
    return [str(one.pk) for one in chosen]


def _form(request: HttpRequest, name: str) -> AcknowledgementForm:
    return AcknowledgementForm(request, person(request), _open(name))


def _page(
    request: HttpRequest, name: str, form: AcknowledgementForm, status: int = 200
) -> HttpResponse:
    context = {
        "definition": known_definition(name),
        "affected": corrections.affected_first(name)[:SHOWN],
        "open": corrections.open_of(name).count(),
        "form": form,
        "may_sign": may_sign(person(request)),
    }
    return render(request, "console/corrections.html", context, status=status)
