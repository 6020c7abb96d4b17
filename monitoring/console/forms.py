"""The forms that people fill in: logging in, signing a review, setting up a second factor."""

from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any, cast

from django import forms
from django.contrib.auth import authenticate
from django.contrib.auth.forms import AuthenticationForm
from django.contrib.auth.models import User
from django.http import HttpRequest
from django.utils import timezone
from django_otp import devices_for_user, match_token

from monitoring.console.lockout import locked_out
from monitoring.mutes import LONGEST_MUTE
from records.decisions import (
    ACCEPT,
    ACKNOWLEDGE,
    APPROVE,
    ASSIGN,
    FALSE,
    FAULT,
    MUTE,
    PROMOTE,
    ROLL_BACK,
)
from records.retraining import DECLINE, RETRAIN

DECISIONS = {
    ACKNOWLEDGE: "Acknowledge: seen, and someone is looking into it",
    ASSIGN: "Assign: it stays open, and is shown as somebody's to look into",
    MUTE: "Mute: it stays open, and is shown as muted until a day or a condition",
    FAULT: "Close, a fault that is repaired: its days never become reference",
    ACCEPT: "Close, a change that is accepted: a new reference begins on its day",
    FALSE: "Close, a false alarm: nothing had changed, its days join the reference",
}
# outcomes are held against the risks that were given: there is no reference to begin or to join
OUTCOME_DECISIONS = {
    ACKNOWLEDGE: DECISIONS[ACKNOWLEDGE],
    ASSIGN: DECISIONS[ASSIGN],
    MUTE: DECISIONS[MUTE],
    FAULT: "Close, a fault that is repaired: evidence begins anew after the days it tells of",
    ACCEPT: "Close, a change that is accepted: evidence begins anew after the days it tells of",
    FALSE: "Close, a false alarm: nothing changed, evidence begins anew after the days it tells of",
}
VERSION_DECISIONS = {
    APPROVE: "Approve for clinical use: I answer for its safety in the use that its card states",
    PROMOTE: "Promote to champion, if the definition's gates pass",
    ROLL_BACK: "Roll back to the champion before",
}
RETRAINING_DECISIONS = {
    RETRAIN: "Retrain: what is learnt from is fit to learn from",
    DECLINE: "Decline: these causes aren't asked about again",
}


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


class SignedForm(forms.Form):
    """A reason, and the password that signs it."""

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

    def __init__(self, request: HttpRequest, user: User, *args: Any) -> None:
        super().__init__(*args)
        self._request, self._user = request, user

    def clean_password(self) -> str:
        """Check that whoever signs is whoever is logged in."""
        name = self._user.get_username()
        password: str = self.cleaned_data["password"]
        if locked_out(name, timezone.now()):
            raise forms.ValidationError("Too many wrong passwords. Try again in 15 minutes.")
        if authenticate(self._request, username=name, password=password) != self._user:
            raise forms.ValidationError("This isn't your password.")
        return password


