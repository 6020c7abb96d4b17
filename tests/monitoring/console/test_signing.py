from collections.abc import Callable
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from monitoring.console.wording import unbroken
from records.models import Alarm, AuditEvent, Review
from tests.monitoring.clinic import Clinic
from tests.monitoring.console.people import PASSWORD

Browse = Callable[[str], Client]
WHY = "The laboratory feed was repaired this morning"


def alarm_of(clinic: Clinic) -> Alarm:
    return Alarm.objects.get(model=clinic.model, stream="missing:creatinine")


def sign(client: Client, alarm: Alarm, **fields: str) -> int:
    signed = {"decision": "fault", "because": WHY, "password": PASSWORD, **fields}
    return client.post(f"/alarms/{alarm.pk}/review", signed).status_code


def test_a_signed_review_closes_the_alarm_and_is_in_the_audit_record(
    watched: Clinic, browse: Browse
) -> None:
    alarm = alarm_of(watched)
    rita = browse("rita")
    assert sign(rita, alarm) == 302
    review = Review.objects.get(alarm=alarm)
    assert (review.alarm_id, review.decision, review.by) == (alarm.pk, "fault", "rita")
    assert alarm_of(watched).state == "closed"
    event = AuditEvent.objects.get(action="alarm.review", details__alarm=alarm.pk)
    assert event.by == "rita"
    assert event.details["as_shown"] == alarm.summary
    page = rita.get(f"/alarms/{alarm.pk}/").content.decode()
    assert WHY in page
    assert "Sign a review" not in page


def test_a_decision_on_a_cause_is_signed_for_what_follows_from_it(
    watched: Clinic, browse: Browse
) -> None:
    cause = Alarm.objects.get(stream="value:age")
    score = Alarm.objects.get(stream="score")
    rita = browse("rita")
    assert unbroken(score.summary) in rita.get(f"/alarms/{cause.pk}/").content.decode()
    assert unbroken(cause.summary) in rita.get(f"/alarms/{score.pk}/").content.decode()
    assert sign(rita, cause) == 302
    assert Alarm.objects.get(pk=score.pk).state == "closed"
    assert Review.objects.filter(alarm=score, decision="fault", by="rita").count() == 1
    signed = AuditEvent.objects.filter(action="alarm.review")
    assert {cause.pk, score.pk} <= {event.details["alarm"] for event in signed}
    assert alarm_of(watched).state == "open"


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"password": "not hers"}, "isn&#x27;t your password"),
        ({"password": ""}, "This field is required"),
        ({"because": "ok"}, "at least 10 characters"),
        ({"decision": "delete it"}, "Select a valid choice"),
        ({"decision": "mute"}, "Give a day within the next 90 days"),
        ({"decision": "mute", "muted_until": "2020-01-01"}, "Give a day within the next 90 days"),
        ({"decision": "mute", "muted_unless": "it rains"}, "Select a valid choice"),
        ({"decision": "mute", "muted_unless": "graver than critical"}, "Select a valid choice"),
        ({"decision": "assign"}, "Name somebody."),
        ({"decision": "assign", "assigned_to": "nora"}, "Select a valid choice"),
    ],
)
def test_a_review_that_is_not_complete_signs_nothing(
    watched: Clinic, browse: Browse, fields: dict[str, str], words: str
) -> None:
    alarm = alarm_of(watched)
    rita = browse("rita")
    signed = {"decision": "fault", "because": WHY, "password": PASSWORD, **fields}
    page = rita.post(f"/alarms/{alarm.pk}/review", signed)
    assert page.status_code == 422
    assert words in page.content.decode()
    assert alarm_of(watched).state == "open"
    assert not Review.objects.exists()


def test_another_persons_password_signs_nothing(watched: Clinic, browse: Browse) -> None:
    from django.contrib.auth.models import User

    vera = User.objects.get(username="vera")
    vera.set_password("another long password")
    vera.save()
    assert sign(browse("rita"), alarm_of(watched), password="another long password") == 422


