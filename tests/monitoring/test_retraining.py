"""What opens a request to retrain, from real alarms, closed windows and tenures."""

from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from models.definition import Definition, parse_definition
from models.errors import DefinitionError
from monitoring.performance import Judged, WindowPerformance
from monitoring.retraining import causes, treatment
from records import retraining, tenure
from records.models import Alarm, Feedback, Prediction
from tests.monitoring.clinic import DEFINITION, FIRST, NOW, Clinic, without_creatinine

TRIGGERS = """
[retraining_triggers]
severity = "critical"
calibration_slope = [0.8, 1.25]
calibration_in_the_large = [-0.3, 0.3]
oldest_days = 365
"""


def triggered(text: str = TRIGGERS) -> Definition:
    return parse_definition(f"{DEFINITION}{text}".encode(), source="tests")


def year(number: int, slope: tuple[float, float, float] | None) -> WindowPerformance:
    quiet = {"value": 0.0, "low": -0.1, "high": 0.1}
    value, low, high = slope or (1.0, 0.9, 1.1)
    steep = {"value": value, "low": low, "high": high}
    figures: dict[str, Any] = {"calibration_in_the_large": quiet, "calibration_slope": steep}
    shown = figures if slope else {}
    judged = Judged(100, 100, 30, 70, 0, 0, None, shown, {})
    closes = date(number + 1, 6, 1)
    return WindowPerformance(f"{number} Q2", date(number, 4, 1), closes, judged, 100, {}, {})


STEEP, USUAL = (0.6, 0.5, 0.7), (1.0, 0.9, 1.1)


def test_an_alarm_that_follows_from_another_asks_for_nothing_of_its_own(clinic: Clinic) -> None:
    shared = {"model": clinic.model, "version": "1", "raised_on": FIRST, "recorded_at": NOW}
    cause = Alarm(pk=1, stream="a", severity="critical", summary="A cause.", **shared)
    part = Alarm(pk=2, stream="a@north", severity="critical", summary="A part.", **shared)
    part.details = {"follows": 1}
    found = causes(triggered(), "1", [cause, part], [], NOW)
    assert [one.key for one in found] == ["alarm 1"]
    assert "A critical alarm is open: A cause." in str(found[0])


@pytest.mark.parametrize(
    ("stream", "asks"),
    [
        ("traffic", False),
        ("refusals:unit", False),
        ("flags:converted", False),
        ("missing:creatinine", True),
        ("overrides", True),
        ("score@north", True),
        ("calibration", True),
    ],
)
def test_an_alarm_that_no_retraining_can_answer_asks_for_none(
    clinic: Clinic, stream: str, asks: bool
) -> None:
    shared = {"model": clinic.model, "version": "1", "raised_on": FIRST, "recorded_at": NOW}
    alarm = Alarm(pk=1, stream=stream, severity="critical", summary="An alarm.", **shared)
    assert bool(causes(triggered(), "1", [alarm], [], NOW)) is asks


def test_a_silent_feed_opens_no_request_when_the_job_runs(
    clinic: Clinic, monkeypatch: pytest.MonkeyPatch
) -> None:
    definition = triggered()
    monkeypatch.setattr(
        "monitoring.job.read_watched_definition", lambda *_: replace_triggers(clinic, definition)
    )
    clinic.record_days(FIRST, 60)
    (alarm,) = clinic.watch(FIRST + timedelta(days=64)).open_alarms
    assert (alarm.stream, alarm.severity) == ("traffic", "critical")
    assert retraining.history(clinic.model) == []


@pytest.mark.parametrize(
    ("slopes", "asks"),
    [
        ([STEEP, STEEP], True),
        ([STEEP, None, STEEP], True),
        ([STEEP, USUAL], False),
        ([STEEP, STEEP, USUAL], False),
        ([STEEP], False),
        ([(0.85, 0.7, 1.0), (0.7, 0.6, 0.81)], False),
        ([(1.4, 1.3, 1.5), STEEP], True),
    ],
)
def test_calibration_asks_when_two_closed_windows_running_were_outside(
    clinic: Clinic, slopes: list[tuple[float, float, float] | None], asks: bool
) -> None:
    years = [year(2020 + place, slope) for place, slope in enumerate(slopes)]
    found = causes(triggered(), "1", [], years, NOW)
    assert bool(found) is asks
    if asks:
        assert found[0].key == f"calibration_slope 1 {years[-1].label}"
        assert "outside 0.8 to 1.25 twice running" in found[0].words
        assert f"in {years[-1].label}" in found[0].words


