from datetime import UTC, datetime, timedelta

from django.test import Client
from django.utils import timezone

from records import tenure
from records.clients import create_client
from tests.monitoring.clinic import FIRST, PATIENT, Clinic


def key(*scopes: str) -> str:
    return create_client("prometheus", scopes, now=timezone.now())[0]


def test_prometheus_reads_the_state_of_monitoring_with_a_key(watched: Clinic) -> None:
    page = Client().get("/metrics", headers={"Authorization": f"Bearer {key('read')}"})
    text = page.content.decode()
    assert page.status_code == 200
    assert 'auscult_monitor_overdue{model="kidney_failure",version="1"} 1.0' in text
    assert 'auscult_feed_silent{model="kidney_failure",version="1"} 0.0' in text
    labels = 'model="kidney_failure",severity="critical",version="1"'
    assert f"auscult_alarms_open{{{labels}}} 2.0" in text
    completed = float(text.split("auscult_monitor_completed_seconds{")[1].split("} ")[1].split()[0])
    assert datetime.fromtimestamp(completed, UTC).year == 2026


def test_prometheus_reads_of_a_version_that_nobody_watches(watched: Clinic) -> None:
    tenure.move_alias(
        watched.model,
        "champion",
        "2",
        by="paula",
        because="It passes its gates",
        evidence={},
        now=timezone.now() - timedelta(minutes=1),
    )
    page = Client().get("/metrics", headers={"Authorization": f"Bearer {key('read')}"})
    text = page.content.decode()
    assert 'auscult_version_unwatched{model="kidney_failure",version="1"} 1.0' in text
    assert 'auscult_feed_silent{model="kidney_failure",version="2"} 1.0' in text
    labels = 'model="kidney_failure",severity="critical",version='
    assert f'auscult_alarms_open{{{labels}"1"}} 2.0' in text
    assert f'auscult_alarms_open{{{labels}"2"}} 0.0' in text


def test_prometheus_reads_that_most_predictions_carry_one_patient_id(watched: Clinic) -> None:
    bearer = {"Authorization": f"Bearer {key('read')}"}
    of_version = 'auscult_patient_id_shared{model="kidney_failure",version="1"}'
    assert f"{of_version} 0.0" in Client().get("/metrics", headers=bearer).content.decode()
    watched.record(FIRST + timedelta(days=15), 2_000, patient=PATIENT)
    watched.watch(FIRST + timedelta(days=15))
    assert f"{of_version} 1.0" in Client().get("/metrics", headers=bearer).content.decode()


def test_without_a_key_or_its_scope_prometheus_reads_nothing(watched: Clinic) -> None:
    assert Client().get("/metrics").status_code == 401
    assert Client().get("/metrics", headers={"Authorization": "Bearer auk_x"}).status_code == 401
    other = {"Authorization": f"Bearer {key('predict')}"}
    assert Client().get("/metrics", headers=other).status_code == 403


def test_the_model_page_says_that_it_is_not_watched(watched: Clinic) -> None:
    from django.contrib.auth.models import User

    client = Client()
    client.force_login(User.objects.get(username="vera"))
    page = client.get(f"/models/{watched.model}/").content.decode()
    assert "Not watched as it should be" in page
    assert "Monitoring is overdue: last completed 2026-06-01 00:00 UTC." in page
