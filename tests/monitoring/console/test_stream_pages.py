"""What pages say of shares, flags, overrides and sites."""

from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

import pytest
from django.conf import settings as django_settings
from django.test import Client

from monitoring.console.wording import unbroken
from monitoring.sites import standing
from records.models import Alarm, Feedback, MonitorRun, Prediction, Stream
from records.settings import Settings
from tests.monitoring.clinic import DEFINITION, FIRST, Clinic, without_creatinine
from tests.monitoring.console.conftest import add_people, promote
from tests.monitoring.test_overrides import record_reports
from tests.monitoring.test_sites import record_sites
from tests.monitoring.test_wards import record_wards

FAULT = FIRST + timedelta(days=20)


@pytest.fixture
def at_sites(
    clinic: Clinic, sqlite_db: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Clinic:
    """A clinic whose northern site stopped measuring creatinine, and that is overridden more."""
    record_sites(clinic, FIRST, 20, 40)
    record_reports(clinic, FIRST, 20, overridden=2, rows=20)
    record_sites(clinic, FAULT, 5, 40, north=without_creatinine(0.9))
    record_reports(clinic, FAULT, 5, overridden=15, rows=20)
    clinic.record(FAULT, 3, site="west")
    show(clinic, FAULT + timedelta(days=4), sqlite_db, tmp_path, monkeypatch)
    return clinic


def show(
    clinic: Clinic,
    through: date,
    sqlite_db: Settings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Watch a clinic, and let people look at it."""
    clinic.watch(through, with_reports=True)
    add_people()
    promote(clinic)
    models = tmp_path / "models" / clinic.model
    models.mkdir(parents=True)
    (models / "model.toml").write_text(DEFINITION)
    (models / "card.md").write_text("# A made-up model\n\nFor tests only.")
    settings = sqlite_db.model_copy(update={"models": (tmp_path / "models",)})
    monkeypatch.setattr(django_settings, "AUSCULT", settings)


@pytest.fixture
def page() -> Callable[[str], str]:
    from django.contrib.auth.models import User

    def text(address: str) -> str:
        client = Client()
        client.force_login(User.objects.get(username="vera"))
        answer = client.get(address)
        assert answer.status_code == 200
        return answer.content.decode()

    return text


def test_the_pages_say_where_an_alarm_sits_and_since_when_sites_are_watched(
    at_sites: Clinic, page: Callable[[str], str]
) -> None:
    whole = Alarm.objects.get(stream="missing:creatinine")
    part = Alarm.objects.get(stream="missing:creatinine@north")
    told = page(f"/alarms/{whole.pk}/")
    assert "Without the rows from north, little of the evidence is left." in told
    assert unbroken(part.summary) in told
    where = told.split('id="where"')[1].split("</section>")[0]
    assert 'It sits at north: <span class="whole">9' in where
    assert "All requests are from client." in where
    assert "No other version predicted on these days." in where
    assert "Requests name no ward." in where
    assert 'id="where"' not in page(f"/alarms/{part.pk}/")
    of_site = page(f"/alarms/{part.pk}/")
    assert "<dt>Site</dt>" in of_site
    assert "This is seen at one site of what all rows show" in of_site
    assert "Creatinine in serum: missing at north" in of_site
    model = page(f"/models/{at_sites.model}/")
    sites = model.split('id="sites"')[1].split("</table>")[0]
    (north, *_) = standing(at_sites.model, "1")
    assert north.since is not None
    assert f"{north.since:%-d %b %Y}" in sites
    assert "3 of 200 stays that are needed" in sites
    folded = model.split("<summary>At north: 9 streams</summary>")[1].split("</details>")[0]
    for title in (
        "Creatinine in serum at north",
        "Age at north",
        "A risk of 20 % or more at north",
        "Risk score (log-odds) at north",
    ):
        row = folded.split(title)[1].split("</tr>")[0]
        assert 'data-label="7 days">a ' in row
    silence = model.split('id="silence"')[1].split("</table>")[0]
    assert " at north" not in silence.split("<tbody>")[1]
    shared = Stream.objects.count() + 3
    assert f"shared by {shared} streams" in silence
    claims = MonitorRun.objects.get().summary["assurance"]["streams"]
    assert claims["value:age@north"]["claim"].startswith("No budget claimed, because")
    assert claims["value:age@north"]["since"] == north.since.isoformat()


def test_the_pages_name_wards_and_withhold_those_of_few_reports(
    at_sites: Clinic, page: Callable[[str], str]
) -> None:
    Prediction.objects.filter(site="north").update(ward="<7B>")
    few = Feedback.objects.values_list("prediction_id", flat=True)[:3]
    Prediction.objects.filter(pk__in=list(few)).update(ward="ICU")
    at_sites.watch(FAULT + timedelta(days=4))
    whole = Alarm.objects.get(stream="missing:creatinine")
    where = page(f"/alarms/{whole.pk}/").split('id="where"')[1].split("</section>")[0]
    by_ward = where.split("<strong>By ward.</strong>")[1].split("</p>")[0]
    assert "It sits on &lt;7B&gt; (north): " in by_ward
    assert '<th scope="row">&lt;7B&gt; (north)</th>' in where
    assert "<7B>" not in where
    feedback = page(f"/models/{at_sites.model}/").split('id="feedback"')[1].split("</section>")[0]
    assert '<th scope="row">ICU</th><td data-label="Reports">3</td><td colspan="3"' in feedback
    assert '<th scope="row">Ward not known</th><td data-label="Reports">497</td>' in feedback


def test_the_pages_draw_shares_and_overrides(at_sites: Clinic, page: Callable[[str], str]) -> None:
    model = page(f"/models/{at_sites.model}/")
    drift = model.split('id="drift"')[1].split("</table>")[0]
    assert "Age: its share of explanations" in drift
    assert "training none" not in drift
    flags = model.split('id="flags"')[1].split("</table>")[0]
    assert "A shown risk overridden" in flags
    assert "Some value converted from another unit" in flags
    alarm = Alarm.objects.get(stream="overrides")
    told = page(f"/alarms/{alarm.pk}/")
    assert "A shown risk is overridden in 75 %" in told
    assert "Evidence up to the alarm" in told
    assert "What is seen" in told


def test_the_pages_say_on_which_wards_overrides_are_watched(
    clinic: Clinic,
    page: Callable[[str], str],
    sqlite_db: Settings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    record_wards(clinic, 23)
    show(clinic, FAULT + timedelta(days=2), sqlite_db, tmp_path, monkeypatch)
    text = page(f"/models/{clinic.model}/")
    assert "So are those on 7B (north) since 8 Jan 2024, ICU (north) since 8 Jan 2024." in text
    assert "A shown risk overridden on ICU (north)" in text
    part = Alarm.objects.get(stream="overrides@north@ICU")
    text = page(f"/alarms/{part.pk}/")
    assert "This is seen on one ward of what more reports show:" in text
    assert '<dt>Ward</dt><dd class="small">ICU</dd>' in text
    assert "A shown risk overridden on ICU (north): " in text
    Stream.objects.filter(name__contains="ICU").delete()
    Stream.objects.filter(name__contains="7B").delete()
    assert "beside another ward that has. None is yet." in page(f"/models/{clinic.model}/")
