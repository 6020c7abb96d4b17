"""People of the console: who may look and who may sign."""

from collections.abc import Callable
from functools import wraps
from typing import Literal, cast

from django.contrib.auth.models import Group, User
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import transaction
from django.http import HttpRequest, HttpResponse

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


def renew_password(username: str, password: str) -> bool:
    """Give a person a new password; return False where there is no such person."""
    user = User.objects.filter(username=username).first()
    if user is None:
        return False
    user.set_password(password)
    user.save(update_fields=["password"])
    return True


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
