"""Which outcomes the alarms that rest on outcomes weigh, and what is said of the rest."""

from datetime import timedelta

import numpy as np
import pytest

from auscult.summary import show_status
from monitoring.calibration import CALIBRATION
from monitoring.console.figures import exposed
from monitoring.heartbeat import Heartbeat, heartbeat
from records.models import Alarm, MonitorRun
from tests.monitoring.clinic import FIRST, NOW, Clinic

DAYS = 60
THROUGH = FIRST + timedelta(days=DAYS - 1)


def record(clinic: Clinic, *, site: str, reported: bool, odds: float = 0.0) -> None:
    """Record two months of a site whose true log-odds are off by so much."""
    for step in range(DAYS):
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
