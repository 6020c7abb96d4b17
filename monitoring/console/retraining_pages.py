"""The page of requests to retrain a model: what opened them, and the statement that signs them."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_POST, require_safe

from models.errors import RecordError
from monitoring.console.accounts import may_sign, person, reviewers, viewers
from monitoring.console.forms import RetrainingForm
from monitoring.console.model_pages import known_definition
from monitoring.retraining import treatment
from records import retraining
from records.models import RetrainingRequest


@require_safe
@viewers
def all_requests(request: HttpRequest, name: str) -> HttpResponse:
    """Show a model's requests, and to reviewers the form that signs the open one."""
    return _page(request, name, RetrainingForm(request, person(request)))


@sensitive_post_parameters("password")
@require_POST
@reviewers
def sign_request(request: HttpRequest, name: str, request_id: int) -> HttpResponse:
    """Take a signed decision on the open request."""
    known_definition(name)
    form = RetrainingForm(request, person(request), request.POST)
    opened = _open(name)
    if opened is None or opened.pk != request_id:
        messages.error(request, "This request isn't open any more; nothing was signed.")
        return redirect("retraining", name=name)
    if not form.is_valid():
        return _page(request, name, form, status=422)
    try:
        retraining.sign(
            request_id,
            form.cleaned_data["decision"],
            by=person(request).get_username(),
            statement=form.cleaned_data["because"],
            treatment=treatment(name, opened.version),
            now=timezone.now(),
        )
    except RecordError:  # somebody else signed meanwhile
        messages.error(request, "This request isn't open any more; nothing was signed.")
    else:
        messages.success(request, "Signed and recorded.")
    return redirect("retraining", name=name)


def _open(name: str) -> RetrainingRequest | None:
    return next((one for one in retraining.history(name) if not one.decision), None)


def _page(request: HttpRequest, name: str, form: RetrainingForm, status: int = 200) -> HttpResponse:
    opened = _open(name)
    context = {
        "definition": known_definition(name),
        "opened": opened,
        "signed": [one for one in retraining.history(name) if one.decision],
        "treatment": treatment(name, opened.version) if opened else None,
        "form": form,
        "may_sign": may_sign(person(request)),
    }
    return render(request, "console/retraining.html", context, status=status)
