"""The forms that people fill in: logging in, signing a review, setting up a second factor."""

from datetime import date, timedelta
from typing import Any

from django import forms
from django.contrib.auth import authenticate
from django.contrib.auth.forms import AuthenticationForm
from django.contrib.auth.models import User
from django.http import HttpRequest
from django.utils import timezone
from django_otp import devices_for_user, match_token

from monitoring.alarms import ACCEPT, FALSE, FAULT
from monitoring.console.lockout import locked_out

ACKNOWLEDGE, MUTE = "acknowledge", "mute"
DECISIONS = {
    ACKNOWLEDGE: "Acknowledge: seen, and someone is looking into it",
    MUTE: "Mute until a date: it stays open, and is shown as muted",
    FAULT: "Close, a fault that is repaired: its days never become reference",
    ACCEPT: "Close, a change that is accepted: a new reference begins on its day",
    FALSE: "Close, a false alarm: nothing had changed, its days join the reference",
}
LONGEST_MUTE = timedelta(days=90)


class LoginForm(AuthenticationForm):
    """Name, password and, for those who set one up, the second factor's code."""

    token = forms.CharField(
        label="Code of your authenticator",
        required=False,
        max_length=8,
        help_text="Only if you have set one up.",
        widget=forms.TextInput(attrs={"autocomplete": "one-time-code", "inputmode": "numeric"}),
    )
    device: Any = None

    def get_invalid_login_error(self) -> forms.ValidationError:
        """Say the same, whichever of the three was wrong."""
        return forms.ValidationError("Name, password or code is wrong.", code="invalid_login")

    def clean(self) -> dict[str, Any]:
        """Check name and password, then the code."""
        if locked_out(self.cleaned_data.get("username", ""), timezone.now()):
            raise forms.ValidationError("Too many failed logins. Try again in 15 minutes.")
        cleaned = super().clean()
        user = self.get_user()
        if user is not None and any(devices_for_user(user)):
            self.device = match_token(user, cleaned.get("token", ""))
            if self.device is None:
                raise self.get_invalid_login_error()
        return cleaned


class ReviewForm(forms.Form):
    """A decision on an alarm, its reason, and the password that signs it."""

    decision = forms.ChoiceField(choices=list(DECISIONS.items()), widget=forms.RadioSelect)
    muted_until = forms.DateField(
        label="Muted until", required=False, widget=forms.DateInput(attrs={"type": "date"})
    )
    because = forms.CharField(
        label="Why",
        min_length=10,
        max_length=2000,
        help_text="What was found and done. No patient's name or number.",
        widget=forms.Textarea(attrs={"rows": 4}),
    )
    password = forms.CharField(
        label="Your password",
        help_text="Entering it signs this decision with your name and the time.",
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}),
    )

    def __init__(self, request: HttpRequest, user: User, today: date, *args: Any) -> None:
        super().__init__(*args)
        self._request, self._user, self._today = request, user, today

    def clean_password(self) -> str:
        """Check that whoever signs is whoever is logged in."""
        name = self._user.get_username()
        password: str = self.cleaned_data["password"]
        if locked_out(name, timezone.now()):
            raise forms.ValidationError("Too many wrong passwords. Try again in 15 minutes.")
        if authenticate(self._request, username=name, password=password) != self._user:
            raise forms.ValidationError("This isn't your password.")
        return password

    def clean(self) -> dict[str, Any]:
        """Check that a mute has an end that isn't too far off."""
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        if cleaned.get("decision") != MUTE:
            cleaned["muted_until"] = None
            return cleaned
        until = cleaned.get("muted_until")
        if until is None or not self._today < until <= self._today + LONGEST_MUTE:
            self.add_error("muted_until", f"Give a day within the next {LONGEST_MUTE.days} days.")
        return cleaned


class TokenForm(forms.Form):
    """The first code of a new authenticator."""

    token = forms.CharField(
        label="Code that it shows now",
        max_length=8,
        widget=forms.TextInput(attrs={"autocomplete": "one-time-code", "inputmode": "numeric"}),
    )


class FindForm(forms.Form):
    """A prediction's id, as an answer carried it."""

    id = forms.UUIDField(label="Prediction id")
