from datetime import UTC, datetime, timedelta

import pytest

from monitoring.console.alarm_pages import Signed, record_review
from monitoring.evidence.size import Size
from monitoring.mutes import condition_words, conditions
from monitoring.unmuting import is_back
from records import tenure
from records.agreement import disagreements
from records.models import Alarm, AuditEvent
from tests.monitoring.clinic import FIRST, Clinic, older, without_creatinine

FAULTY = FIRST + timedelta(days=20)
# reviews are signed by the clock on the wall
NOW = datetime.now(UTC)
FAR = NOW.date() + timedelta(days=80)
STREAM = "missing:creatinine"


def muted(clinic: Clinic, unless: str, stream: str = STREAM) -> Alarm:
    alarm = Alarm.objects.get(stream=stream)
    record_review(alarm.pk, "rita", Signed("mute", "Being looked into", FAR, unless))
    return alarm


def state(alarm: Alarm) -> str:
    return Alarm.objects.get(pk=alarm.pk).state


def why(alarm: Alarm) -> str:
    return AuditEvent.objects.get(action="alarm.unmuted", details__alarm=alarm.pk).details[
        "because"
    ]


@pytest.fixture
def faulty(any_clinic: Clinic) -> Clinic:
    any_clinic.record_days(FIRST, 20)
    any_clinic.record_days(FAULTY, 4, change=without_creatinine(0.2))
    any_clinic.watch(FAULTY + timedelta(days=3), now=NOW + timedelta(hours=1))
    assert Alarm.objects.get(stream=STREAM).severity == "warning"
    return any_clinic


def test_a_mute_ends_on_its_day_and_says_so(faulty: Clinic) -> None:
    alarm = muted(faulty, "")
    faulty.watch(FAULTY + timedelta(days=3), now=NOW + timedelta(days=79))
    assert state(alarm) == "muted"
    faulty.watch(FAULTY + timedelta(days=3), now=NOW + timedelta(days=80))
    assert state(alarm) == "open"
    assert why(alarm) == f"its day came, {FAR}"
    assert disagreements() == []


def test_a_mute_until_it_is_graver_ends_when_it_is(faulty: Clinic) -> None:
    alarm = muted(faulty, "graver than warning")
    faulty.record_days(FAULTY + timedelta(days=4), 2, change=without_creatinine(0.2))
    faulty.watch(FAULTY + timedelta(days=5), now=NOW + timedelta(hours=1))
    assert state(alarm) == "muted"
    faulty.record_days(FAULTY + timedelta(days=6), 9, change=without_creatinine(0.95))
    faulty.watch(FAULTY + timedelta(days=14), now=NOW + timedelta(hours=1))
    assert state(alarm) == "open"
    assert why(alarm) == "it became critical, and was a warning"
    assert disagreements() == []


def test_a_mute_until_the_stream_is_as_before_ends_after_a_week_of_that(faulty: Clinic) -> None:
    alarm = muted(faulty, "as before")
    back = FAULTY + timedelta(days=4)
    faulty.record_days(back, 7)
    faulty.watch(back + timedelta(days=2), now=NOW + timedelta(hours=1))
    assert state(alarm) == "muted"
    faulty.watch(back + timedelta(days=6), now=NOW + timedelta(hours=1))
    assert state(alarm) == "open"
    assert why(alarm) == f"since {back} it is as before"
    assert disagreements() == []


def test_a_stream_that_stays_changed_stays_muted(faulty: Clinic) -> None:
    alarm = muted(faulty, "as before")
    faulty.record_days(FAULTY + timedelta(days=4), 10, change=without_creatinine(0.2))
    faulty.watch(FAULTY + timedelta(days=13), now=NOW + timedelta(hours=1))
    assert state(alarm) == "muted"


def test_a_mute_until_another_version_is_in_use_ends_then(faulty: Clinic) -> None:
    move = {"by": "paula", "because": "It passes its gates", "evidence": {"run_id": "0123abcd"}}
    tenure.move_alias(faulty.model, "champion", "1", now=datetime(2024, 1, 1, tzinfo=UTC), **move)
    alarm = muted(faulty, "other version than 1")
    faulty.watch(FAULTY + timedelta(days=3), now=NOW + timedelta(hours=1))
    assert state(alarm) == "muted"
    tenure.move_alias(faulty.model, "champion", "2", now=NOW, **move)
    faulty.version = "2"
    faulty.record_days(FAULTY + timedelta(days=4), 1)
    faulty.watch(FAULTY + timedelta(days=4), now=NOW + timedelta(days=1))
    assert state(alarm) == "open"
    assert why(alarm) == "version 2 is in use, and 1 was"


