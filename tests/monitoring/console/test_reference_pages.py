"""Epochs of references: what the pages say was left out, and because of which alarm."""

from datetime import date, timedelta
from pathlib import Path

import pytest
from django.conf import settings as django_settings
from django.contrib.auth.models import User
from django.test import Client

from auscult.summary import show_status
from monitoring.console.alarm_pages import Signed, record_review
from monitoring.console.references import became_of_days, references
from monitoring.epochs import epochs
from monitoring.heartbeat import heartbeat
from records.models import Alarm
from records.settings import Settings
from tests.monitoring.clinic import DEFINITION, FIRST, NOW, Clinic, without_creatinine
from tests.monitoring.console.conftest import add_people, promote

FAULT = FIRST + timedelta(days=40)
SIGNED = FAULT + timedelta(days=9)
MISSING = "missing:creatinine"


@pytest.fixture
def faulty(clinic: Clinic) -> Alarm:
    """Watch a clinic through a fault that is still open."""
    clinic.record_days(FIRST, 40)
    clinic.record_days(FAULT, 10, change=without_creatinine(0.6))
    clinic.watch(SIGNED)
    return Alarm.objects.get(stream=MISSING)


def test_a_stream_whose_days_all_joined_is_in_its_first_epoch(clinic: Clinic) -> None:
    clinic.record_days(FIRST, 10)
    clinic.watch(FIRST + timedelta(days=9))
    assert epochs(clinic.model, "1") == []


def test_an_open_alarm_begins_an_epoch_of_its_stream(clinic: Clinic, faulty: Alarm) -> None:
    (epoch,) = (one for one in epochs(clinic.model, "1") if one.stream == MISSING)
    assert (epoch.number, epoch.since) == (1, faulty.raised_on)
    (left_out,) = epoch.left_out
    assert (left_out.first, left_out.last) == (faulty.raised_on, None)


@pytest.mark.parametrize(
    ("decision", "number", "since", "first", "last"),
    [
        ("fault", 1, FAULT, FAULT, SIGNED),
        ("accept", 2, FAULT, None, FAULT - timedelta(days=1)),
        ("false", 1, FAULT, None, None),
    ],
)
def test_a_decision_says_which_days_were_left_out_once_it_is_carried_out(
    clinic: Clinic,
    faulty: Alarm,
    decision: str,
    number: int,
    since: date,
    first: date | None,
    last: date | None,
) -> None:
    assert faulty.since == faulty.raised_on == FAULT
    record_review(faulty.pk, "rita", Signed(decision, "Seen"))
    (before,) = (one for one in epochs(clinic.model, "1") if one.stream == MISSING)
    assert before.left_out == ()
    clinic.record(SIGNED + timedelta(days=1))
    clinic.watch(SIGNED + timedelta(days=1))
    (epoch,) = (one for one in epochs(clinic.model, "1") if one.stream == MISSING)
    assert (epoch.number, epoch.since) == (number, since)
    (left_out,) = epoch.left_out
    assert (left_out.first, left_out.last) == (first, last)


@pytest.mark.parametrize(("quiet", "number"), [(0, 1), (6, 2)])
def test_an_epoch_goes_on_while_no_day_has_joined(
    clinic: Clinic, faulty: Alarm, quiet: int, number: int
) -> None:
    record_review(faulty.pk, "rita", Signed("fault", "Seen"))
    again = SIGNED + timedelta(days=1 + quiet)
    clinic.record_days(SIGNED + timedelta(days=1), quiet)
    clinic.record_days(again, 3, change=without_creatinine(0.6))
    clinic.watch(again + timedelta(days=2))
    second = Alarm.objects.get(stream=MISSING, state="open")
    (epoch,) = (one for one in epochs(clinic.model, "1") if one.stream == MISSING)
    assert (epoch.number, epoch.since) == (number, second.raised_on if quiet else FAULT)
    assert [one.alarm.pk for one in epoch.left_out] == [faulty.pk, second.pk]


def test_the_pages_show_the_epoch_the_days_left_out_and_the_alarm(
    clinic: Clinic,
    faulty: Alarm,
    sqlite_db: Settings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    record_review(faulty.pk, "rita", Signed("fault", "The interface is repaired"))
    clinic.record(SIGNED + timedelta(days=1))
    clinic.watch(SIGNED + timedelta(days=1), with_reports=True)
    add_people()
    promote(clinic)
    monkeypatch.setattr(django_settings, "AUSCULT", with_definition(sqlite_db, clinic, tmp_path))
    client = Client()
    client.force_login(User.objects.get(username="vera"))
    days = f"{FAULT:%-d %b %Y} to {SIGNED:%-d %b %Y}"
    told = client.get(f"/models/{clinic.model}/").content.decode()
    table = told.split('id="references"')[1].split("</table>")[0]
    row = table.split("Creatinine in serum, missing")[1].split("</tr>")[0]
    assert '<td data-label="Epoch">1</td>' in row
    assert f'<td data-label="Since">{FAULT:%-d %b %Y}</td>' in row
    assert f'{days}: <a href="/alarms/{faulty.pk}/">alarm {faulty.pk}</a>, closed as a fault' in row
    alarm = client.get(f"/alarms/{faulty.pk}/").content.decode()
    reviews = alarm.split('id="reviews"')[1].split("</section>")[0]
    assert f"Closed as a fault. Left out of this stream's reference: {days}." in reviews
    assert f"The reference is in epoch 1 since {FAULT:%-d %b %Y}." in reviews


def test_a_closed_alarm_names_the_streams_whose_evidence_it_explains(
    clinic: Clinic, faulty: Alarm
) -> None:
    details = {**faulty.details, "explained": ["score", "fixed:score", "share:age@north"]}
    faulty.details = details
    assured = {"streams": {"score": {"title": "Risk score"}}}
    assert became_of_days(faulty, assured)["explained"] == ["Risk score", "share:age@north"]


def with_definition(settings: Settings, clinic: Clinic, directory: Path) -> Settings:
    """Return settings by which the console knows the clinic's definition."""
    models = directory / "models" / clinic.model
    models.mkdir(parents=True)
    (models / "model.toml").write_text(DEFINITION)
    (models / "card.md").write_text("# A made-up model\n\nFor tests only.")
    return settings.model_copy(update={"models": (directory / "models",)})


def test_the_status_says_what_was_left_out_of_which_reference(
    clinic: Clinic, faulty: Alarm, capsys: pytest.CaptureFixture[str]
) -> None:
    found = [heartbeat(clinic.model, "1", NOW)]
    show_status(found, {clinic.model: references(clinic.model, "1", {})})
    words = " ".join(capsys.readouterr().out.split())
    assert (
        f"REFERENCE {MISSING} is in epoch 1 since {FAULT}; left out: {FAULT} and all days since "
        f"(alarm {faulty.pk}, its alarm is open)"
    ) in words
    record_review(faulty.pk, "rita", Signed("fault", "Seen"))
    clinic.record(SIGNED + timedelta(days=1))
    clinic.watch(SIGNED + timedelta(days=1))
    show_status(found, {clinic.model: references(clinic.model, "1", {})})
    words = " ".join(capsys.readouterr().out.split())
    assert f"left out: {FAULT} to {SIGNED} (alarm {faulty.pk}, closed as a fault)" in words
