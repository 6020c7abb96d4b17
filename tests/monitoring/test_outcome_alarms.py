"""Which outcomes the alarms that rest on outcomes weigh, and what is said of the rest."""

from datetime import timedelta

import numpy as np
import pytest

from auscult.summary import show_status
from monitoring.calibration import CALIBRATION
from monitoring.console.alarm_pages import Signed, record_review
from monitoring.console.figures import exposed
from monitoring.heartbeat import Heartbeat, heartbeat
from records.agreement import disagreements
from records.models import Alarm, MonitorRun
from tests.monitoring.clinic import FIRST, NOW, Clinic

DAYS = 60
THROUGH = FIRST + timedelta(days=DAYS - 1)


def record(clinic: Clinic, *, site: str, reported: bool, odds: float = 0.0, start: int = 0) -> None:
    """Record two months of a site whose true log-odds are off by so much."""
    for step in range(start, start + DAYS):
        made = clinic.record(FIRST + timedelta(days=step), 30, site=site)
        generator = np.random.default_rng([step, 5])
        chance = [1 / (1 + np.exp(-one.margin - odds)) for one in made]
        if reported:
            clinic.report_outcomes(made, (generator.random(30) < chance).tolist(), 90)


def beat(clinic: Clinic) -> Heartbeat:
    clinic.watch(THROUGH)
    return heartbeat(clinic.model, "1", NOW)


def test_a_site_that_reports_nothing_does_not_silence_the_others(
    clinic: Clinic, capsys: pytest.CaptureFixture[str]
) -> None:
    record(clinic, site="north", reported=True, odds=1.5)
    record(clinic, site="south", reported=False)
    found = beat(clinic)
    assert Alarm.objects.filter(stream=CALIBRATION).count() == 1
    assert not found.outcomes_unwatched
    assert found.outcomes_weighed == found.outcomes_due // 2 == DAYS * 30
    words = (
        "calibration and discrimination are watched in part: 50 % of due predictions left out, "
        "50 % of due outcomes unreported"
    )
    assert found.outcomes_note == words
    show_status([found])
    assert words in " ".join(capsys.readouterr().out.split())


def test_months_before_a_feed_of_outcomes_began_are_left_out(clinic: Clinic) -> None:
    january = clinic.record(FIRST, 60)
    february = clinic.record(FIRST + timedelta(days=40), 60)
    clinic.report_outcomes(february, [False] * 60, 90)
    clinic.report_outcomes(january[:50], [False] * 50, 90)
    clinic.watch(THROUGH)
    run = MonitorRun.objects.latest("pk")
    assert run.summary["outcomes"] == {"due": 120, "unreported": 10, "weighed": 60}


def test_where_no_outcome_is_weighed_everyone_is_told(
    clinic: Clinic, capsys: pytest.CaptureFixture[str]
) -> None:
    record(clinic, site="", reported=False)
    found = beat(clinic)
    assert found.alive
    assert found.outcomes_unwatched
    words = "calibration and discrimination are not watched: 100 % of due outcomes unreported"
    assert found.outcomes_note == words
    show_status([found])
    assert words in " ".join(capsys.readouterr().out.split())
    exposition = exposed((found,)).decode()
    labels = f'{{model="{clinic.model}",version="1"}}'
    assert f"auscult_outcomes_unwatched{labels} 1.0" in exposition
    assert f"auscult_outcomes_unreported_ratio{labels} 1.0" in exposition


def test_nothing_is_said_while_all_is_reported_or_nothing_is_due(clinic: Clinic) -> None:
    clinic.report_outcomes(clinic.record(FIRST, 60), [False] * 60, 90)
    assert beat(clinic).outcomes_note == ""
    clinic.watch(FIRST, now=NOW)
    late = NOW.date() - timedelta(days=30)
    clinic.version = "2"
    clinic.record(late, 60)
    clinic.watch(late)
    assert heartbeat(clinic.model, "2", NOW).outcomes_note == ""


def test_a_rerun_weighs_the_same_and_raises_nothing(clinic: Clinic) -> None:
    record(clinic, site="north", reported=True, odds=1.5)
    first = beat(clinic)
    raised = list(Alarm.objects.order_by("pk").values("stream", "summary", "details"))
    assert beat(clinic).outcomes_weighed == first.outcomes_weighed
    assert list(Alarm.objects.order_by("pk").values("stream", "summary", "details")) == raised


def test_an_open_alarm_says_what_the_windows_that_closed_since_show(any_clinic: Clinic) -> None:
    clinic = any_clinic
    record(clinic, site="north", reported=True, odds=1.5)
    clinic.watch(THROUGH)
    first = Alarm.objects.get(stream=CALIBRATION)
    rows = first.details["rows"] + first.details["later"]["rows"]
    assert rows == DAYS * 30
    made = clinic.record(THROUGH + timedelta(days=1), 30)
    clinic.report_outcomes(made, [False] * 30, 90)
    clinic.watch(THROUGH + timedelta(days=1))
    now = Alarm.objects.get(stream=CALIBRATION)
    last = str(THROUGH + timedelta(days=1))
    assert (now.since, now.details["rows"]) == (first.since, first.details["rows"])
    assert now.details["later"]["rows"] == first.details["later"]["rows"] + 30
    assert now.details["later"]["last"] == last
    assert f"to {last}" in now.summary
    assert f"from {first.details['onset']} to {first.details['through']}" in now.summary
    assert [one for one in disagreements() if one.table == "records_alarm"] == []


