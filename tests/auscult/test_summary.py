"""What `auscult history` prints."""

import pytest

from auscult.summary import show_history
from models.errors import AuscultError
from records.settings import Settings
from records.tenure import move_alias
from tests.records.made_up import NOW


@pytest.fixture
def promoted(records_db: Settings) -> None:
    move_alias("sepsis", "champion", "3", by="grace", because="calibrated", evidence={}, now=NOW)


def test_a_time_is_answered_with_who_approved_and_why(
    promoted: None, capsys: pytest.CaptureFixture[str]
) -> None:
    show_history("sepsis", "2026-03-02")
    shown = capsys.readouterr().out
    assert all(words in shown for words in ("3", "grace", "calibrated", "2026-03-01 12:30"))


def test_before_the_first_promotion_no_version_is_named(
    promoted: None, capsys: pytest.CaptureFixture[str]
) -> None:
    show_history("sepsis", "2026-02-01")
    assert "no version of sepsis was champion then" in capsys.readouterr().out


def test_a_time_to_come_is_refused(promoted: None) -> None:
    with pytest.raises(AuscultError, match="hasn't come yet"):
        show_history("sepsis", "2999-01-01")