def test_an_assigned_alarm_is_theirs_again_after_a_mute(faulty: Clinic) -> None:
    alarm = Alarm.objects.get(stream=STREAM)
    record_review(alarm.pk, "rita", Signed("assign", "Vera knows", assigned_to="vera"))
    muted(faulty, "")
    faulty.watch(FAULTY + timedelta(days=3), now=NOW + timedelta(days=81))
    assert state(alarm) == "assigned"
    assert disagreements() == []


def test_requests_that_come_again_end_the_mute_of_a_silent_feed(clinic: Clinic) -> None:
    clinic.record_days(FIRST, 60, 30)
    clinic.watch(FIRST + timedelta(days=63), now=NOW + timedelta(hours=1))
    alarm = muted(clinic, "as before", "traffic")
    clinic.watch(FIRST + timedelta(days=64), now=NOW + timedelta(hours=1))
    assert state(alarm) == "muted"
    clinic.record_days(FIRST + timedelta(days=65), 1)
    clinic.watch(FIRST + timedelta(days=65), now=NOW + timedelta(hours=1))
    assert state(alarm) == "open"
    assert why(alarm) == f"requests came again on {FIRST + timedelta(days=65)}"


def test_what_was_muted_with_its_cause_is_shown_with_it_again(clinic: Clinic) -> None:
    clinic.record_days(FIRST, 20)
    clinic.record_days(FAULTY, 4, change=older(15))
    clinic.watch(FAULTY + timedelta(days=3), now=NOW + timedelta(hours=1))
    cause = Alarm.objects.get(stream="value:age")
    score = Alarm.objects.get(stream="score", details__follows=cause.pk)
    record_review(cause.pk, "rita", Signed("mute", "Looked into", FAR, "as before"))
    assert state(score) == "muted"
    # the score alone stays older people's, as its own week isn't waited for
    clinic.record_days(FAULTY + timedelta(days=4), 7)
    clinic.watch(FAULTY + timedelta(days=10), now=NOW + timedelta(hours=1))
    assert (state(cause), state(score)) == ("open", "open")


def test_a_forged_end_of_a_mute_is_found(faulty: Clinic) -> None:
    alarm = muted(faulty, "as before")
    Alarm.objects.filter(pk=alarm.pk).update(state="assigned", muted_until=None, muted_unless="")
    (one,) = disagreements()
    assert "assigned without a review" in one.words


def size(now: float, half: float, before: float = 0.1, scale: str = "share") -> Size:
    return Size(scale, now, now - half, now + half, before)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("now", "raised", "back"),
    [
        (size(0.11, 0.03), size(0.4, 0.05), True),
        (size(0.2, 0.03), size(0.4, 0.05), False),
        (size(0.15, 0.3), size(0.4, 0.05), False),  # too few rows fit both
        (size(0.02, 0.05, 0, "SD"), size(0.5, 0.1, 0, "SD"), True),
        (size(-0.3, 0.05, 0, "SD"), size(0.5, 0.1, 0, "SD"), False),
        (size(1.02, 0.05, 1, "ratio of SDs"), size(1.5, 0.1, 1, "ratio of SDs"), True),
        (size(1.2, 0.05, 1, "ratio of SDs"), size(1.5, 0.1, 1, "ratio of SDs"), False),
    ],
)
def test_a_stream_is_back_where_it_fits_no_change_and_not_the_alarm(
    now: Size, raised: Size, back: bool
) -> None:
    assert is_back(now, raised, 0.1) is back


def test_only_what_can_come_about_ends_a_mute() -> None:
    warning = Alarm(stream=STREAM, severity="warning")
    assert conditions(warning, "3") == ["graver than warning", "as before", "other version than 3"]
    assert conditions(Alarm(stream=STREAM, severity="critical"), None) == ["as before"]
    assert conditions(Alarm(stream="calibration", severity="warning"), "3") == [
        "graver than warning",
        "other version than 3",
    ]
    assert [condition_words(one) for one in conditions(warning, "3")] == [
        "it is graver than a warning",
        "the stream is as before, for 7 days with requests",
        "another version than 3 is in use",
    ]