def test_a_version_asks_once_it_is_older_than_allowed(clinic: Clinic) -> None:
    since = datetime(2024, 6, 1, tzinfo=UTC)
    tenure.move_alias(
        clinic.model, "champion", "1", by="paula", because="It passes", evidence={}, now=since
    )
    assert causes(triggered(), "1", [], [], since + timedelta(days=365)) == []
    (found,) = causes(triggered(), "1", [], [], since + timedelta(days=366))
    assert found.key == "age 1"
    assert "since 2024-06-01, for 366 days" in found.words
    assert causes(triggered(), "2", [], [], since + timedelta(days=999)) == []


def promote(clinic: Clinic, version: str, now: datetime) -> None:
    tenure.move_alias(
        clinic.model, "champion", version, by="paula", because="It passes", evidence={}, now=now
    )


def test_a_version_that_is_no_champion_any_more_has_no_age(clinic: Clinic) -> None:
    since = datetime(2024, 6, 1, tzinfo=UTC)
    promote(clinic, "1", since)
    promote(clinic, "2", since + timedelta(days=100))
    now = since + timedelta(days=460)
    assert causes(triggered(), "1", [], [], now) == []
    assert causes(triggered(), "2", [], [], now) == []
    (found,) = causes(triggered(), "2", [], [], now + timedelta(days=10))
    assert "since 2024-09-09, for 370 days" in found.words


def test_after_a_roll_back_the_days_in_between_do_not_count(clinic: Clinic) -> None:
    since = datetime(2024, 6, 1, tzinfo=UTC)
    promote(clinic, "1", since)
    (before,) = causes(triggered(), "1", [], [], since + timedelta(days=366))
    promote(clinic, "2", since + timedelta(days=400))
    back = since + timedelta(days=500)
    promote(clinic, "1", back)
    assert causes(triggered(), "1", [], [], back + timedelta(days=365)) == []
    promote(clinic, "1", back + timedelta(days=200))
    (found,) = causes(triggered(), "1", [], [], back + timedelta(days=366))
    assert "since 2025-10-14, for 366 days" in found.words
    # what was decided on its tenure before isn't the answer to this one
    assert found.key != before.key


def test_a_definition_without_triggers_asks_nothing(clinic: Clinic) -> None:
    years = [year(2020, STEEP), year(2021, STEEP)]
    assert causes(clinic.definition, "1", [], years, NOW) == []


def test_a_grave_alarm_opens_a_request_when_the_job_runs(
    clinic: Clinic, monkeypatch: pytest.MonkeyPatch
) -> None:
    definition = triggered()
    monkeypatch.setattr(
        "monitoring.job.read_watched_definition", lambda *_: replace_triggers(clinic, definition)
    )
    clinic.record_days(FIRST, 10)
    clinic.watch(FIRST + timedelta(days=9))
    assert retraining.history(clinic.model) == []
    clinic.record_days(FIRST + timedelta(days=10), 5, change=without_creatinine(0.9))
    clinic.watch(FIRST + timedelta(days=14))
    alarm = Alarm.objects.get(stream="missing:creatinine")
    (request,) = retraining.history(clinic.model)
    assert (request.version, request.decision) == ("1", "")
    (cause,) = (one for one in request.causes if one["key"] == f"alarm {alarm.pk}")
    assert cause["words"] == f"A critical alarm is open: {alarm.summary}"
    clinic.watch(FIRST + timedelta(days=14))
    assert len(retraining.history(clinic.model)) == 1


def replace_triggers(clinic: Clinic, definition: Definition) -> Definition:
    """The clinic's own definition with the triggers of another."""
    return clinic.definition.model_copy(
        update={"retraining_triggers": definition.retraining_triggers}
    )


def test_what_was_done_with_risks_is_counted(clinic: Clinic) -> None:
    made = clinic.record(FIRST, 5)
    Prediction.objects.filter(pk=made[0].pk).update(shown=False)
    for one, outcome in ((made[1], "accepted"), (made[2], "overridden"), (made[2], "overridden")):
        Feedback.objects.create(
            prediction=one,
            card=uuid4(),
            model=clinic.model,
            outcome=outcome,
            happened_at=NOW,
            recorded_at=NOW,
            protocol="json",
            client="client",
        )
    assert treatment(clinic.model, "1") == {
        "shown": 4,
        "silent": 1,
        "accepted": 1,
        "overridden": 2,
    }


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[retraining_triggers]", "give a severity, limits of calibration or oldest_days"),
        ("[retraining_triggers]\ncalibration_slope = [1.2, 0.8]", r"must be \[least, most\]"),
        ('[retraining_triggers]\nseverity = "grave"', "retraining_triggers.severity"),
        ("[retraining_triggers]\noldest_days = 0", "retraining_triggers.oldest_days"),
    ],
)
def test_triggers_that_can_not_be_meant_are_refused(text: str, words: str) -> None:
    with pytest.raises(DefinitionError, match=words):
        triggered(text)