def test_what_was_closed_is_raised_again_by_later_days_alone(clinic: Clinic) -> None:
    record(clinic, site="north", reported=True, odds=1.5)
    clinic.watch(THROUGH)
    alarm = Alarm.objects.get(stream=CALIBRATION)
    record_review(alarm.pk, "rita", Signed("accept", "More of them come from the emergency room"))
    for _ in range(2):
        clinic.watch(THROUGH)
    assert Alarm.objects.filter(stream=CALIBRATION).count() == 1
    for step in range(1, 30):
        made = clinic.record(THROUGH + timedelta(days=step), 30, site="north")
        clinic.report_outcomes(made, [True] * 15 + [False] * 15, 90)
    clinic.watch(THROUGH + timedelta(days=29))
    again = Alarm.objects.filter(stream=CALIBRATION).latest("pk")
    assert again.pk != alarm.pk
    assert again.since is not None
    assert again.since > THROUGH


def test_a_turn_to_the_opposite_is_an_alarm_of_its_own(any_clinic: Clinic) -> None:
    clinic = any_clinic
    record(clinic, site="north", reported=True, odds=-1.0)
    record(clinic, site="north", reported=True, odds=1.5, start=DAYS)
    turned = THROUGH + timedelta(days=1)
    clinic.watch(turned + timedelta(days=DAYS))
    standing, turn = Alarm.objects.filter(stream=CALIBRATION).order_by("pk")
    assert (standing.details["direction"], turn.details["direction"]) == ("too high", "too low")
    assert turn.since is not None
    assert abs(turn.since - turned) < timedelta(days=10)
    assert standing.details["until"] == turn.details["onset"]
    assert standing.summary.endswith(f", until it turned on {turn.since}.")
    assert standing.details["later"]["last"] < turn.details["onset"]
    assert turn.summary.startswith("Risks are too low: ")
    assert turn.severity == "critical"
    record_review(standing.pk, "rita", Signed("accept", "Fewer came from the emergency room"))
    before = list(Alarm.objects.order_by("pk").values("state", "summary", "details"))
    clinic.watch(turned + timedelta(days=DAYS))
    assert list(Alarm.objects.order_by("pk").values("state", "summary", "details")) == before
    turn.refresh_from_db()
    assert turn.state == "open"
    assert [one for one in disagreements() if one.table == "records_alarm"] == []


def test_a_turn_is_found_whenever_monitoring_runs(clinic: Clinic) -> None:
    record(clinic, site="north", reported=True, odds=-1.0)
    clinic.watch(THROUGH)
    record(clinic, site="north", reported=True, odds=1.5, start=DAYS)
    for day in (10, 20, 60):
        clinic.watch(THROUGH + timedelta(days=day))
    daily = [
        (one.details["direction"], one.since, one.summary)
        for one in Alarm.objects.filter(stream=CALIBRATION).order_by("pk")
    ]
    assert len(daily) == 2
    Alarm.objects.all().delete()
    clinic.watch(THROUGH + timedelta(days=60))
    assert daily == [
        (one.details["direction"], one.since, one.summary)
        for one in Alarm.objects.filter(stream=CALIBRATION).order_by("pk")
    ]


def test_the_opposite_counts_from_the_day_that_raised_an_alarm_even_once_it_is_closed(
    clinic: Clinic,
) -> None:
    record(clinic, site="north", reported=True, odds=-1.0)
    for step in range(3):
        made = clinic.record(THROUGH + timedelta(days=step + 1), 30, site="north")
        clinic.report_outcomes(made, [False] * 30, 90)
    clinic.watch(THROUGH + timedelta(days=3))
    alarm = Alarm.objects.get(stream=CALIBRATION)
    record_review(alarm.pk, "rita", Signed("accept", "Fewer came from the emergency room"))
    signed = Alarm.objects.values("summary", "details").get(pk=alarm.pk)
    record(clinic, site="north", reported=True, odds=1.5, start=DAYS + 3)
    clinic.watch(THROUGH + timedelta(days=DAYS + 3))
    turn = Alarm.objects.filter(stream=CALIBRATION).latest("pk")
    assert turn.details["direction"] == "too low"
    assert Alarm.objects.values("summary", "details").get(pk=alarm.pk) == signed


def test_nothing_is_said_of_predictions_after_the_last_watched_day(clinic: Clinic) -> None:
    record(clinic, site="north", reported=True, odds=1.5)
    last = THROUGH - timedelta(days=20)
    clinic.watch(last)
    alarm = Alarm.objects.get(stream=CALIBRATION)
    assert alarm.details["later"]["last"] == str(last)
    assert str(THROUGH) not in alarm.summary
    assert MonitorRun.objects.latest("pk").summary["outcomes"]["due"] == (DAYS - 20) * 30
    clinic.watch(THROUGH)
    alarm.refresh_from_db()
    assert alarm.details["later"]["last"] == str(THROUGH)