def test_acknowledging_and_muting_leave_the_alarm_open(watched: Clinic, browse: Browse) -> None:
    rita = browse("rita")
    assert sign(rita, alarm_of(watched), decision="acknowledge") == 302
    assert alarm_of(watched).state == "acknowledged"
    until = timezone.now().date() + timedelta(days=7)
    assert sign(rita, alarm_of(watched), decision="mute", muted_until=str(until)) == 302
    assert alarm_of(watched).state == "muted"
    assert alarm_of(watched).muted_until == until
    assert "outside its validated use" in rita.get("/").content.decode()


def test_an_alarm_is_assigned_to_somebody_and_stays_theirs(watched: Clinic, browse: Browse) -> None:
    rita = browse("rita")
    assert sign(rita, alarm_of(watched), decision="assign", assigned_to="vera") == 302
    assert (alarm_of(watched).state, alarm_of(watched).assigned_to) == ("assigned", "vera")
    for page in (f"/alarms/{alarm_of(watched).pk}/", f"/models/{watched.model}/"):
        assert "assigned to vera" in rita.get(page).content.decode()
    event = AuditEvent.objects.filter(action="alarm.review").latest("recorded_at")
    assert event.details["assigned_to"] == "vera"
    assert sign(rita, alarm_of(watched), decision="acknowledge") == 302
    assert (alarm_of(watched).state, alarm_of(watched).assigned_to) == ("acknowledged", "vera")


def test_nobody_who_was_retired_is_assigned(watched: Clinic, browse: Browse) -> None:
    from monitoring.console.accounts import admit

    admit("vera", admitted=False)
    rita = browse("rita")
    assert sign(rita, alarm_of(watched), decision="assign", assigned_to="vera") == 422


def test_a_mute_with_a_condition_ends_after_ninety_days_at_the_latest(
    watched: Clinic, browse: Browse
) -> None:
    rita = browse("rita")
    assert sign(rita, alarm_of(watched), decision="mute", muted_unless="as before") == 302
    alarm = alarm_of(watched)
    assert (alarm.state, alarm.muted_unless) == ("muted", "as before")
    assert alarm.muted_until == timezone.now().date() + timedelta(days=90)
    page = rita.get(f"/alarms/{alarm.pk}/").content.decode()
    assert "or until the stream is as before, for 7 days with requests" in page
    assert sign(rita, alarm_of(watched), decision="acknowledge") == 302
    assert (alarm_of(watched).muted_until, alarm_of(watched).muted_unless) == (None, "")


def test_what_is_muted_with_its_cause_has_a_severity_of_its_own(
    watched: Clinic, browse: Browse
) -> None:
    cause, score = (Alarm.objects.get(stream=name) for name in ("value:age", "score"))
    Alarm.objects.filter(pk=cause.pk).update(severity="warning")
    Alarm.objects.filter(pk=score.pk).update(severity="notice")
    unless = "graver than warning"
    assert sign(browse("rita"), cause, decision="mute", muted_unless=unless) == 302
    assert Alarm.objects.get(pk=cause.pk).muted_unless == unless
    assert Alarm.objects.get(pk=score.pk).muted_unless == "graver than notice"


def test_a_closed_alarm_takes_no_further_review(watched: Clinic, browse: Browse) -> None:
    rita = browse("rita")
    sign(rita, alarm_of(watched))
    sign(rita, alarm_of(watched), decision="accept")
    assert set(Review.objects.values_list("decision", flat=True)) == {"fault"}


def test_a_forged_form_signs_nothing(watched: Clinic, browse: Browse) -> None:
    rita = Client(enforce_csrf_checks=True)
    rita.cookies = browse("rita").cookies
    assert sign(rita, alarm_of(watched)) == 403
    assert not Review.objects.exists()


def test_the_database_refuses_nothing_of_a_review_by_halves(
    watched: Clinic, browse: Browse, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*args: object) -> None:
        raise OSError("the disk is full")

    monkeypatch.setattr("records.audit.note", failing)
    with pytest.raises(OSError, match="the disk is full"):
        sign(browse_quietly(browse, monkeypatch), alarm_of(watched))
    assert alarm_of(watched).state == "open"
    assert not Review.objects.exists()


def browse_quietly(browse: Browse, monkeypatch: pytest.MonkeyPatch) -> Client:
    """Log in without the audit record, which fails here."""
    with monkeypatch.context() as patched:
        patched.setattr("monitoring.console.signs_in.note", lambda action, by: None)
        return browse("rita")
