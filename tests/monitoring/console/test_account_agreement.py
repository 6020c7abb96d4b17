"""Accounts that were there before anybody noted them, and accounts changed past the commands."""

from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.auth.models import Group, User

from auscult import people
from monitoring.console.account_agreement import disagreements
from monitoring.console.accounts import create_console_user
from records.settings import Settings
from tests.monitoring.console.people import PASSWORD

NOW = datetime(2026, 3, 1, 8, 30, tzinfo=UTC)


@pytest.fixture
def noted(sqlite_db: Settings) -> None:
    """Rita from before accounts were noted, Olga made and Paul retired after that."""
    create_console_user("rita", PASSWORD, "reviewer")
    people.note_users(NOW)
    for minute, name in enumerate(("olga", "paul"), 1):
        moment = NOW + timedelta(minutes=minute)
        people.new_user(name, role="viewer", by="root", now=moment)
    people.change_role("olga", "safety officer", by="root", now=NOW + timedelta(minutes=3))
    people.retire_user("paul", by="root", now=NOW + timedelta(minutes=4))


def test_without_users_there_is_nothing_to_disagree_about(sqlite_db: Settings) -> None:
    assert list(disagreements()) == []


def test_users_whom_nobody_noted_are_told_of_until_they_are(sqlite_db: Settings) -> None:
    create_console_user("rita", PASSWORD, "reviewer")
    (one,) = disagreements()
    assert "1 console users" in one.words
    assert "auscult migrate" in one.words
    people.note_users(NOW)
    assert list(disagreements()) == []


@pytest.mark.usefixtures("noted")
def test_accounts_that_were_changed_by_command_agree() -> None:
    assert list(disagreements()) == []


@pytest.mark.usefixtures("noted")
def test_a_retired_account_that_was_revived_is_found() -> None:
    User.objects.filter(username="paul").update(is_active=True)
    said, stored = disagreements()
    assert "paul, viewer, retired" in said.words
    assert "paul, viewer, may log in" in stored.words


@pytest.mark.usefixtures("noted")
def test_a_second_role_and_a_superuser_are_found() -> None:
    User.objects.get(username="rita").groups.add(Group.objects.get(name="safety officer"))
    User.objects.filter(username="olga").update(is_superuser=True)
    words = " ".join(one.words for one in disagreements())
    assert "rita, reviewer, safety officer" in words
    assert "olga, safety officer, superuser" in words


@pytest.mark.usefixtures("noted")
def test_an_account_that_was_inserted_or_deleted_is_found() -> None:
    create_console_user("mallory", PASSWORD, "safety officer")
    User.objects.filter(username="rita").delete()
    deleted, inserted = disagreements()
    assert "changed or deleted: rita" in deleted.words
    assert "changed or inserted: mallory" in inserted.words
