"""What alarms say is held in the audit chain, run after run."""

from datetime import timedelta

import pytest

from monitoring.console.alarm_pages import record_review
from records.agreement import disagreements
from records.models import Alarm
from tests.monitoring.clinic import FIRST, Clinic, older, without_creatinine

FAULTY = FIRST + timedelta(days=8)


@pytest.fixture
def alarmed(any_clinic: Clinic) -> Clinic:
    """A clinic with open alarms, watched in two runs."""
    any_clinic.record_days(FIRST, 8)
    any_clinic.record_days(FAULTY, 5, change=without_creatinine(0.9))
    any_clinic.watch(FAULTY + timedelta(days=3))
    any_clinic.watch(FAULTY + timedelta(days=4))
    return any_clinic


def test_runs_reviews_and_a_turn_leave_nothing_to_disagree_about(alarmed: Clinic) -> None:
    assert disagreements() == []
    alarm = Alarm.objects.get(stream="missing:creatinine")
    signed = {"decision": "fault", "because": "The feed is repaired", "muted_until": None}
    record_review(alarm.pk, "rita", signed)
    assert disagreements() == []
    later = FAULTY + timedelta(days=5)
    alarmed.record_days(later, 15, change=older(8))
    alarmed.record_days(later + timedelta(days=15), 8, change=older(-14))
    alarmed.watch(later + timedelta(days=22))
    assert Alarm.objects.filter(stream="value:age").count() == 2
    assert disagreements() == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"summary": "Creatinine is well"}, "was changed"),
        ({"severity": "notice"}, "was changed"),
        ({"details": {}}, "was changed"),
        ({"assigned_to": "mallory"}, "was changed"),
        ({"state": "closed"}, "closed without a review"),
    ],
)
def test_an_alarm_that_was_changed_past_the_chain_is_found(
    alarmed: Clinic, change: dict[str, object], words: str
) -> None:
    Alarm.objects.filter(stream="missing:creatinine").update(**change)
    (one,) = disagreements()
    assert one.table == "records_alarm"
    assert words in one.words


def test_an_alarm_that_was_deleted_is_found(alarmed: Clinic) -> None:
    Alarm.objects.filter(stream="missing:creatinine").delete()
    (one,) = disagreements()
    assert "was deleted" in one.words
