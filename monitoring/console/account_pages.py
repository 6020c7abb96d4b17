"""Logging in and out, and setting a second factor up."""

from base64 import b32encode
from typing import Any

from django.contrib import messages
from django.contrib.auth import login
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.views import LoginView
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.decorators import method_decorator
from django.views.decorators.http import require_http_methods, require_safe
from django_otp import login as login_second_factor
from django_otp.plugins.otp_totp.models import TOTPDevice

from monitoring.console.accounts import person
from monitoring.console.forms import LoginForm, TokenForm
from records import audit


@method_decorator(login_not_required, name="dispatch")
class Login(LoginView):
    """Log in with name, password and the second factor of those who have one."""

    template_name = "console/login.html"
    authentication_form = LoginForm
    redirect_authenticated_user = True

    def form_valid(self, form: Any) -> HttpResponse:
        """Begin the session, and mark it as verified where a code was given."""
        login(self.request, form.get_user())
        if form.device is not None:
            login_second_factor(self.request, form.device)
        return redirect(self.get_success_url())


@require_http_methods(["GET", "POST"])
def second_factor(request: HttpRequest) -> HttpResponse:
    """Set an authenticator up: show its secret once, and switch it on by a first code."""
    user = person(request)
    if TOTPDevice.objects.filter(user=user, confirmed=True).exists():
        return render(request, "console/second_factor.html", {"confirmed": True})
    device, _ = TOTPDevice.objects.get_or_create(
        user=user, confirmed=False, defaults={"name": "authenticator"}
    )
    form = TokenForm(request.POST or None)
    if form.is_valid():
        if device.verify_token(form.cleaned_data["token"]):
            device.confirmed = True
            device.save(update_fields=["confirmed"])
            login_second_factor(request, device)
            audit.note("console.second_factor", user.get_username(), {}, timezone.now())
            messages.success(request, "Your second factor is on. It's asked for at every login.")
            return redirect("models")
        form.add_error("token", "This code is wrong or has passed; enter the one shown now.")
    secret = b32encode(device.bin_key).decode()
    context = {"form": form, "secret": secret, "address": device.config_url}
    return render(request, "console/second_factor.html", context)


@login_not_required
@require_safe
def alive(request: HttpRequest) -> HttpResponse:
    """Answer that the process is alive."""
    return HttpResponse("alive\n", content_type="text/plain")
