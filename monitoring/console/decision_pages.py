"""The page of decisions on versions: approving one for clinical use, promoting, rolling back."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_POST, require_safe

from models.definition import Definition
from monitoring.console.accounts import may_approve, may_sign, person, reviewers, viewers
from monitoring.console.forms import DecisionForm
from monitoring.console.model_pages import known_definition
from records import decisions


@require_safe
@viewers
def all_decisions(request: HttpRequest, name: str) -> HttpResponse:
    """Show what was decided on a model's versions, and to reviewers the form that signs more."""
    user = person(request)
    return _page(request, known_definition(name), DecisionForm(request, user, may_approve(user)))


@sensitive_post_parameters("password")
@require_POST
@reviewers
def sign_decision(request: HttpRequest, name: str) -> HttpResponse:
    """Take a signed decision on a version."""
    definition, user = known_definition(name), person(request)
    form = DecisionForm(request, user, may_approve(user), request.POST)
    if not form.is_valid():
        return _page(request, definition, form, status=422)
    decisions.sign(
        name,
        form.cleaned_data["version"],
        form.cleaned_data["decision"],
        by=user.get_username(),
        because=form.cleaned_data["because"],
        now=timezone.now(),
    )
    messages.success(request, "Signed and recorded.")
    return redirect("decisions", name=name)


def _page(
    request: HttpRequest, definition: Definition, form: DecisionForm, status: int = 200
) -> HttpResponse:
    context = {
        "definition": definition,
        "decisions": decisions.history(definition.name),
        "carried_out": decisions.CARRIED_OUT,
        "form": form,
        "may_sign": may_sign(person(request)),
        "may_approve": may_approve(person(request)),
    }
    return render(request, "console/decisions.html", context, status=status)