class ReviewForm(SignedForm):
    """A decision on an alarm, its reason, and the password that signs it."""

    decision = forms.ChoiceField(choices=list(DECISIONS.items()), widget=forms.RadioSelect)
    assigned_to = forms.ChoiceField(
        label="Assigned to", required=False, help_text="Only where you assign."
    )
    muted_until = forms.DateField(
        label="Muted until", required=False, widget=forms.DateInput(attrs={"type": "date"})
    )
    muted_unless = forms.ChoiceField(
        label="Or muted until",
        required=False,
        help_text="Only where you mute: until the day or this, whichever comes first, and "
        f"{LONGEST_MUTE.days} days at most.",
    )

    def __init__(self, request: HttpRequest, user: User, today: date, *args: Any) -> None:
        super().__init__(request, user, *args)
        self._today = today

    def offer(
        self,
        decisions: Mapping[str, str],
        people: Iterable[str],
        conditions: Mapping[str, str],
    ) -> None:
        """Offer decisions and what ends a mute, each by its words, and people to be assigned."""
        nobody, no_condition = ("", "nobody"), ("", "no condition")
        offered = {
            "decision": list(decisions.items()),
            "assigned_to": [nobody, *((name, name) for name in people)],
            "muted_unless": [no_condition, *conditions.items()],
        }
        for name, choices in offered.items():
            cast(forms.ChoiceField, self.fields[name]).choices = choices

    @property
    def extras(self) -> list[forms.BoundField]:
        """Return the fields that only some decisions need."""
        return [self["assigned_to"], self["muted_until"], self["muted_unless"]]

    def clean(self) -> dict[str, Any]:
        """Check that an assignment names somebody, and that a mute ends and isn't too long."""
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        decision = cleaned.get("decision")
        if decision != ASSIGN:
            cleaned["assigned_to"] = ""
        elif not cleaned.get("assigned_to") and "assigned_to" not in self.errors:
            self.add_error("assigned_to", "Name somebody.")
        if decision == MUTE:
            self._check_mute(cleaned)
        else:
            cleaned["muted_until"], cleaned["muted_unless"] = None, ""
        return cleaned

    def _check_mute(self, cleaned: dict[str, Any]) -> None:
        latest = self._today + LONGEST_MUTE
        until = cleaned.get("muted_until")
        if until is None and cleaned.get("muted_unless") and "muted_until" not in self.errors:
            cleaned["muted_until"] = latest
        elif until is None or not self._today < until <= latest:
            words = f"Give a day within the next {LONGEST_MUTE.days} days, or a condition."
            self.add_error("muted_until", words)


class DecisionForm(SignedForm):
    """A decision on a version, its reason, and the password that signs it."""

    decision = forms.ChoiceField(choices=list(VERSION_DECISIONS.items()), widget=forms.RadioSelect)
    version = forms.RegexField(
        r"[1-9][0-9]{0,5}",
        required=False,
        help_text="The registered version's number. A roll-back needs none.",
        error_messages={"invalid": "A version is a number such as 3."},
    )
    field_order = ("decision", "version", "because", "password")

    def __init__(self, request: HttpRequest, user: User, may_approve: bool, *args: Any) -> None:
        super().__init__(request, user, *args)
        if not may_approve:
            field = cast(forms.ChoiceField, self.fields["decision"])
            field.choices = [one for one in VERSION_DECISIONS.items() if one[0] != APPROVE]

    @property
    def extras(self) -> list[forms.BoundField]:
        """Return the fields that only some decisions need."""
        return [self["version"]]

    def clean(self) -> dict[str, Any]:
        """Check that there is a version where one is needed, and none where it would mislead."""
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        decision, version = cleaned.get("decision"), cleaned.get("version")
        if decision in (APPROVE, PROMOTE) and version == "":
            self.add_error("version", "Name the version.")
        if decision == ROLL_BACK and version:
            self.add_error("version", "A roll-back goes to the champion before; name no version.")
        return cleaned


class RetrainingForm(SignedForm):
    """A decision on a request to retrain, the statement on treatment, and the password."""

    decision = forms.ChoiceField(
        choices=list(RETRAINING_DECISIONS.items()), widget=forms.RadioSelect
    )
    because = forms.CharField(
        label="Statement on treatment feedback",
        min_length=20,
        max_length=2000,
        help_text="How far shown risks changed outcomes, and why the outcomes may or may not be "
        "learnt from. No patient's name or number.",
        widget=forms.Textarea(attrs={"rows": 4}),
    )
    field_order = ("decision", "because", "password")


class AcknowledgementForm(SignedForm):
    """Which affected predictions were seen to, what was done, and the password that signs it."""

    affected = forms.MultipleChoiceField(
        error_messages={"required": "Choose the predictions that were seen to."}
    )
    field_order = ("affected", "because", "password")

    def __init__(self, request: HttpRequest, user: User, still_open: list[str], *args: Any) -> None:
        super().__init__(request, user, *args)
        field = cast(forms.MultipleChoiceField, self.fields["affected"])
        field.choices = [(one, one) for one in still_open]


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
