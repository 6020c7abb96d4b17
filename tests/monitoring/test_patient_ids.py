"""One patient id that most predictions carry, which blinds monitoring, is told of."""

import json
from datetime import timedelta

import pytest

from auscult.summary import show_monitored, show_status
from monitoring.heartbeat import heartbeat
from monitoring.job import MonitorResult
from records.models import MonitorRun, Prediction
from tests.monitoring.clinic import FIRST, NOW, PATIENT, Clinic, in_umol

TOLD = (
    "1,680 of 1,680 predictions from 2024-01-13 to 2024-02-09 carry one patient id; a patient's "
    "days on end count once, so 0 rows were weighed: send each patient's own id, or none"
)


def watched(clinic: Clinic, days: int, **rows: int) -> MonitorResult:
    """Watch days of so many predictions each, by whether they carry the one id."""
    for step in range(days):
        day = FIRST + timedelta(days=step)
        clinic.record(day, rows.get("one", 0), patient=PATIENT)
        clinic.record(day, rows.get("own", 0))
        clinic.record(day, rows.get("none", 0), patient="")
    return clinic.watch(FIRST + timedelta(days=days - 1))


def test_one_id_for_all_patients_is_said_wherever_silence_is_read(
    any_clinic: Clinic, capsys: pytest.CaptureFixture[str]
) -> None:
    for step in range(40):
        change = {"change": in_umol} if step >= 20 else {}
        any_clinic.record(FIRST + timedelta(days=step), 60, patient=PATIENT, **change)
    result = any_clinic.watch(FIRST + timedelta(days=39))
    assert not result.open_alarms
    assert (result.predictions, result.weighed, result.shared_id) == (2_400, 1, TOLD)
    show_monitored(result)
    shown = " ".join(capsys.readouterr().out.split())
    assert "Watched 2,400 predictions on 40 days. Weighed 1 row of them: a patient's" in shown
    assert f"NOT WATCHED {TOLD} No alarm is open." in shown
    beat = heartbeat(any_clinic.model, "1", NOW)
    assert (beat.alive, beat.faults) == (False, (TOLD,))
    show_status([beat])
    assert f"NOT WATCHED {TOLD}" in " ".join(capsys.readouterr().out.split())
    assert PATIENT not in json.dumps(MonitorRun.objects.get().summary)


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ({"one": 6, "own": 5}, "168 of 308 predictions"),
        ({"one": 5, "none": 4}, "140 of 252 predictions"),
        ({"one": 5, "own": 5}, None),
        ({"one": 3, "own": 2, "none": 2}, None),
        ({"none": 9}, None),
        ({"one": 1}, None),  # 28 predictions may well be one patient's
        ({"one": 2}, "56 of 56 predictions"),
    ],
)
def test_it_is_told_where_more_than_half_carry_it(
    clinic: Clinic, rows: dict[str, int], told: str | None
) -> None:
    result = watched(clinic, 30, **rows)
    assert result.shared_id.startswith(told) if told else not result.shared_id


def test_one_id_on_every_other_day_is_found_too(clinic: Clinic) -> None:
    for step in range(0, 28, 2):
        clinic.record(FIRST + timedelta(days=step), 4, patient=PATIENT)
        clinic.record(FIRST + timedelta(days=step), 3)
    found = clinic.watch(FIRST + timedelta(days=27)).shared_id
    assert found.startswith("56 of 98 predictions from 2024-01-01 to 2024-01-28 carry one")
    assert "so 56 rows were weighed" in found


def test_patients_who_are_scored_on_each_day_of_their_stay_share_no_id(clinic: Clinic) -> None:
    patients = [one.patient for one in clinic.record(FIRST, 20)]
    for step in range(1, 15):
        made = clinic.record(FIRST + timedelta(days=step), 20)
        for one, patient in zip(made, patients, strict=True):
            one.patient = patient
        Prediction.objects.bulk_update(made, ["patient"])
    result = clinic.watch(FIRST + timedelta(days=14))
    assert (result.predictions, result.weighed, result.shared_id) == (300, 20, "")
    assert heartbeat(clinic.model, "1", NOW).alive


def test_predictions_of_test_clients_do_not_count(clinic: Clinic) -> None:
    clinic.record_days(FIRST, 28, 2)
    for step in range(28):
        clinic.record(FIRST + timedelta(days=step), 9, patient=PATIENT, is_test=True)
    assert not clinic.watch(FIRST + timedelta(days=27)).shared_id


def test_own_ids_put_an_end_to_it(clinic: Clinic) -> None:
    assert watched(clinic, 20, one=20).shared_id
    clinic.record_days(FIRST + timedelta(days=20), 15, 20)
    assert not clinic.watch(FIRST + timedelta(days=34)).shared_id
    assert heartbeat(clinic.model, "1", NOW).alive


def test_why_there_is_no_report_is_said(clinic: Clinic, capsys: pytest.CaptureFixture[str]) -> None:
    show_monitored(clinic.watch(FIRST, with_reports=True))
    assert "No report: no day closed." in capsys.readouterr().out
    clinic.record(FIRST, 9)
    show_monitored(clinic.watch(FIRST, with_reports=True))
    assert "No report: no year has 10 predictions." in capsys.readouterr().out
