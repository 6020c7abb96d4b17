"""What alarms say is held in the audit chain, run after run."""

from datetime import timedelta

import pytest

from monitoring.console.alarm_pages import Signed, record_review
from records import audit
from records.agreement import disagreements
from records.models import Alarm, AuditEvent, ChainBlock
from tests.monitoring.clinic import FIRST, NOW, Clinic, older, without_creatinine

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
    record_review(alarm.pk, "rita", Signed("fault", "The feed is repaired"))
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
        ({"assigned_to": "mallory"}, "assigned otherwise than a review says"),
        ({"state": "closed"}, "closed without a review"),
        ({"state": "acknowledged"}, "acknowledged without a review"),
        ({"state": "muted", "muted_until": FAULTY}, "muted otherwise than a review says"),
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


def test_a_mute_that_was_lengthened_past_the_chain_is_found(alarmed: Clinic) -> None:
    alarm = Alarm.objects.get(stream="missing:creatinine")
    record_review(alarm.pk, "rita", Signed("mute", "Being repaired", FAULTY, "as before"))
    assert disagreements() == []
    for change in ({"muted_until": FAULTY + timedelta(days=400)}, {"muted_unless": ""}):
        stored = Alarm.objects.filter(pk=alarm.pk)
        before = stored.values(*change).get()
        stored.update(**change)
        (one,) = disagreements()
        assert "muted otherwise" in one.words
        stored.update(**before)


def test_what_a_review_assigned_or_acknowledged_is_not_set_back_unseen(alarmed: Clinic) -> None:
    alarm = Alarm.objects.get(stream="missing:creatinine")
    stored = Alarm.objects.filter(pk=alarm.pk)
    record_review(alarm.pk, "rita", Signed("assign", "Vera knows", assigned_to="vera"))
    record_review(alarm.pk, "rita", Signed("acknowledge", "Vera looks into it"))
    assert stored.get().assigned_to == "vera"
    assert disagreements() == []
    for change, words in (
        ({"assigned_to": "rita"}, "assigned otherwise"),
        ({"state": "open"}, "set back to open"),
        ({"state": "assigned"}, "assigned without a review"),
    ):
        stored.update(**change)
        (one,) = disagreements()
        assert words in one.words
        stored.update(state="acknowledged", assigned_to="vera")


def test_a_run_that_changes_nothing_writes_only_that_it_ended_into_the_chain(
    alarmed: Clinic,
) -> None:
    blocks = ChainBlock.objects.count()
    alarmed.watch(FAULTY + timedelta(days=4))
    assert ChainBlock.objects.count() == blocks + 1
    assert AuditEvent.objects.latest("block").action == "monitoring.run"


DECISIONS = {
    "acknowledge": Signed("acknowledge", "Looked into"),
    "assign": Signed("assign", "Vera knows", assigned_to="vera"),
    "mute": Signed("mute", "Being repaired", FAULTY, "as before"),
    "fault": Signed("fault", "The feed is repaired"),
}
STATES = {"acknowledge": "acknowledged", "assign": "assigned", "mute": "muted", "fault": "closed"}


@pytest.mark.parametrize("signed", DECISIONS)
def test_a_state_that_no_review_led_to_is_found_whichever_it_is(
    alarmed: Clinic, signed: str
) -> None:
    alarm = Alarm.objects.get(stream="missing:creatinine")
    record_review(alarm.pk, "rita", DECISIONS[signed])
    assert disagreements() == []
    for state in ({"open", "nonsense"} | set(STATES.values())) - {STATES[signed]}:
        Alarm.objects.filter(pk=alarm.pk).update(state=state)
        (one,) = disagreements()
        assert one.words.startswith(f"alarm {alarm.pk} ")


def test_a_mute_of_before_its_end_was_noted_may_be_over(alarmed: Clinic) -> None:
    alarm = Alarm.objects.get(stream="missing:creatinine")
    details = {"alarm": alarm.pk, "model": alarm.model, "version": "1", "decision": "mute"}
    details |= {"because": "Looked into", "muted_until": "2024-02-01"}
    audit.note("alarm.review", "rita", details, NOW)
    assert [one.words for one in disagreements() if one.table == "records_alarm"] == []


def test_no_run_speaks_for_an_alarm_that_was_forged(alarmed: Clinic) -> None:
    forged = FAULTY - timedelta(days=1)
    Alarm.objects.filter(stream="missing:creatinine").update(raised_on=forged)
    alarmed.record_days(FAULTY + timedelta(days=5), 1, change=without_creatinine(0.9))
    alarmed.watch(FAULTY + timedelta(days=5))
    (one,) = disagreements()
    assert "was changed" in one.words
