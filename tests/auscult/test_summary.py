"""What `auscult history` and `auscult alarms` print."""

import pytest

from auscult.summary import show_alarms, show_history
from models.errors import AuscultError
from records.models import Alarm
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


def test_open_alarms_are_shown_with_their_state_and_where_they_sit(
    capsys: pytest.CaptureFixture[str],
) -> None:
    sits = {"verdict": "sits", "words": "It sits in requests from lab [x]: 91 % there."}
    cause = Alarm(
        pk=1,
        raised_on=NOW.date(),
        severity="warning",
        summary="Creatinine is missing in 91 %",
        state="muted",
        muted_until=NOW.date(),
        muted_unless="graver than warning",
        assigned_to="vera",
        details={"where": {"dimensions": [sits]}},
    )
    score = Alarm(pk=2, summary="The score runs higher", details={"follows": 1})
    show_alarms([cause, score])
    shown = " ".join(capsys.readouterr().out.split())
    assert "Creatinine is missing in 91 %" in shown
    assert "It sits in requests from lab [x]: 91 % there." in shown
    assert (
        "warning, muted until 2026-03-01, or until it is graver than a warning; "
        "assigned to vera follows from it: The score runs higher"
    ) in shown


def test_where_none_is_open_that_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    show_alarms([])
    assert "No alarm is open." in capsys.readouterr().out
