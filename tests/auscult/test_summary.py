"""What `auscult alarms` prints."""

import pytest

from auscult.summary import show_alarms
from records.models import Alarm
from tests.records.made_up import NOW


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
