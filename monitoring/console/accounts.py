"""People of the console: who may look and who may sign."""

from typing import Literal

from django.contrib.auth.models import Group, User
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db import transaction

from models.errors import SettingsError

Role = Literal["viewer", "reviewer"]
REVIEWER: Role = "reviewer"


def create_console_user(username: str, password: str, role: Role) -> User:
    """Create a person with one role; raise SettingsError where name or password won't do."""
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


def may_sign(user: User) -> bool:
    """Say whether a person may sign reviews."""
    return user.is_active and user.groups.filter(name=REVIEWER).exists()
