"""People of the console: who may look and who may sign."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import wraps
from typing import Literal, cast

from django.contrib.auth.models import Group, User
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django_otp.plugins.otp_totp.models import TOTPDevice

from models.errors import SettingsError

Role = Literal["viewer", "reviewer", "safety officer"]
VIEWER: Role = "viewer"
REVIEWER: Role = "reviewer"
SAFETY_OFFICER: Role = "safety officer"
ROLES = (VIEWER, REVIEWER, SAFETY_OFFICER)
View = Callable[..., HttpResponse]


def create_console_user(username: str, password: str, role: Role) -> User:
    """Create a person with one role; raise SettingsError where name, password or role won't do."""
    if role not in ROLES:
        raise SettingsError(
            f"console user {username!r}: role {role!r} is none of {', '.join(ROLES)}"
        )
    user = User(username=username)
    try:
        user.full_clean(exclude=("password",))
        validate_password(password, user)
    except ValidationError as error:
        raise SettingsError(f"console user {username!r}: {' '.join(error.messages)}") from error
    user.set_password(password)
    with transaction.atomic():
        user.save()
        user.groups.add(Group.objects.get(name=role))
    return user


def account(username: str) -> User:
    """Return a person by name; raise SettingsError where there is none."""
    user = User.objects.filter(username=username).first()
    if user is None:
        raise SettingsError(
            f"there is no console user {username!r}; `auscult user list` has all, and "
            "`auscult user create` makes one"
        )
    return user


@dataclass(frozen=True, slots=True)
class Listed:
    """A person as a list of accounts shows them."""

    name: str
    role: str
    second_factor: bool
    last_login: datetime | None
    active: bool


def role_names(user: User) -> list[str]:
    """Return the names of a person's roles, in order."""
    return sorted(group.name for group in user.groups.all())


def listed() -> list[Listed]:
    """Return every account by name, retired ones too."""
    confirmed = TOTPDevice.objects.filter(confirmed=True).values_list("user_id", flat=True)
    with_factor = set(confirmed)
    return [
        Listed(
            user.get_username(),
            ", ".join(role_names(user)),
            user.pk in with_factor,
            user.last_login,
            user.is_active,
        )
        for user in User.objects.prefetch_related("groups").order_by("username")
    ]


def renew_password(username: str, password: str) -> None:
    """Give a person a new password, which ends their sessions; SettingsError for nobody."""
    user = account(username)
    user.set_password(password)
    user.save(update_fields=["password"])


def change_role(username: str, role: Role) -> None:
    """Give a person one role in the place of those they had; raise SettingsError for nobody."""
    account(username).groups.set([Group.objects.get(name=role)])


def admit(username: str, *, admitted: bool) -> None:
    """Let a person log in, or not any more, also where they are; SettingsError for nobody.

    SettingsError also where that is so already. Their name and what they signed stay.
    """
    user = account(username)
    if user.is_active == admitted:
        raise SettingsError(
            f"console user {username!r} {'may log in' if admitted else 'was retired'} already"
        )
    user.is_active = admitted
    user.save(update_fields=["is_active"])


def remove_second_factor(username: str) -> None:
    """Forget a person's authenticator, as when it's lost; raise SettingsError without one."""
    removed, _ = TOTPDevice.objects.filter(user=account(username)).delete()
    if not removed:
        raise SettingsError(f"console user {username!r} has no second factor")


def person(request: HttpRequest) -> User:
    """Return who is logged in; pages other than the login have someone."""
    return cast(User, request.user)


def may_look(user: User) -> bool:
    """Say whether a person has any role in the console."""
    return user.is_active and user.groups.filter(name__in=ROLES).exists()


def may_sign(user: User) -> bool:
    """Say whether a person may sign reviews."""
    return user.is_active and user.groups.filter(name__in=(REVIEWER, SAFETY_OFFICER)).exists()


def may_approve(user: User) -> bool:
    """Say whether a person may approve a version for clinical use."""
    return user.is_active and user.groups.filter(name=SAFETY_OFFICER).exists()


def assignable() -> list[str]:
    """Return by name the people to whom an alarm may be assigned: all who may look at it."""
    people = User.objects.filter(is_active=True, groups__name__in=ROLES).distinct()
    return [user.get_username() for user in people.order_by("username")]


def viewers(view: View) -> View:
    """Refuse a page to whoever has no role."""

    @wraps(view)
    def guarded(request: HttpRequest, *args: object, **kwargs: object) -> HttpResponse:
        if not may_look(person(request)):
            raise PermissionDenied("your account has no role in this console")
        return view(request, *args, **kwargs)

    return guarded


def reviewers(view: View) -> View:
    """Refuse an action to whoever is no reviewer."""

    @wraps(view)
    def guarded(request: HttpRequest, *args: object, **kwargs: object) -> HttpResponse:
        if not may_sign(person(request)):
            raise PermissionDenied("only reviewers may sign")
        return view(request, *args, **kwargs)

    return guarded
